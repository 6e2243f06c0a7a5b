/** Agreements and disagreements counted by kind. */
import { KINDS, Kind } from '../../src/tools/trace/kinds.ts';
import { FIELDS, type Notes } from './compare.ts';

export interface KindTally {
  readonly name: string;
  readonly bit: number;
  readonly field: string;
  /** Segments noted by both, by us alone, by tshark alone. */
  both: number;
  ours: number;
  theirs: number;
}

export interface Difference {
  readonly capture: string;
  readonly record: number;
  readonly bit: number;
  readonly by: 'ours' | 'theirs';
  /** All kinds of the segment, by each. */
  readonly our: number;
  readonly their: number;
}

export class Tally {
  readonly kinds: readonly KindTally[] = FIELDS.map(([bit, field]) => ({
    name: KINDS.find((k) => k.bit === bit)!.name,
    bit,
    field,
    both: 0,
    ours: 0,
    theirs: 0,
  }));
  readonly differences: Difference[] = [];
  segments = 0;

  add(capture: string, our: Notes, their: Notes): void {
    const records = new Set([...our.keys(), ...their.keys()]);
    this.segments += records.size;
    for (const record of records) {
      const a = our.get(record) ?? 0;
      const b = their.get(record) ?? 0;
      for (const kind of this.kinds) {
        const [isOurs, isTheirs] = [(a & kind.bit) !== 0, (b & kind.bit) !== 0];
        if (isOurs && isTheirs) kind.both++;
        else if (isOurs || isTheirs) {
          if (isOurs) kind.ours++;
          else kind.theirs++;
          const by = isOurs ? 'ours' : 'theirs';
          this.differences.push({ capture, record, bit: kind.bit, by, our: a, their: b });
        }
      }
    }
  }

  /** Of all kinds that are flags of tshark's analysis: RTT samples are a measurement, and told apart. */
  get overall(): { readonly precision: number; readonly recall: number } {
    let [both, ours, theirs] = [0, 0, 0];
    for (const kind of this.kinds) {
      if (kind.bit === Kind.RTT_SAMPLE) continue;
      both += kind.both;
      ours += kind.ours;
      theirs += kind.theirs;
    }
    return { precision: share(both, ours), recall: share(both, theirs) };
  }
}

/** 1 where there was nothing to get wrong. */
export const share = (right: number, wrong: number): number => (right + wrong === 0 ? 1 : right / (right + wrong));
