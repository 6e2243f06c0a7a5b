/** A scenario made ready to be played: every call, command and setting understood, or an error with its place. */
import { type PlannedCall, planCall } from './calls.ts';
import type { Scenario, Step } from './model.ts';
import { commandEffects, type Effect, type Settings, settingsOf } from './settings.ts';

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
  const steps = scenario.steps.map((step): PlannedStep => {
    if (step.kind === 'call') return { step, call: planCall(step) };
    if (step.kind === 'command') return { step, effects: commandEffects(step.command, step.place) };
    return { step };
  });
  // Commands in front of everything else settle what the stack is; it is made after them.
  const first = steps.findIndex(({ step }) => step.kind !== 'command');
  const leading = first < 0 ? steps : steps.slice(0, first);
  return {
    scenario,
    settings: settingsOf(scenario),
    before: leading.flatMap((s) => s.effects ?? []).filter((e) => e.kind === 'sysctl'),
    steps: steps.slice(leading.length),
  };
}
