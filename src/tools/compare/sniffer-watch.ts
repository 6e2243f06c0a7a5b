/**
 * Packets as they pass an interface of this machine. Waiting is measured on the side's own pace: for the kernel that is the
 * wall's clock; for tcpx, which lives in this process, it is the time the event loop spent idle, so that a process that is
 * busy or starved doesn't look like a stack that waits for a timer.
 */
import { type Micros, micros } from '../../base/time.ts';
import { openSniffer } from '../../link/sniffer.ts';
import { ipv4Text } from '../../wire/ipv4.ts';
import type { Side } from './model.ts';
import type { Watch } from './run.ts';

const RING_OCTETS = 16 << 20;
export const wallNow = (): Micros => micros(performance.now() * 1000);
const idle = (): Micros => micros(performance.eventLoopUtilization().idle * 1000);

export function snifferWatch(side: Side): Watch {
  const pace = side === 'kernel' ? wallNow : idle;
  const now = () => ({ t: wallNow(), pace: pace() });
  return {
    now,
    start({ route, remote, remotePort }, onPacket) {
      const sniffer = openSniffer({
        interface: route.interface,
        filter: `tcp port ${remotePort} and host ${ipv4Text(remote)}`,
        ringOctets: RING_OCTETS,
        onPacket: (bytes, at, end) => onPacket(bytes, at, end, now()),
      });
      return () => sniffer.close();
    },
  };
}
