/** The sweep's results as they are kept in docs/state-sweep.json: from them the page is printed, and against them tests compare. */
import type { State } from '../../src/tcp/machine.ts';
import { CELLS, type Cell } from './cells.ts';
import { type Difference, EXPLANATIONS, explain } from './explain.ts';
import { type Outcome, outcomeText } from './play.ts';

export interface SweepDocument {
  /** Release of the kernel that was asked. */
  readonly kernel: string;
  /** By a cell's id, in the page's order. */
  readonly cells: Readonly<Record<string, CellDocument>>;
}

export interface CellDocument {
  /** As outcomeText writes it. */
  readonly tcpx: string;
  readonly kernel: string;
  /** Key of an explanation, where the two differ. */
  readonly why?: string;
}

export type Outcomes = ReadonlyMap<string, Outcome>;

/** Cells of the results, and what is wrong with them: differences that nothing explains, and explanations of nothing. */
export interface SweepResult {
  readonly document: SweepDocument;
  readonly complaints: readonly string[];
}

export function sweepResult(tcpx: Outcomes, kernel: Outcomes, release: string): SweepResult {
  const cells: Record<string, CellDocument> = {};
  const complaints: string[] = [];
  const used = new Set<string>();
  for (const cell of CELLS) {
    const difference = differenceOf(cell, tcpx, kernel);
    const texts = { tcpx: outcomeText(difference.tcpx), kernel: outcomeText(difference.kernel) };
    if (texts.tcpx === texts.kernel) {
      cells[cell.id] = texts;
      continue;
    }
    const why = explain(difference)?.key;
    if (why === undefined) complaints.push(`not explained: ${cell.id}: tcpx ${texts.tcpx} | kernel ${texts.kernel}`);
    else used.add(why);
    cells[cell.id] = { ...texts, ...(why !== undefined && { why }) };
  }
  for (const { key } of EXPLANATIONS) if (!used.has(key)) complaints.push(`explains nothing any more: ${key}`);
  return { document: { kernel: release, cells }, complaints };
}

function differenceOf(cell: Cell, tcpx: Outcomes, kernel: Outcomes): Difference {
  const [ours, theirs] = [tcpx.get(cell.id), kernel.get(cell.id)];
  if (ours === undefined || theirs === undefined) throw new Error(`not played: ${cell.id}`);
  return { cell, tcpx: ours, kernel: theirs };
}

/** A line for each cell, so that a change shows as what it is. */
export function documentText(document: SweepDocument): string {
  const lines = Object.entries(document.cells).map(([id, cell]) => `${JSON.stringify(id)}: ${JSON.stringify(cell)}`);
  return `{"kernel": ${JSON.stringify(document.kernel)}, "cells": {\n${lines.join(',\n')}\n}}\n`;
}

/** What the kernel did, of a document. */
export function kernelOutcomes(document: SweepDocument): Outcomes {
  return new Map(Object.entries(document.cells).map(([id, cell]) => [id, parseOutcome(cell.kernel)]));
}

/** The other way round than outcomeText. */
export function parseOutcome(text: string): Outcome {
  const [sent = '', state = '', ...user] = text.split('; ');
  // What outcomeText wrote.
  return { sent: sent === '–' ? [] : sent.split(', '), state: state as State, user };
}
