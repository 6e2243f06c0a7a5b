import { describe, expect, test } from 'vitest';
import { compareRuns } from '../../../src/tools/compare/differences.ts';
import { renderComparison } from '../../../src/tools/compare/render.ts';
import { paintFor } from '../../../src/tools/log-style.ts';
import { KERNEL, runOf, type ShotParts } from './runs.ts';

const plain = { paint: paintFor(false), width: 120 };
const rendered = (tcpx: readonly ShotParts[], width = 120, complaint?: string) =>
  renderComparison(
    compareRuns(runOf('kernel', KERNEL), runOf('tcpx', tcpx), { scenario: 'handshake', loopback: false, complaint }),
    {
      ...plain,
      width,
    },
  );

describe('a comparison as text', () => {
  test('segments and states stand side by side, options below a SYN', () => {
    expect(rendered(KERNEL).slice(0, 4)).toEqual([
      '   kernel 10.0.0.1:40000 -> 10.0.0.2:80                        tcpx 10.0.0.1:40000 -> 10.0.0.2:80',
      ' 1 ~SYN-SENT     0.000000 > S 0 win 64240                    | ~SYN-SENT     0.000000 > S 0 win 64240',
      '                            mss 1460,sackOK,TS,nop,wscale 10 |                          mss 1460,sackOK,TS,nop,wscale 10',
      ' 2 ~ESTABLISHED  0.000000 < S. 0 ack 1 win 65160             | ~ESTABLISHED  0.000000 < S. 0 ack 1 win 65160',
    ]);
    expect(rendered(KERNEL).at(-1)).toBe('  same: 6 segments, 5 states');
  });

  test('a segment that leads through two states has a line for each', () => {
    const at = rendered(KERNEL).findIndex((line) => line.startsWith(' 5 '));
    expect(rendered(KERNEL).slice(at, at + 2)).toEqual([
      ' 5 ~FIN-WAIT-2   0.000000 < F. 1 ack 2 win 64                | ~FIN-WAIT-2   0.000000 < F. 1 ack 2 win 64',
      '   ~TIME-WAIT                                                | ~TIME-WAIT',
    ]);
  });

  test('what differs is marked between the halves and listed below', () => {
    const lines = rendered([{ ...KERNEL[0]!, line: '> S 0 win 65535' }, ...KERNEL.slice(1)]);
    expect(lines[1]).toContain(' ? ');
    expect(lines.join('\n')).toMatch(/^ {2}allowed: {5}1 > S window: kernel 64240, tcpx 65535 \(RFC 9293 §3.8.6: /m);
    expect(lines.at(-1)).toBe('  allowed: 1 kind of difference in 1 place');
  });

  test('a segment only one side has stands alone', () => {
    const lines = rendered(KERNEL.slice(0, 5));
    expect(lines).toContain(' 6               0.000000 > . 2 ack 2 win 63                 !');
    expect(lines).toContain('  unexplained: 6 > . only kernel: . 2 ack 2 win 63');
  });

  test('what only the peer did otherwise has a mark of its own', () => {
    const lines = rendered([...KERNEL.slice(0, 4), { line: '< F. 1 ack 2 win 128' }, KERNEL[5]!]);
    expect(lines.find((line) => line.startsWith(' 5 '))).toContain(' ? ');
    expect(lines).toContain('  peer:        5 < F. window: kernel 64, tcpx 128');
    expect(lines.at(-1)).toBe("  same: 6 segments, 5 states; 1 of the peer's own");
  });

  test.for([84, 100, 120, 160])('nothing is wider than %i columns', (width) => {
    for (const line of rendered(KERNEL, width)) expect(line.length).toBeLessThanOrEqual(width);
  });

  test('a narrow terminal breaks segments between words', () => {
    const lines = rendered(KERNEL, 84);
    expect(
      lines.filter((line) => /^ {3,}.*sackOK/.test(line)).every((line) => !line.includes('mss 1460,sackOK,TS,nop')),
    ).toBe(true);
    expect(lines.join('\n')).toContain('wscale 10');
  });

  test('trouble is said instead of a verdict', () => {
    expect(rendered(KERNEL, 120, 'no connection (ECONNREFUSED)').at(-1)).toBe(
      '  trouble: no connection (ECONNREFUSED)',
    );
  });
});
