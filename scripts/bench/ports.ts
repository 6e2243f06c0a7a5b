/** The services of peer.c. */
export const PORTS = { discard: 7001, source: 7002, both: 7003, echo: 7004, close: 7005, many: 7006 } as const;
