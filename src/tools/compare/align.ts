/** Two runs side by side: which segment of one stands beside which of the other. */
import type { Row, Shot } from './model.ts';

/**
 * The pairing of both runs, in order, that is worth most. Segments pair only when they go the same way and are of one
 * kind, and data only when they have octets in common; among those, equal numbers are worth more.
 */
export function alignRuns(kernel: readonly Shot[], tcpx: readonly Shot[]): readonly Row[] {
  const worth = likenesses(kernel, tcpx);
  const width = tcpx.length + 1;
  // what the rest of both runs, from (i, j) on, is worth at best
  const best = new Int32Array((kernel.length + 1) * width);
  for (let i = kernel.length - 1; i >= 0; i--) {
    for (let j = tcpx.length - 1; j >= 0; j--) {
      const here = i * width + j;
      const skipping = Math.max(best[here + width]!, best[here + 1]!);
      best[here] = worth(i, j) > 0 ? Math.max(skipping, worth(i, j) + best[here + width + 1]!) : skipping;
    }
  }
  const rows: Row[] = [];
  let i = 0;
  let j = 0;
  while (i < kernel.length || j < tcpx.length) {
    const here = i * width + j;
    const both = i < kernel.length && j < tcpx.length;
    if (both && worth(i, j) > 0 && best[here] === worth(i, j) + best[here + width + 1]!) {
      rows.push({ kernel: i++, tcpx: j++ });
    } else if (i < kernel.length && best[here] === best[here + width]) {
      rows.push({ kernel: i++, tcpx: undefined });
    } else {
      rows.push({ kernel: undefined, tcpx: j++ });
    }
  }
  return rows;
}

function likenesses(kernel: readonly Shot[], tcpx: readonly Shot[]): (i: number, j: number) => number {
  const kindsA = kernel.map(kindOf);
  const kindsB = tcpx.map(kindOf);
  return (i, j) => {
    if (kindsA[i] !== kindsB[j]) return 0;
    const a = kernel[i]!;
    const b = tcpx[j]!;
    if (a.len > 0 && b.len > 0 && (a.seq >= b.seq + b.len || b.seq >= a.seq + a.len)) return 0;
    return 4 + (a.ack === b.ack ? 2 : 0) + (a.seq === b.seq ? 1 : 0) + (a.len === b.len ? 1 : 0);
  };
}

/** SYN, FIN, RST and whether there is data; of a segment that only acknowledges, what it acknowledges. */
function kindOf(s: Shot): string {
  if (isPureAck(s)) return `${s.dir} ack ${s.ack}`;
  return `${s.dir} ${s.flags.replace(/[^SFR]/g, '')}${s.len > 0 ? ' data' : ''}`;
}

export const isPureAck = (s: Shot): boolean => s.len === 0 && !/[SFR]/.test(s.flags);
