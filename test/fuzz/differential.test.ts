/** A few drawn scenarios on tcpx and on this machine's kernel; `npm run fuzz -- --differential N` has as many as one likes. */
import { expect, test } from 'vitest';
import { KNOWN } from './differential/compare.ts';
import { onTcpx, openFamilies, runDifferential, scriptText } from './differential/main.ts';

test('20 scenarios come out alike on the kernel, or differ as is known', async () => {
  const families = await openFamilies();
  try {
    const result = await runDifferential(20, 3, families);
    for (const { script, difference } of result.unknown)
      expect.fail(`${JSON.stringify(difference)}\n${scriptText(script, await onTcpx(script))}`);
    expect(result.same).toBeGreaterThan(10);
    expect(result.segments).toBeGreaterThan(60);
  } finally {
    await Promise.all(families.map((f) => f.close()));
  }
}, 60_000);

test('each known difference has a name of its own and a reason that says whose rule it is', () => {
  expect(new Set(KNOWN.map((k) => k.name)).size).toBe(KNOWN.length);
  for (const { reason } of KNOWN) expect(reason).toMatch(/^RFC [0-9]+/);
});
