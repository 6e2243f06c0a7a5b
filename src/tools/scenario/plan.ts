/** A scenario made ready to be played: every call, command and setting understood, or an error with its place. */
import { checkNames } from './assertions.ts';
import { type CallRequest, type PlannedCall, planCall } from './calls.ts';
import { VALUES } from './constants.ts';
import { type Scenario, ScenarioError, type Step } from './model.ts';
import { commandEffects, type Effect, type Settings, settingsOf } from './settings.ts';
import { isTcpInfoName } from './tcp-info.ts';

export interface PlannedStep {
  readonly step: Step;
  /** Of a call. */
  readonly call?: PlannedCall;
  /** Of a command. */
  readonly effects?: readonly Effect[];
}

export interface Plan {
  readonly scenario: Scenario;
  readonly settings: Settings;
  /** Settings of the stack before the first step. */
  readonly before: readonly Effect[];
  readonly steps: readonly PlannedStep[];
}

/** Throws ScenarioError. */
export function planScenario(scenario: Scenario): Plan {
  const variables = new Set<string>();
  const descriptors = new Set<number>();
  const steps = scenario.steps.map((step): PlannedStep => {
    if (step.kind === 'call') {
      const call = planCall(step);
      checkDescriptors(call, descriptors, step);
      return { step, call };
    }
    if (step.kind === 'code')
      checkNames(step.statements, (name) => isTcpInfoName(name) || Object.hasOwn(VALUES, name), variables);
    if (step.kind === 'command') return { step, effects: commandEffects(step.command, step.textPlace) };
    return { step };
  });
  const settings = settingsOf(scenario);
  checkTimes(scenario.steps, settings.tolerance);
  // Commands in front of everything else settle what the stack is; it is made after them.
  const first = steps.findIndex(({ step }) => step.kind !== 'command');
  const leading = first < 0 ? steps : steps.slice(0, first);
  return {
    scenario,
    settings,
    before: leading.flatMap((s) => s.effects ?? []).filter((e) => e.kind === 'sysctl'),
    steps: steps.slice(leading.length),
  };
}

/** Steps follow each other: none has a time that is over when the one before it begins. */
function checkTimes(steps: readonly Step[], tolerance: number): void {
  let least = 0;
  for (const { when, place } of steps) {
    if (when.kind === 'any') continue;
    if (when.kind === 'at' && when.to + tolerance < least)
      throw new ScenarioError(place, `expected a time from ${least / 1e6} on, when the step before happens`);
    least = when.kind === 'at' ? Math.max(least, when.from) : least + when.from;
  }
}

/** A descriptor is one that a call before has returned, unless the scenario wants to see EBADF. */
function checkDescriptors({ request, expected }: PlannedCall, known: Set<number>, { place }: Step): void {
  for (const fd of descriptorsOf(request))
    if (!known.has(fd) && expected.errno !== 'EBADF')
      throw new ScenarioError(place, `expected a descriptor that socket or accept has returned, found ${fd}`);
  if ((request.call === 'socket' || request.call === 'accept') && expected.result !== undefined)
    known.add(expected.result);
}

function descriptorsOf(request: CallRequest): readonly number[] {
  if (request.call === 'socket') return [];
  return request.call === 'poll' ? request.fds.map((one) => one.fd) : [request.fd];
}
