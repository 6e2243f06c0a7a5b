/** What a stack answers without a connection leaves at the end of the batch, also where the link keeps packets until `flush`. */
import { expect, test } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { VirtualTime } from '../../../src/base/virtual-time.ts';
import { type Link, newLinkCounters } from '../../../src/link/link.ts';
import { memoryLink } from '../../../src/link/memory.ts';
import { Stack } from '../../../src/stack/stack.ts';
import { parseIpv4 } from '../../../src/wire/ipv4.ts';

const US = parseIpv4('10.0.0.1')!;
const PEER = parseIpv4('10.0.0.2')!;

/** Gives `link` its packets when it is told to flush. */
function keeping(link: Link): Link {
  let kept: (() => void)[] = [];
  return {
    ...link,
    driver: 'keeping',
    mtu: link.mtu,
    receiveMtu: link.receiveMtu,
    maxGsoPayload: 0,
    completesChecksum: false,
    counters: newLinkCounters(),
    start: (receiver) => link.start(receiver),
    send(packet) {
      const header = packet.header.slice();
      kept.push(() => link.send({ ...packet, header }));
      return 'sent';
    },
    flush() {
      for (const leave of kept) leave();
      kept = [];
    },
    close: () => link.close(),
  };
}

test('a SYN for a port where nobody listens is refused at once', () => {
  const time = new VirtualTime();
  const [near, far] = memoryLink(time);
  new Stack({ clock: time.clock(), random: seededRandom(1), link: keeping(near), address: US });
  const peer = new Stack({ clock: time.clock(), random: seededRandom(2), link: far, address: PEER });
  const endpoint = peer.connect({ address: US, port: 7 });
  time.runUntil((time.now + 1000) as typeof time.now);
  expect([endpoint.state, endpoint.error]).toEqual(['CLOSED', 'ECONNREFUSED']);
});
