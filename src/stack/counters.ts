/** What a stack has seen, by the names under which it is reported; after the spirit of /proc/net/snmp. */
export interface StackCounters {
  segmentsIn: number;
  segmentsOut: number;
  /** Not IPv4, cut short, or of impossible lengths. */
  malformed: number;
  /** Addressed to someone else, or from an address nobody can have. */
  notForUs: number;
  /** Dropped for a wrong IP or TCP checksum. */
  badChecksum: number;
  /** Good segments whose checksum the sender had left to hardware (only the pseudo-header summed). */
  partialChecksum: number;
  /** Parts of IP datagrams, which are not reassembled. */
  fragments: number;
  /** For a port of ours without a connection. */
  noConnection: number;
  /** RSTs sent, those of aborted connections included. */
  resetsOut: number;
  /** SYNs dropped, and third segments ignored, because a listener's queue was full. */
  backlogFull: number;
  /** SYNs dropped because the stack holds tcp_mem_octets. */
  memoryFull: number;
  /** Connections that had no TIME-WAIT, because tcp_max_tw_buckets were in it. */
  timeWaitOverflow: number;
  cookiesSent: number;
  /** Third segments with a good cookie, and ACKs that claimed to have one. */
  cookiesGood: number;
  cookiesBad: number;
  icmpErrors: number;
  /** ICMP errors that quoted nothing we had sent. */
  icmpIgnored: number;
  /** Connections ended by a bug of ours; each is a line in the trace. */
  defects: number;
  /** Segments the link did not take. */
  sendFailures: number;
}

export function newCounters(): StackCounters {
  return {
    segmentsIn: 0,
    segmentsOut: 0,
    malformed: 0,
    notForUs: 0,
    badChecksum: 0,
    partialChecksum: 0,
    fragments: 0,
    noConnection: 0,
    resetsOut: 0,
    backlogFull: 0,
    memoryFull: 0,
    timeWaitOverflow: 0,
    cookiesSent: 0,
    cookiesGood: 0,
    cookiesBad: 0,
    icmpErrors: 0,
    icmpIgnored: 0,
    defects: 0,
    sendFailures: 0,
  };
}
