/**
 * A processor that frees what another allocated puts it on that one's list, as long as the list is short enough. Linux 6.18's
 * counter of the list can stay above the limit for good (native-notes.md, "Whose pages a packet socket's frames are"), and all
 * that crosses processors is slow from then on. A run of this bench begins without such a legacy.
 */
import { accessSync, constants, existsSync, readFileSync, writeFileSync } from 'node:fs';

const LIMIT = '/proc/sys/net/core/skb_defer_max';
/** Above any count. */
const NONE = '2147483647';

/** The machine's limit; undefined where the kernel has none. */
export function deferralLimit(): string | undefined {
  return existsSync(LIMIT) ? readFileSync(LIMIT, 'utf8').trim() : undefined;
}

/**
 * While `traffic` flows the limit is out of reach, so that lists fill again, and are counted anew when they are emptied. Where
 * there is none, or it is not ours to set, the traffic is all.
 */
export async function freeDeferral(traffic: () => Promise<unknown>): Promise<void> {
  const limit = deferralLimit();
  if (limit === undefined || limit === '0' || !isOurs()) {
    await traffic();
    return;
  }
  const restore = (): void => writeFileSync(LIMIT, limit);
  process.on('exit', restore);
  writeFileSync(LIMIT, NONE);
  try {
    await traffic();
  } finally {
    restore();
    process.off('exit', restore);
  }
}

function isOurs(): boolean {
  try {
    accessSync(LIMIT, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
