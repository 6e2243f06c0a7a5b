/** Comparisons as a report has them; its page gets them as they stand. */

/** Two runs of one scenario, laid side by side. */
export interface ReportComparison {
  readonly name: string;
  /** In a word: 'same', 'allowed', … */
  readonly verdict: string;
  readonly mark: ComparedMark;
  /** What the scenario does, or why it did not come about. */
  readonly summary?: string;
  /** What the two are called, left and right. */
  readonly sides: readonly [string, string];
  readonly rows: readonly ComparedRow[];
  readonly findings: readonly ComparedFinding[];
  /** How often it was run, where that is known; shown is one of them. */
  readonly attempts?: number;
  /** What another attempt doesn't show, and what it would have been: that counts for nothing. */
  readonly chance?: readonly ComparedFinding[];
  /** What else there is to say. */
  readonly notes?: readonly string[];
}

/** 'excused': it differs, and that is as it may be. */
export type ComparedMark = 'same' | 'excused' | 'differs';

export interface ComparedRow {
  /** Undefined where that run has no such segment. */
  readonly left: ComparedSegment | undefined;
  readonly right: ComparedSegment | undefined;
  readonly mark: ComparedMark;
  /** What differs in this row, in words. */
  readonly remarks: readonly string[];
}

export interface ComparedSegment {
  /** Microseconds since the run's first segment. */
  readonly t: number;
  readonly dir: 'in' | 'out';
  /** Flags, numbers, window, options: one line. */
  readonly text: string;
  /** The state that end entered with it; `~` before it where that is inferred. */
  readonly state?: string | undefined;
}

/** What was found about one property of both runs. */
export interface ComparedFinding {
  readonly property: string;
  readonly left: string;
  readonly right: string;
  readonly mark: ComparedMark;
  /** In a word: 'same', 'allowed', 'required', … */
  readonly verdict: string;
  /** The clause, or the reason; '' where there is none to give. */
  readonly why: string;
}
