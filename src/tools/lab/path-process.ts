/**
 * The process of a lab's path: lives in the namespace between the two ends and carries their frames from one interface to
 * the other, by the same bridge as `tcpx impair`. Steered by its parent's messages; ends with it.
 */

import { Gather } from '../../base/gather.ts';
import { seededRandom } from '../../base/random.ts';
import { type Micros, micros } from '../../base/time.ts';
import { LinkFailure } from '../../link/failure.ts';
import type { Fate, Script } from '../../link/faults.ts';
import type { FrameLink } from '../../link/frames.ts';
import { ImpairedBridge } from '../../link/impaired-bridge.ts';
import { openPacketSocket } from '../../link/packet-socket.ts';
import { fineClock } from '../../socket/node-clock.ts';
import { Ipv4At, readIpv4 } from '../../wire/ipv4.ts';
import { monotonicMicros } from '../scenario/kernel-process.ts';
import { frameHeader, labMac } from './addresses.ts';
import { readSegment } from './packet.ts';
import type { FromPath, PathSettings, SeenOnPath, ToPath } from './path-messages.ts';
import { applyFate, type LabSide, RunningRule } from './path-rule.ts';

const tell = (message: FromPath): void => void process.send?.(message);
const now = (): Micros => micros(monotonicMicros());

class Path {
  readonly #settings: PathSettings;
  readonly #links: Readonly<Record<LabSide, FrameLink>>;
  readonly #bridge: ImpairedBridge;
  readonly #rules = new Map<number, RunningRule>();
  #seen: SeenOnPath[] = [];

  constructor(settings: PathSettings) {
    this.#settings = settings;
    const { interfaces, faults, watch } = settings;
    const open = (side: LabSide): FrameLink =>
      openPacketSocket({ interface: interfaces[side], promiscuous: true, gso: true, arrivals: true });
    this.#links = { local: open('local'), peer: open('peer') };
    this.#bridge = new ImpairedBridge({
      a: this.#links.local,
      b: this.#links.peer,
      ab: { ...faults.local, ...(watch && { script: this.#script('local') }) },
      ba: { ...faults.peer, ...(watch && { script: this.#script('peer') }) },
      clock: fineClock(),
      random: seededRandom(settings.seed),
      // The interfaces go when an end does: so does the lab.
      onError: () => {},
    });
  }

  take(message: ToPath): void {
    switch (message.op) {
      case 'start':
        return;
      case 'rule':
        this.#rules.set(message.id, new RunningRule(message.rule));
        tell({ op: 'done', id: message.id });
        return;
      case 'clear':
        for (const id of message.rules) this.#rules.delete(id);
        tell({ op: 'done', id: message.id });
        return;
      case 'inject':
        for (const packet of message.packets) this.#inject(message.to, packet, message.told);
        this.#links[message.to].flush();
        this.#flushSeen();
        tell({ op: 'done', id: message.id });
        return;
      case 'counters':
        // What came before the question is told before the answer.
        this.#flushSeen();
        tell({ op: 'done', id: message.id, counters: { local: this.#bridge.ab, peer: this.#bridge.ba } });
        return;
    }
  }

  #script(from: LabSide): Script {
    return (packet) => {
      const bytes = packet.bytes.subarray(packet.at, packet.end);
      const segment = readSegment(bytes);
      let fate: Fate | undefined;
      let decided: SeenOnPath['fate'];
      if (segment !== undefined) {
        for (const rule of this.#rules.values()) {
          decided = rule.decide(from, segment);
          if (decided !== undefined) break;
        }
      }
      if (decided !== undefined) fate = applyFate(decided, bytes);
      // ARP has no place in what TCP does. What a rule has changed is told as it goes on.
      if (bytes[0]! >>> 4 === 4)
        this.#note({ at: now(), from, bytes: bytes.slice(0, this.#settings.snapLen), fate: decided });
      return fate;
    };
  }

  #inject(to: LabSide, packet: Uint8Array, told: boolean): void {
    const from = to === 'local' ? 'peer' : 'local';
    if (told)
      this.#note({
        at: now(),
        from,
        bytes: packet.slice(0, this.#settings.snapLen),
        fate: undefined,
        injected: true,
      });
    // Only headers fit in front: the rest lies where it is.
    const headerLen = Math.min(packet.length, (packet[0]! & 0xf) * 4);
    const payload = new Gather();
    payload.push(packet, headerLen, packet.length - headerLen);
    this.#links[to].send(frameHeader(labMac(readIpv4(packet, Ipv4At.SRC)), labMac(readIpv4(packet, Ipv4At.DST))), {
      header: packet,
      headerLen,
      payload,
      gsoSize: 0,
      transportAt: headerLen,
      checksumPartial: false,
    });
  }

  #note(seen: SeenOnPath): void {
    if (this.#seen.length === 0) setImmediate(() => this.#flushSeen());
    this.#seen.push(seen);
  }

  #flushSeen(): void {
    if (this.#seen.length === 0) return;
    tell({ op: 'seen', packets: this.#seen });
    this.#seen = [];
  }
}

let path: Path | undefined;
process.on('message', (message: ToPath) => {
  if (message.op !== 'start') {
    path?.take(message);
    return;
  }
  try {
    path = new Path(message.settings);
    tell({ op: 'ready' });
  } catch (error) {
    const known = error instanceof LinkFailure;
    tell({
      op: 'failed',
      code: known ? error.code : 'EIO',
      message: error instanceof Error ? error.message : String(error),
      hint: known ? error.hint : 'this is a bug in tcpx',
    });
  }
});
process.on('disconnect', () => process.exit(0));
