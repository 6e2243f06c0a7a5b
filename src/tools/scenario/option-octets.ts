/** TCP options between a scenario's words and octets, in their own order; RFC 9293 §3.1, RFC 6994 for FOEXP. */
import { TcpOption } from '../../wire/tcp.ts';
import type { OptionSpec } from './model.ts';

const EXPERIMENT = 254;
/** Fast Open's experiment identifier, RFC 7413 appendix A. */
const FAST_OPEN_EXPERIMENT = [0xf9, 0x89] as const;

/** How a scenario's numbers become those on the wire, and what a name stands for. */
export interface ToWire {
  sackEdge(n: number): number;
  tsVal(n: number): number;
  tsEcr(n: number): number;
  cookie(name: string): string | undefined;
}

/** Padded with zeros to whole words. */
export function optionOctets(options: readonly OptionSpec[], wire: ToWire): Uint8Array {
  const octets = options.flatMap((option) => oneOption(option, wire));
  while (octets.length % 4 !== 0) octets.push(0);
  return Uint8Array.from(octets);
}

function oneOption(o: OptionSpec, wire: ToWire): readonly number[] {
  switch (o.kind) {
    case 'eol':
      return [TcpOption.END];
    case 'nop':
      return [TcpOption.NOP];
    case 'sackOK':
      return [TcpOption.SACK_PERMITTED, 2];
    case 'mss':
      return [TcpOption.MSS, 4, o.n >>> 8, o.n & 0xff];
    case 'wscale':
      return [TcpOption.WSCALE, 3, o.n & 0xff];
    case 'sack':
      return [
        TcpOption.SACK,
        2 + 8 * o.blocks.length,
        ...o.blocks.flatMap(([l, r]) => [...word(wire.sackEdge(l)), ...word(wire.sackEdge(r))]),
      ];
    case 'TS':
      return [TcpOption.TIMESTAMPS, 10, ...word(wire.tsVal(o.val)), ...word(wire.tsEcr(o.ecr))];
    case 'FO':
    case 'FOEXP': {
      const cookie = hexOctets(/^[A-Z_]+$/.test(o.cookie) ? (wire.cookie(o.cookie) ?? '') : o.cookie);
      return o.kind === 'FO'
        ? [TcpOption.FAST_OPEN, 2 + cookie.length, ...cookie]
        : [EXPERIMENT, 4 + cookie.length, ...FAST_OPEN_EXPERIMENT, ...cookie];
    }
    case 'hex':
      return hexOctets(o.octets);
  }
}

const word = (n: number): readonly number[] => [(n >>> 24) & 0xff, (n >>> 16) & 0xff, (n >>> 8) & 0xff, n & 0xff];

export function hexOctets(hex: string): readonly number[] {
  return (hex.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));
}

export const hexText = (octets: Uint8Array): string =>
  [...octets].map((octet) => octet.toString(16).padStart(2, '0')).join('');

/** How numbers on the wire become a scenario's. */
export interface FromWire {
  sackEdge(n: number): number;
}

/** The options in `[at, end)` of `bytes`. What is malformed or unknown comes as octets. */
export function readOptionSpecs(bytes: Uint8Array, at: number, end: number, wire: FromWire): readonly OptionSpec[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const options: OptionSpec[] = [];
  let i = at;
  while (i < end) {
    const kind = bytes[i]!;
    if (kind === TcpOption.END) {
      options.push({ kind: 'eol' });
      break;
    }
    if (kind === TcpOption.NOP) {
      options.push({ kind: 'nop' });
      i++;
      continue;
    }
    const len = i + 1 < end ? bytes[i + 1]! : 0;
    if (len < 2 || i + len > end) {
      options.push({ kind: 'hex', octets: hexText(bytes.subarray(i, end)) });
      break;
    }
    options.push(readOne(bytes.subarray(i, i + len), view, i, wire));
    i += len;
  }
  return options;
}

function readOne(octets: Uint8Array, view: DataView, at: number, wire: FromWire): OptionSpec {
  const len = octets.length;
  switch (octets[0]) {
    case TcpOption.SACK_PERMITTED:
      if (len === 2) return { kind: 'sackOK' };
      break;
    case TcpOption.MSS:
      if (len === 4) return { kind: 'mss', n: view.getUint16(at + 2) };
      break;
    case TcpOption.WSCALE:
      if (len === 3) return { kind: 'wscale', n: octets[2]! };
      break;
    case TcpOption.TIMESTAMPS:
      if (len === 10) return { kind: 'TS', val: view.getUint32(at + 2), ecr: view.getUint32(at + 6) };
      break;
    case TcpOption.SACK: {
      if ((len - 2) % 8 !== 0 || len < 10) break;
      const blocks: [number, number][] = [];
      for (let i = at + 2; i < at + len; i += 8)
        blocks.push([wire.sackEdge(view.getUint32(i)), wire.sackEdge(view.getUint32(i + 4))]);
      return { kind: 'sack', blocks };
    }
    case TcpOption.FAST_OPEN:
      return { kind: 'FO', cookie: hexText(octets.subarray(2)) };
    case EXPERIMENT:
      if (octets[2] === FAST_OPEN_EXPERIMENT[0] && octets[3] === FAST_OPEN_EXPERIMENT[1])
        return { kind: 'FOEXP', cookie: hexText(octets.subarray(4)) };
      break;
    default:
      break;
  }
  return { kind: 'hex', octets: hexText(octets) };
}
