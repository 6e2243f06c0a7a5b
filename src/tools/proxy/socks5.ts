/**
 * The server's side of SOCKS version 5, RFC 1928, with RFC 1929 user and password where they are asked for: octets of the
 * client in, what it wants and what to answer out. Owns no socket. CONNECT is what it serves; BIND, UDP ASSOCIATE and IPv6
 * addresses are recognised and get the reply the RFC has for them.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { type Ipv4, ipv4Text, toIpv4 } from '../../wire/ipv4.ts';

/** RFC 1928 §6, REP. */
export const Reply = {
  SUCCEEDED: 0,
  GENERAL_FAILURE: 1,
  NOT_ALLOWED: 2,
  NETWORK_UNREACHABLE: 3,
  HOST_UNREACHABLE: 4,
  CONNECTION_REFUSED: 5,
  TTL_EXPIRED: 6,
  COMMAND_NOT_SUPPORTED: 7,
  ADDRESS_TYPE_NOT_SUPPORTED: 8,
} as const;
export type Reply = (typeof Reply)[keyof typeof Reply];

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** `answer` goes to the client first. */
export type SocksStep = { readonly answer?: Uint8Array } & (
  | { readonly want: 'more' }
  /** The client may have sent `rest` already, for the peer. */
  | { readonly want: 'connect'; readonly host: string; readonly port: number; readonly rest: Uint8Array }
  /** It is no use: close after the answer. `why` is for the log. */
  | { readonly want: 'end'; readonly why: string }
);

const VERSION = 5;
const AUTH_VERSION = 1;
const Method = { NONE: 0, PASSWORD: 2, NO_ACCEPTABLE: 0xff } as const;
const Command = { CONNECT: 1, BIND: 2, UDP_ASSOCIATE: 3 } as const;
const AddressType = { IPV4: 1, NAME: 3, IPV6: 4 } as const;
const IPV4_LEN = 4;
const IPV6_LEN = 16;
const PORT_LEN = 2;

const NONE = new Uint8Array(0);

export class Socks5Handshake {
  readonly #credentials: Credentials | undefined;
  #octets: Uint8Array = NONE;
  #awaits: 'methods' | 'password' | 'request' = 'methods';

  constructor(credentials?: Credentials) {
    this.#credentials = credentials;
  }

  /** What came next from the client; not to be called again after 'connect' or 'end'. */
  take(octets: Uint8Array): SocksStep {
    this.#octets = this.#octets.length === 0 ? octets : Buffer.concat([this.#octets, octets]);
    const answers: Uint8Array[] = [];
    for (;;) {
      const step = this.#step();
      if (step === undefined) return withAnswers({ want: 'more' }, answers);
      if (step.want !== 'more') return withAnswers(step, answers);
      if (step.answer !== undefined) answers.push(step.answer);
    }
  }

  /** Undefined: not all of it is there yet. */
  #step(): SocksStep | undefined {
    if (this.#octets.length === 0) return undefined;
    switch (this.#awaits) {
      case 'methods':
        return this.#methods();
      case 'password':
        return this.#password();
      case 'request':
        return this.#request();
    }
  }

  /** RFC 1928 §3: VER NMETHODS METHODS. */
  #methods(): SocksStep | undefined {
    const [version = 0, count = 0] = this.#octets;
    if (version !== VERSION) return { want: 'end', why: notSocks5(version) };
    const methods = this.#part(2, count);
    if (methods === undefined) return undefined;
    const method = this.#credentials === undefined ? Method.NONE : Method.PASSWORD;
    if (!methods.includes(method)) {
      const why = method === Method.NONE ? 'the client insists on a login' : 'the client offers no user and password';
      return { want: 'end', answer: Uint8Array.of(VERSION, Method.NO_ACCEPTABLE), why };
    }
    this.#drop(2 + count);
    this.#awaits = method === Method.NONE ? 'request' : 'password';
    return { want: 'more', answer: Uint8Array.of(VERSION, method) };
  }

  /** RFC 1929 §2: VER ULEN UNAME PLEN PASSWD. */
  #password(): SocksStep | undefined {
    const [version = 0, userLen = 0] = this.#octets;
    if (version !== AUTH_VERSION)
      return { want: 'end', answer: Uint8Array.of(AUTH_VERSION, 1), why: 'not a login of RFC 1929' };
    const user = this.#part(2, userLen);
    const passwordLen = this.#octets[2 + userLen];
    const password = passwordLen === undefined ? undefined : this.#part(3 + userLen, passwordLen);
    if (user === undefined || password === undefined) return undefined;
    this.#drop(3 + userLen + password.length);
    // Both are compared whatever the first says: time is to tell nothing.
    const isUser = isSame(user, this.#credentials?.user ?? '');
    const isPassword = isSame(password, this.#credentials?.password ?? '');
    if (!isUser || !isPassword)
      return { want: 'end', answer: Uint8Array.of(AUTH_VERSION, 1), why: 'wrong user or password' };
    this.#awaits = 'request';
    return { want: 'more', answer: Uint8Array.of(AUTH_VERSION, 0) };
  }

  /** RFC 1928 §4: VER CMD RSV ATYP DST.ADDR DST.PORT. */
  #request(): SocksStep | undefined {
    const [version = 0, command = 0, , type, nameLen] = this.#octets;
    if (version !== VERSION) return { want: 'end', answer: socksReply(Reply.GENERAL_FAILURE), why: 'not a request' };
    if (type === undefined) return undefined;
    const isName = type === AddressType.NAME;
    if (isName && nameLen === undefined) return undefined;
    const len = type === AddressType.IPV4 ? IPV4_LEN : type === AddressType.IPV6 ? IPV6_LEN : (nameLen ?? 0);
    if (!isName && type !== AddressType.IPV4 && type !== AddressType.IPV6)
      return refuse(Reply.ADDRESS_TYPE_NOT_SUPPORTED, `address type ${type} is not in RFC 1928`);
    const at = isName ? 5 : 4;
    const address = this.#part(at, len);
    const portOctets = this.#part(at + len, PORT_LEN);
    if (address === undefined || portOctets === undefined) return undefined;
    if (command !== Command.CONNECT) return refuse(Reply.COMMAND_NOT_SUPPORTED, commandText(command));
    if (type === AddressType.IPV6 && !isMapped(address))
      return refuse(Reply.ADDRESS_TYPE_NOT_SUPPORTED, 'IPv6 is not spoken here yet');
    const port = (portOctets[0]! << 8) | portOctets[1]!;
    const host = isName ? Buffer.from(address).toString('latin1') : ipv4Text(ipv4At(address.subarray(-IPV4_LEN)));
    if (isName && !/^[\x21-\x7e]+$/.test(host)) return refuse(Reply.GENERAL_FAILURE, 'the name asked for is no name');
    if (port === 0) return refuse(Reply.GENERAL_FAILURE, `port 0 of ${host} can't be connected to`);
    return { want: 'connect', host, port, rest: this.#octets.subarray(at + len + PORT_LEN) };
  }

  #part(at: number, len: number): Uint8Array | undefined {
    return this.#octets.length < at + len ? undefined : this.#octets.subarray(at, at + len);
  }

  #drop(len: number): void {
    this.#octets = this.#octets.subarray(len);
  }
}

/** RFC 1928 §6: VER REP RSV ATYP BND.ADDR BND.PORT; zeros where nothing is bound. */
export function socksReply(reply: Reply, address = 0 as Ipv4, port = 0): Uint8Array {
  const octets = new Uint8Array(10);
  octets.set([VERSION, reply, 0, AddressType.IPV4]);
  const view = new DataView(octets.buffer);
  view.setInt32(4, address);
  view.setUint16(8, port);
  return octets;
}

/** What an error's code is to a SOCKS client; ETIMEDOUT is 6, as dante and microsocks have it. */
export function replyOf(code: string | undefined): Reply {
  switch (code) {
    case 'ECONNREFUSED':
      return Reply.CONNECTION_REFUSED;
    case 'ETIMEDOUT':
      return Reply.TTL_EXPIRED;
    case 'ENETUNREACH':
    case 'ENETDOWN':
      return Reply.NETWORK_UNREACHABLE;
    case 'EHOSTUNREACH':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return Reply.HOST_UNREACHABLE;
    case 'EAFNOSUPPORT':
      return Reply.ADDRESS_TYPE_NOT_SUPPORTED;
    case 'EACCES':
      return Reply.NOT_ALLOWED;
    default:
      return Reply.GENERAL_FAILURE;
  }
}

const refuse = (reply: Reply, why: string): SocksStep => ({ want: 'end', answer: socksReply(reply), why });

function commandText(command: number): string {
  if (command === Command.BIND) return 'BIND is not served';
  return command === Command.UDP_ASSOCIATE ? 'UDP ASSOCIATE is not served' : `command ${command} is not in RFC 1928`;
}

function notSocks5(first: number): string {
  if (first === 4) return 'the client speaks SOCKS4; set it to SOCKS5';
  const isLetter = first >= 0x41 && first <= 0x5a;
  return isLetter ? 'the client speaks HTTP; set it to SOCKS5' : 'the client does not speak SOCKS5';
}

/** Hashed first, so that their lengths don't show either. */
function isSame(octets: Uint8Array, text: string): boolean {
  const hash = (data: Uint8Array | string): Buffer => createHash('sha256').update(data).digest();
  return timingSafeEqual(hash(octets), hash(text));
}

/** ::ffff:192.0.2.1, RFC 4291 §2.5.5.2: an IPv4 address after all. */
const isMapped = (octets: Uint8Array): boolean => octets.subarray(0, 12).every((o, i) => o === (i < 10 ? 0 : 0xff));

const ipv4At = (octets: Uint8Array): Ipv4 =>
  toIpv4((octets[0]! << 24) | (octets[1]! << 16) | (octets[2]! << 8) | octets[3]!);

/** 'connect' is answered when its outcome is known; answers to what came before it are not held back. */
function withAnswers(step: SocksStep, answers: readonly Uint8Array[]): SocksStep {
  const all = step.answer === undefined ? answers : [...answers, step.answer];
  return all.length === 0 ? step : { ...step, answer: all.length === 1 ? all[0]! : Buffer.concat(all) };
}
