/**
 * Shows what passes a link: every IP packet that arrives, and every one the link took to send, in its order.
 * Put it next to the driver, under other taps: then it is what was on the wire. A segment that the kernel or the card is to
 * cut is shown as those it becomes; one that arrives merged stays one, since nobody knows how it was.
 */
import type { Clock, Micros } from '../../base/time.ts';
import type { Link, LinkReceiver, PacketIn, PacketOut, SendOutcome } from '../link.ts';
import { SuperSegment } from '../super-segment.ts';
import { completeChecksum } from './left-checksum.ts';

/**
 * One packet of a capture: `octets` is a copy and the sink's to keep. A transport checksum that was left to hardware
 * is completed in it, and `completed` says so: in the wire's octets it is, or will be, and a reader of the capture
 * should not take it for an error.
 */
export type CaptureSink = (t: Micros, dir: 'in' | 'out', octets: Uint8Array, completed: boolean) => void;

/** `clock` is only read; its alarm is left alone. */
export function captureTap(link: Link, clock: Clock, sink: CaptureSink): Link {
  const watch = (receiver: LinkReceiver): LinkReceiver => ({
    onPacket(packet: PacketIn) {
      const octets = packet.bytes.slice(packet.at, packet.end);
      sink(clock.now(), 'in', octets, completeChecksum(octets, 0, octets.length, packet.checksum));
      receiver.onPacket(packet);
    },
    onBatchEnd: (more) => receiver.onBatchEnd(more),
    onWritable: () => receiver.onWritable(),
    onError: (error) => receiver.onError(error),
  });
  const merged = new SuperSegment();
  const show = (t: Micros, packet: PacketOut): void => {
    const octets = gathered(packet);
    const { gsoSize, payload } = packet;
    if (gsoSize > 0 && payload.len > gsoSize && merged.begin(octets, 0, octets.length, gsoSize, link.mtu) > 1) {
      for (let i = 0; i < merged.count; i++) {
        const segment = new Uint8Array(packet.headerLen + gsoSize);
        sink(t, 'out', segment.subarray(0, merged.write(i, segment, 0)), true);
      }
    } else sink(t, 'out', octets, packet.checksumPartial && completeChecksum(octets, 0, octets.length, 'partial'));
  };
  return {
    driver: link.driver,
    mtu: link.mtu,
    receiveMtu: link.receiveMtu,
    maxGsoPayload: link.maxGsoPayload,
    completesChecksum: link.completesChecksum,
    counters: link.counters,
    start: (receiver) => link.start(watch(receiver)),
    send(packet: PacketOut): SendOutcome {
      // A driver may spend the peer's time in `send`, as a veth does: the packet left before that.
      const t = clock.now();
      const outcome = link.send(packet);
      if (outcome === 'sent') show(t, packet);
      return outcome;
    },
    ...(link.drops !== undefined && { drops: () => link.drops!() }),
    flush: () => link.flush(),
    poll: () => link.poll?.(),
    awaitAnswer: () => link.awaitAnswer?.(),
    close: () => link.close(),
  };
}

function gathered(packet: PacketOut): Uint8Array {
  const octets = new Uint8Array(packet.headerLen + packet.payload.len);
  octets.set(packet.header.subarray(0, packet.headerLen));
  packet.payload.copyTo(octets, packet.headerLen);
  return octets;
}
