/** A few drawn scenarios on tcpx and on this machine's kernel; `npm run fuzz -- --differential N` has as many as one likes. */
import { expect, test } from 'vitest';
import { parseScenario } from '../../src/tools/scenario/parse.ts';
import { planScenario } from '../../src/tools/scenario/plan.ts';
import { PEER, runScenario, SUT } from '../../src/tools/scenario/run.ts';
import { openVirtualTarget } from '../../src/tools/scenario/virtual-target.ts';
import { drawScript, onTcpx, openFamilies, runDifferential } from './differential/main.ts';
import { scriptText } from './differential/text.ts';

test('20 scenarios come out alike on the kernel, or differ as is known', async () => {
  const families = await openFamilies();
  try {
    const result = await runDifferential({ count: 20, seed: 3, skip: 0 }, families);
    for (const { script, difference } of result.unknown)
      expect.fail(`${JSON.stringify(difference)}\n${scriptText(script, await onTcpx(script))}`);
    expect(result.same).toBeGreaterThan(10);
    expect(result.toTheEnd).toBeGreaterThanOrEqual(result.same);
    expect(result.segmentsCompared).toBeGreaterThan(60);
  } finally {
    await Promise.all(families.map((f) => f.close()));
  }
}, 60_000);

test('a drawn script as text plays on tcpx as it was drawn', async () => {
  for (let number = 3_000_000; number < 3_000_200; number++) {
    const { script, played } = await drawScript(number);
    const text = scriptText(script, played);
    const plan = planScenario(parseScenario(text, `script ${number}`));
    const { failure } = await runScenario(plan, openVirtualTarget({ plan, sut: SUT, peer: PEER }));
    expect(failure === undefined ? '' : `${JSON.stringify(failure)}\n${text}`).toBe('');
  }
}, 60_000);
