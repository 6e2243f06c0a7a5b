/**
 * The state the kernel has for one TCP connection: socket diagnostics (NETLINK_SOCK_DIAG, linux/inet_diag.h), asked for
 * exactly one connection. TIME-WAIT and connections whose program is gone are there too. Takes some microseconds.
 */
import { type Ipv4, toIpv4 } from '../wire/ipv4.ts';
import { errnoOf, type Handle, loadAddon } from './native.ts';
import { ask, LITTLE, MessageFlag, NetlinkWriter } from './netlink.ts';

const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
const AF_INET = 2;
const IPPROTO_TCP = 6;
const REQUEST_LEN = 56;
const LOOPBACK = toIpv4(0x7f000001);
const ANY = toIpv4(0);

export interface Addresses {
  readonly local: Ipv4;
  readonly localPort: number;
  readonly remote: Ipv4;
  readonly remotePort: number;
}

export class SocketDiag {
  readonly #netlink: Handle = loadAddon().netlinkOpen(NETLINK_SOCK_DIAG);
  readonly #request: Uint8Array;

  /** For the connection with these ends in this process's network namespace. Throws LinkFailure when there is no addon. */
  constructor(a: Addresses) {
    this.#request = new NetlinkWriter()
      .message(SOCK_DIAG_BY_FAMILY, MessageFlag.REQUEST)
      .body([...requestBody(a)])
      .take();
  }

  /** Linux's number of the state (include/net/tcp_states.h); undefined when the kernel knows no such connection. Throws NetlinkError. */
  state(): number | undefined {
    try {
      // inet_diag_msg: family, state, …
      return ask(this.#netlink, this.#request)?.getUint8(1);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Idempotent. */
  close(): void {
    loadAddon().close(this.#netlink);
  }
}

/** Whether this kernel answers such questions; where its tcp_diag module is missing, every connection would look closed. */
export function hasSocketDiag(): boolean {
  const addon = loadAddon();
  const listener = addon.portListen(LOOPBACK, 0, 0);
  const diag = new SocketDiag({ local: LOOPBACK, localPort: addon.portOf(listener), remote: ANY, remotePort: 0 });
  try {
    return diag.state() !== undefined;
  } catch {
    return false;
  } finally {
    diag.close();
    addon.close(listener);
  }
}

/** inet_diag_req_v2: family, protocol, no extensions, all states, then inet_diag_sockid without interface and cookie. */
function requestBody(a: Addresses): Uint8Array {
  const octets = new Uint8Array(REQUEST_LEN);
  const view = new DataView(octets.buffer);
  view.setUint8(0, AF_INET);
  view.setUint8(1, IPPROTO_TCP);
  view.setUint32(4, 0xffff_ffff, LITTLE);
  view.setUint16(8, a.localPort);
  view.setUint16(10, a.remotePort);
  view.setInt32(12, a.local);
  view.setInt32(28, a.remote);
  view.setUint32(48, 0xffff_ffff);
  view.setUint32(52, 0xffff_ffff);
  return octets;
}
