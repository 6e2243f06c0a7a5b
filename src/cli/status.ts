/** Commands that run a stack can be looked at by `tcpx ss`. */
import type { StatusHost } from '../tools/status/collect.ts';
import { offerStatus, type StatusOffer } from '../tools/status/offer.ts';
import type { Io } from './io.ts';

/** From now until it is closed; where there is no place for it, nothing happens. `hosts` is asked at each look. */
export const offerTo = (io: Io, command: string, hosts: () => Iterable<StatusHost>): Pick<StatusOffer, 'close'> =>
  io.statusDirectory === undefined ? { close() {} } : offerStatus({ command, hosts, directory: io.statusDirectory });
