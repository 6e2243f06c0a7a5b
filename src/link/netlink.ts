/**
 * Netlink messages, RFC 3549 §2.3: a header in host order, then a family's own header, then attributes that may nest.
 * Written and read here; the addon carries them.
 */
import { endianness } from 'node:os';
import { getSystemErrorName } from 'node:util';
import { type Addon, type Handle, loadAddon } from './native.ts';

export const LITTLE = endianness() === 'LE';
export const MessageFlag = { REQUEST: 1, ACK: 4, CREATE: 0x400 } as const;

const HEADER_LEN = 16;
const ATTRIBUTE_HEADER_LEN = 4;
const NLMSG_ERROR = 2;
const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;
const aligned = (len: number): number => (len + 3) & ~3;

/** Builds one datagram of one or more messages. */
export class NetlinkWriter {
  readonly #bytes = new Uint8Array(4096);
  readonly #view = new DataView(this.#bytes.buffer);
  #end = 0;
  #messageAt = 0;
  #seq = 0;

  message(type: number, flags: number): this {
    this.#messageAt = this.#end;
    this.#view.setUint16(this.#end + 4, type, LITTLE);
    this.#view.setUint16(this.#end + 6, flags, LITTLE);
    this.#view.setUint32(this.#end + 8, ++this.#seq, LITTLE);
    this.#end += HEADER_LEN;
    return this.#grown();
  }

  /** The family's header, as octets. */
  body(octets: readonly number[]): this {
    this.#bytes.set(octets, this.#end);
    this.#end += aligned(octets.length);
    return this.#grown();
  }

  octets(type: number, value: ArrayLike<number>): this {
    const at = this.#end;
    this.#bytes.set(value, at + ATTRIBUTE_HEADER_LEN);
    this.#end += ATTRIBUTE_HEADER_LEN + aligned(value.length);
    return this.#attribute(at, type, ATTRIBUTE_HEADER_LEN + value.length);
  }

  text(type: number, value: string): this {
    return this.octets(type, new TextEncoder().encode(`${value}\0`));
  }

  /** 32 bits in network order, as nftables and addresses want them. */
  be32(type: number, value: number): this {
    return this.octets(type, [value >>> 24, value >>> 16, value >>> 8, value]);
  }

  /** 32 bits in host order, as rtnetlink wants its numbers. */
  host32(type: number, value: number): this {
    return this.octets(type, hostOctets(value));
  }

  nest(type: number, inside: () => void): this {
    const at = this.#end;
    this.#end += ATTRIBUTE_HEADER_LEN;
    inside();
    return this.#attribute(at, type | NLA_F_NESTED, this.#end - at);
  }

  take(): Uint8Array {
    return this.#bytes.slice(0, this.#end);
  }

  #attribute(at: number, type: number, len: number): this {
    this.#view.setUint16(at, len, LITTLE);
    this.#view.setUint16(at + 2, type, LITTLE);
    return this.#grown();
  }

  #grown(): this {
    this.#view.setUint32(this.#messageAt, this.#end - this.#messageAt, LITTLE);
    return this;
  }
}

export function hostOctets(value: number): Uint8Array {
  const octets = new Uint8Array(4);
  new DataView(octets.buffer).setUint32(0, value, LITTLE);
  return octets;
}

/** Attributes by type; of a repeated one the last. */
export type Attributes = ReadonlyMap<number, DataView>;

export function readAttributes(view: DataView, from = 0): Attributes {
  const found = new Map<number, DataView>();
  for (let at = from; at + ATTRIBUTE_HEADER_LEN <= view.byteLength; ) {
    const len = view.getUint16(at, LITTLE);
    if (len < ATTRIBUTE_HEADER_LEN || at + len > view.byteLength) break;
    const type = view.getUint16(at + 2, LITTLE) & NLA_TYPE_MASK;
    found.set(type, new DataView(view.buffer, view.byteOffset + at + ATTRIBUTE_HEADER_LEN, len - ATTRIBUTE_HEADER_LEN));
    at += aligned(len);
  }
  return found;
}

/** The kernel's answer that is an error. */
export class NetlinkError extends Error {
  /** Errno name. */
  readonly code: string;

  constructor(code: string) {
    super(`netlink: ${code}`);
    this.code = code;
  }
}

/** Asks; the answer's body behind the netlink header, undefined for a bare acknowledgement. Throws NetlinkError. */
export function ask(handle: Handle, request: Uint8Array, addon: Addon = loadAddon()): DataView | undefined {
  const bytes = addon.netlinkAsk(handle, request);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const len = Math.min(view.getUint32(0, LITTLE), view.byteLength);
  if (view.getUint16(4, LITTLE) !== NLMSG_ERROR)
    return new DataView(view.buffer, view.byteOffset + HEADER_LEN, len - HEADER_LEN);
  const error = view.getInt32(HEADER_LEN, LITTLE);
  if (error !== 0) throw new NetlinkError(getSystemErrorName(error));
  return undefined;
}
