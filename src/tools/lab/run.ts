/** A claim from beginning to end: its lab is made, it is played on it, and what came of it is judged. */
import { type Claim, ClaimFailed, type LabRun, type LabStep, type Sabotage, type Text, text } from './claim.ts';
import { type LabOptions, openLab } from './lab.ts';
import type { SeenPacket } from './path.ts';
import { Stage } from './stage.ts';

export interface RunClaimOptions {
  /** Told of each step as it happens. */
  readonly onStep?: (step: LabStep) => void;
  /** The lab is there. */
  readonly onLab?: (text: string) => void;
  readonly sabotage?: Sabotage;
  /** Gets each packet that came to the path; microseconds of the monotonic clock. */
  readonly onPacket?: (packet: SeenPacket) => void;
}

/** Inside a namespace of our own. Throws LinkFailure where there can be no lab. */
export async function runClaim(claim: Claim, o: RunClaimOptions = {}): Promise<LabRun> {
  const startedAt = performance.now();
  const lab = await openLab(labOptions(claim, o.sabotage ?? {}));
  let stage: Stage | undefined;
  let failure: Text | undefined;
  try {
    o.onLab?.(lab.text);
    if (o.onPacket !== undefined) lab.path.onPacket(o.onPacket);
    stage = new Stage(lab, claim, o.sabotage ?? {}, o.onStep ?? (() => {}));
    await within((claim.seconds ?? 3) * 3 + PATIENCE, claim.run(stage));
  } catch (error) {
    failure = failureOf(error);
  } finally {
    await stage?.close();
    await lab.close();
  }
  const { name, group, title, written } = claim;
  return {
    ...{ name, group, title, written, claim: claim.claim },
    ok: failure === undefined,
    ...(failure !== undefined && { failure }),
    shown: stage?.shown ?? [],
    steps: stage?.steps ?? [],
    seconds: Number(((performance.now() - startedAt) / 1000).toFixed(3)),
    tries: 1,
  };
}

function labOptions({ lab = {} }: Claim, { rules = [], peerSysctls }: Sabotage): LabOptions {
  const { sysctls } = lab;
  return {
    ...lab,
    rules: [...rules, ...(lab.rules ?? [])],
    sysctls: { ...sysctls, peer: { ...sysctls?.peer, ...peerSysctls } },
  };
}

function failureOf(error: unknown): Text {
  if (error instanceof ClaimFailed) return error.text;
  const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return text(`it broke off: ${what}`, `中断了：${what}`);
}

/** Seconds that a claim may take beyond what it takes by itself: another end that never answers must not hold it for ever. */
const PATIENCE = 12;

async function within(seconds: number, run: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const what = text(`not over after ${seconds} s`, `${seconds} 秒后仍未结束`);
    timer = setTimeout(() => reject(new ClaimFailed(what)), seconds * 1000);
  });
  // It may fail later still, when nobody asks any more.
  run.catch(() => {});
  try {
    await Promise.race([run, late]);
  } finally {
    clearTimeout(timer);
  }
}
