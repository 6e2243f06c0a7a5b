/**
 * Which lines of the core have run, by V8's own count. The sources are stripped of their types when they are loaded, line
 * numbers included: the source map at the end of each says which line of the source a place in it is of.
 */

import { readdirSync } from 'node:fs';
import { type Profiler, Session } from 'node:inspector/promises';
import { SourceMap } from 'node:module';
import { fileURLToPath } from 'node:url';

export const CORE = new URL('../../src/tcp/', import.meta.url);

/** By file, relative to the core: lines that can run, and those of them that have. */
export type Coverage = ReadonlyMap<string, { readonly lines: ReadonlySet<number>; readonly run: ReadonlySet<number> }>;

/** Counts from `begin` until `take`; what is measured is slower meanwhile. */
export class CoverageCounter {
  readonly #session = new Session();

  async begin(): Promise<void> {
    this.#session.connect();
    await this.#session.post('Debugger.enable');
    await this.#session.post('Profiler.enable');
    await this.#session.post('Profiler.startPreciseCoverage', { callCount: false, detailed: true });
  }

  /** What has run since the last time, or the beginning. */
  async take(): Promise<Coverage> {
    const { result } = await this.#session.post('Profiler.takePreciseCoverage');
    const files = new Map<string, { lines: Set<number>; run: Set<number> }>();
    for (const script of result) {
      if (!script.url.startsWith(CORE.href)) continue;
      const { scriptSource } = await this.#session.post('Debugger.getScriptSource', { scriptId: script.scriptId });
      files.set(script.url.slice(CORE.href.length), linesOf(scriptSource, script.functions));
    }
    return files;
  }

  async end(): Promise<void> {
    await this.#session.post('Profiler.stopPreciseCoverage');
    this.#session.disconnect();
  }
}

/** Lines of the core's files that have none but types. */
export function coreFiles(): readonly string[] {
  return readdirSync(fileURLToPath(CORE), { recursive: true, encoding: 'utf8' }).filter((f) => f.endsWith('.ts'));
}

function linesOf(
  text: string,
  functions: readonly Profiler.FunctionCoverage[],
): { readonly lines: Set<number>; readonly run: Set<number> } {
  // 1 for each character that has run: the innermost range says, and it comes last.
  const has = new Uint8Array(text.length);
  for (const { ranges } of functions)
    for (const { startOffset, endOffset, count } of ranges) has.fill(count > 0 ? 1 : 0, startOffset, endOffset);
  const map = mapOf(text);
  const lines = new Set<number>();
  const run = new Set<number>();
  let at = 0;
  text.split('\n').forEach((line, row) => {
    const from = at + line.length - line.trimStart().length;
    const isCode = /[\w]/.test(line) && !line.trimStart().startsWith('//') && !line.trimStart().startsWith('*');
    const isComment = line.trimStart().startsWith('/*');
    const original = map?.findEntry(row, from - at) as { readonly originalLine?: number } | undefined;
    if (isCode && !isComment) {
      const number = (original?.originalLine ?? row) + 1;
      lines.add(number);
      if (has[from] === 1) run.add(number);
    }
    at += line.length + 1;
  });
  return { lines, run };
}

function mapOf(text: string): SourceMap | undefined {
  const found = /\/\/# sourceMappingURL=data:application\/json;base64,(\S+)\s*$/.exec(text);
  return found === null ? undefined : new SourceMap(JSON.parse(Buffer.from(found[1]!, 'base64').toString('utf8')));
}
