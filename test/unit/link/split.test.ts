import { expect, test } from 'vitest';
import { VirtualTime } from '../../../src/base/virtual-time.ts';
import type { Link, LinkReceiver } from '../../../src/link/link.ts';
import { memoryLink } from '../../../src/link/memory.ts';
import { splitLink } from '../../../src/link/taps/split.ts';
import { type Ipv4, parseIpv4 } from '../../../src/wire/ipv4.ts';
import { packetOf, Recorder } from './packets.ts';

const ONE = parseIpv4('127.0.0.1')!;
const TWO = parseIpv4('10.0.0.1')!;
const OTHER = parseIpv4('10.0.0.2')!;

/** A header that holds nothing but where it is for. */
const to = (address: Ipv4): number[] => {
  const header = new Array<number>(20).fill(0);
  for (let i = 0; i < 4; i++) header[16 + i] = (address >>> (24 - 8 * i)) & 0xff;
  return header;
};

function split() {
  const time = new VirtualTime();
  const [near, far] = memoryLink(time);
  const parts = splitLink(near, [ONE, TWO]);
  return { time, near, far, parts, receivers: parts.map((part) => new Recorder(part)), atFar: new Recorder(far) };
}

test('a packet goes to the part whose address it is for, and what is for nobody goes nowhere', () => {
  const { time, far, receivers } = split();
  for (const address of [ONE, TWO, OTHER, TWO]) far.send(packetOf(to(address), [[address & 0xff]]));
  far.send(packetOf([1, 2, 3]));
  while (time.step());
  expect(receivers.map((r) => r.octets.length)).toEqual([1, 2]);
  expect(receivers[0]!.octets[0]!.slice(16, 20)).toEqual([127, 0, 0, 1]);
});

test('all parts send by the one link, and count together', () => {
  const { time, parts, atFar, near } = split();
  for (const part of parts) expect(part.send(packetOf(to(OTHER)))).toBe('sent');
  while (time.step());
  expect(atFar.octets).toHaveLength(2);
  for (const part of parts) expect(part.counters).toBe(near.counters);
});

test('the link closes with its last part; one that is closed gets and sends nothing more', () => {
  const { time, far, parts, receivers } = split();
  parts[0]!.close();
  parts[0]!.close();
  far.send(packetOf(to(ONE)));
  far.send(packetOf(to(TWO)));
  while (time.step());
  expect(receivers.map((r) => r.octets.length)).toEqual([0, 1]);
  expect(parts[0]!.send(packetOf(to(OTHER)))).toBe('error');
  expect(parts[1]!.send(packetOf(to(OTHER)))).toBe('sent');
  parts[1]!.close();
  far.send(packetOf(to(TWO)));
  while (time.step());
  expect(receivers[1]!.octets).toHaveLength(1);
});

test('what goes wrong with a packet is told to its sender, what ends the link to all', () => {
  let receiver: LinkReceiver | undefined;
  const failing: Link = {
    ...memoryLink(new VirtualTime())[0],
    start: (r) => {
      receiver = r;
    },
    send: () => {
      receiver?.onError({ code: 'EMSGSIZE', message: 'too large', fatal: false });
      return 'error';
    },
  };
  const parts = splitLink(failing, [ONE, TWO]);
  const [first, second] = parts.map((part) => new Recorder(part));
  parts[1]!.send(packetOf(to(OTHER)));
  expect([first!.errors.length, second!.errors.length]).toEqual([0, 1]);
  receiver?.onError({ code: 'ENODEV', message: 'gone', fatal: true });
  expect([first!.errors.length, second!.errors.length]).toEqual([1, 2]);
});
