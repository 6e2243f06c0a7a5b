import { expect, test } from 'vitest';
import { loadScenarios } from '../../src/tools/scenario/library.ts';
import type { Plan, PlannedStep } from '../../src/tools/scenario/plan.ts';
import { openTcpx, playOn } from '../../src/tools/scenario/play.ts';
import { failureLines } from '../../src/tools/scenario/report.ts';
import { TcpFlag } from '../../src/wire/tcp.ts';

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

/** A scenario with another expectation in one of its steps. */
function altered(plan: Plan, i: number): Plan {
  const steps = plan.steps.map((planned, k): PlannedStep => {
    const { step, call } = planned;
    if (k !== i) return planned;
    if (step.kind === 'out')
      return { step: { ...step, packet: { ...step.packet, flags: step.packet.flags ^ TcpFlag.FIN } } };
    if (call === undefined) return planned;
    return { ...planned, call: { ...call, expected: { ...call.expected, result: 77, errno: undefined } } };
  });
  return { ...plan, steps };
}

test('every scenario notices each segment that is otherwise, and each call', async () => {
  const unnoticed: string[] = [];
  for (const plan of plans) {
    for (const [i, { step }] of plan.steps.entries()) {
      const isChecked = step.kind === 'out' || (step.kind === 'call' && !/^(socket|accept)/.test(step.name));
      if (!isChecked) continue;
      const { verdict } = await playOn(altered(plan, i), 'tcpx', openTcpx);
      if (verdict !== 'fail') unnoticed.push(`${plan.scenario.file}:${step.place.line}`);
    }
  }
  expect(unnoticed).toEqual([]);
}, 60_000);
