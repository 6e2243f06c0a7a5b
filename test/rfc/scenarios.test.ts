import { expect, test } from 'vitest';
import { loadScenarios } from '../../src/tools/scenario/library.ts';
import { openTcpx, playOn } from '../../src/tools/scenario/play.ts';
import { failureLines } from '../../src/tools/scenario/report.ts';

const { plans, problems } = loadScenarios([]);

test('every scenario can be read', () => {
  expect(problems.map(({ file, error }) => `${file}:${error.place.line}: ${error.message}`)).toEqual([]);
});

test.each(plans.map((plan) => [`${plan.scenario.file}: ${plan.scenario.about.title}`, plan] as const))(
  '%s',
  async (_, plan) => {
    const { failure, verdict } = await playOn(plan, 'tcpx', openTcpx);
    expect(failure === undefined ? '' : failureLines(plan.scenario, failure).join('\n')).toBe('');
    expect(verdict).toBe('pass');
  },
);
