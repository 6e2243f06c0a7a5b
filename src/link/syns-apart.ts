/**
 * First SYNs by a socket of their own, for hosts that listen. In one socket's buffer a flood of them would stand in front
 * of the segments of the connections there are, and once it is full crowd them out. So there are two, whose filters part
 * the frames between them, and each has its turn in a round of the event loop: what a flood takes is at most the other
 * half.
 */
import { type FrameFilter, frameFilter } from './filter.ts';
import type { FrameReceiver } from './frames.ts';
import { openPacketSocket, type PacketFrames, type PacketSocketOptions } from './packet-socket.ts';

/**
 * Octets of buffer for SYNs: those that would wait longer than some tens of milliseconds are better dropped, since their
 * senders try again.
 */
const SYN_BUFFER = 4 << 20;

type SocketOptions = Omit<PacketSocketOptions, 'filter'>;

/** What `filter` takes, by two sockets. Throws LinkFailure, as openPacketSocket does. */
export function openSynsApart(o: SocketOptions, filter: FrameFilter): Omit<PacketFrames, 'filterBy'> {
  const frames = openPacketSocket({ ...o, filter: frameFilter({ ...filter, firstSyns: 'never' }) });
  try {
    const { receiveBuffer = SYN_BUFFER } = o;
    const syns = openPacketSocket({
      ...o,
      filter: frameFilter({ ...filter, arp: false, icmp: false, firstSyns: 'only' }),
      receiveBuffer: Math.min(receiveBuffer, SYN_BUFFER),
      // Its data is what Fast Open carries, and is never merged.
      mostPacket: frames.mtu,
    });
    return join(frames, syns);
  } catch (error) {
    frames.close();
    throw error;
  }
}

/** `frames` sends, and receives all but what comes by `syns`. */
function join(frames: PacketFrames, syns: PacketFrames): Omit<PacketFrames, 'filterBy'> {
  return {
    driver: frames.driver,
    interface: frames.interface,
    mac: frames.mac,
    mtu: frames.mtu,
    receiveMtu: frames.receiveMtu,
    maxGsoPayload: frames.maxGsoPayload,
    completesChecksum: frames.completesChecksum,
    receiveBuffer: frames.receiveBuffer,
    counters: frames.counters,
    drops: () => frames.drops() + syns.drops(),
    start(receiver: FrameReceiver): void {
      frames.start(receiver);
      syns.start({
        onFrame: (frame) => receiver.onFrame(frame),
        onBatchEnd: (more) => receiver.onBatchEnd(more),
        onWritable() {},
        // Of the interface, which is that of the other socket: it tells.
        onError() {},
      });
    },
    send: (ethernet, packet) => frames.send(ethernet, packet),
    flush: () => frames.flush(),
    poll: () => frames.poll?.(),
    awaitAnswer: () => frames.awaitAnswer?.(),
    close() {
      frames.close();
      syns.close();
    },
  };
}
