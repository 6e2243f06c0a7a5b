/**
 * A claim about TCP that a lab makes happen: what is said, how it is done and checked, and how it could be spoiled. One
 * file for each in claims/, its words in both languages side by side.
 *
 *     export const refused: Claim = {
 *       name: 'refused', group: 'opening',
 *       title: …, claim: …, written: ['RFC 9293 §3.5.2'],
 *       sabotage: { rules: [{ from: 'peer', has: 'R', fate: 'drop' }] },
 *       async run(stage) {
 *         await stage.say('What happens next.', '…');
 *         const end = await stage.connect(9);
 *         stage.check(await end.reached('CLOSED'), 'what must be so', '…');
 *         stage.show('what was seen', '…');
 *       },
 *     };
 */
import type { Micros } from '../../base/time.ts';
import type { Sysctl } from '../../tcp/config.ts';
import type { LadderRow } from '../ladder.ts';
import type { Lang } from '../report/texts.ts';
import type { LabOptions } from './lab.ts';
import type { PathRule } from './path-rule.ts';
import type { Stage } from './stage.ts';

/** The same in both languages. */
export type Text = Readonly<Record<Lang, string>>;
export const text = (en: string, zh: string): Text => ({ en, zh });

export type ClaimGroup = 'opening' | 'closing' | 'between';

/** What makes the claim untrue, for a test that its check notices: each part is added to what the claim asks for. */
export interface Sabotage {
  /** First of all rules. */
  readonly rules?: readonly PathRule[];
  readonly peerSysctls?: Readonly<Record<string, string | number>>;
  /** Of tcpx, over what the claim sets. */
  readonly sysctl?: Partial<Sysctl>;
}

export interface Claim {
  readonly name: string;
  readonly group: ClaimGroup;
  readonly title: Text;
  readonly claim: Text;
  /** Where it is written: 'RFC 9293 §3.5', 'Linux ip-sysctl tcp_fin_timeout'. */
  readonly written: readonly string[];
  readonly lab?: LabOptions;
  /** About how long it takes by itself, seconds; 3 when absent. The longest begin first. */
  readonly seconds?: number;
  /** It measures round trips: not beside others, and again when a busy machine has spoiled it. */
  readonly timed?: true;
  readonly sabotage: Sabotage;
  /** Rejects with ClaimFailed where a check fails. */
  run(stage: Stage): Promise<void>;
}

/** A check that did not hold: the claim was not shown. */
export class ClaimFailed extends Error {
  override readonly name = 'ClaimFailed';
  readonly text: Text;

  constructor(what: Text) {
    super(what.en);
    this.text = what;
  }
}

/** What a ladder's row has beside its segment. */
export type RowNote = 'lost' | 'twice' | 'changed' | 'late' | 'made up' | 'again';

/** The two ends of a connection of a lab, by the names they have in it. */
export interface StepConnection {
  readonly local: string;
  readonly localPort: number;
  readonly remote: string;
  readonly remotePort: number;
  /** Which program's TCP is at the left end. */
  readonly left: 'tcpx' | 'kernel';
  readonly leftStart: string;
  readonly rightStart: string;
}

/** `t`: microseconds since the run began. */
export type LabStep = { readonly t: Micros } & (
  | { readonly kind: 'say'; readonly text: Text }
  | { readonly kind: 'check'; readonly text: Text; readonly ok: boolean }
  /** Lines of a table, printed as they are. */
  | { readonly kind: 'table'; readonly lines: Readonly<Record<Lang, readonly string[]>> }
  | { readonly kind: 'row'; readonly connection: StepConnection; readonly row: LadderRow; readonly note?: RowNote }
);

/** A claim's run: all there is to print, to write down and to judge. */
export interface LabRun {
  readonly name: string;
  readonly group: ClaimGroup;
  readonly title: Text;
  readonly claim: Text;
  readonly written: readonly string[];
  readonly ok: boolean;
  /** Why not. */
  readonly failure?: Text;
  /** What was seen, a line each. */
  readonly shown: readonly Text[];
  readonly steps: readonly LabStep[];
  readonly seconds: number;
  /** How often it was run until it was shown or given up, this time included. */
  readonly tries: number;
}
