/** The sweep's results as they are kept in docs/state-sweep.json: from them the page is printed, and against them tests compare. */
import type { State } from '../../src/tcp/machine.ts';
import { CELLS } from './cells.ts';
import { EXPLANATIONS, explain, profileReason } from './explain.ts';
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
  /** tcpx with the profile 'rfc', where it does otherwise. */
  readonly rfc?: string;
}

/** Who was asked: tcpx with each of its profiles, and a kernel. */
export interface Played {
  readonly tcpx: Outcomes;
  readonly rfc: Outcomes;
  readonly kernel: Outcomes;
  readonly release: string;
}

export type Outcomes = ReadonlyMap<string, Outcome>;

/** What came of it, and what is wrong with them: differences that nothing explains, and explanations of nothing. */
export interface SweepResult {
  readonly document: SweepDocument;
  readonly complaints: readonly string[];
}

export function sweepResult(played: Played): SweepResult {
  const cells: Record<string, CellDocument> = {};
  const complaints: string[] = [];
  const used = new Set<string>();
  for (const cell of CELLS) {
    const [ours, letter, theirs] = [played.tcpx, played.rfc, played.kernel].map((outcomes) => outcomes.get(cell.id));
    if (ours === undefined || letter === undefined || theirs === undefined) throw new Error(`not played: ${cell.id}`);
    const [tcpx, rfc, kernel] = [outcomeText(ours), outcomeText(letter), outcomeText(theirs)];
    const why = tcpx === kernel ? undefined : explain({ cell, tcpx: ours, kernel: theirs })?.key;
    if (why !== undefined) used.add(why);
    else if (tcpx !== kernel) complaints.push(`not explained: ${cell.id}: tcpx ${tcpx} | kernel ${kernel}`);
    if (rfc !== tcpx && profileReason(cell) === undefined)
      complaints.push(`not explained: ${cell.id}: tcpx ${tcpx} | with --profile rfc ${rfc}`);
    cells[cell.id] = { tcpx, kernel, ...(why !== undefined && { why }), ...(rfc !== tcpx && { rfc }) };
  }
  for (const { key } of EXPLANATIONS) if (!used.has(key)) complaints.push(`explains nothing any more: ${key}`);
  return { document: { kernel: played.release, cells }, complaints };
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
