/**
 * Module hooks that strip the types from .ts files, so that a child process runs the sources without a build on Node 20;
 * 'tcpx' and what is under it are these sources, too.
 * The result is kept by the text's hash: the compiler takes longer to load than most of these programs to run.
 */
import { createHash, randomUUID } from 'node:crypto';
import { lstat, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const KEPT = join(tmpdir(), `tcpx-test-ts-${process.getuid()}`);

const SRC = new URL('../../src/', import.meta.url);
const OWN = /^tcpx(?:\/(\w+))?$/;

export async function resolve(specifier, context, next) {
  const own = OWN.exec(specifier);
  return next(own === null ? specifier : new URL(sourceOf(own[1]), SRC).href, context);
}

const sourceOf = (name = 'index') => (name === 'stack' ? 'stack/index.ts' : `${name}.ts`);

export async function load(url, context, next) {
  if (!url.startsWith('file:') || !url.endsWith('.ts')) return next(url, context);
  return { format: 'module', shortCircuit: true, source: await stripped(await readFile(new URL(url), 'utf8'), url) };
}

/** A TypeScript text without its types; `url` is where it stands. */
export async function stripped(text, url) {
  const kept = join(KEPT, `${createHash('sha256').update(url).update(text).digest('hex')}.mjs`);
  return (await isOurs()) ? readFile(kept, 'utf8').catch(() => strip(text, url, kept)) : strip(text, url, kept);
}

async function isOurs() {
  const kept = await lstat(KEPT).catch(() => undefined);
  return kept?.isDirectory() === true && kept.uid === process.getuid() && (kept.mode & 0o077) === 0;
}

async function strip(text, url, kept) {
  const { default: ts } = await import('typescript');
  const compilerOptions = {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.ESNext,
    verbatimModuleSyntax: true,
    inlineSourceMap: true,
  };
  const { outputText } = ts.transpileModule(text, { compilerOptions, fileName: url });
  await mkdir(KEPT, { recursive: true, mode: 0o700 });
  if (!(await isOurs())) throw new Error(`${KEPT} is not ours alone, and what lies there would be run; remove it`);
  // Renamed into place: another process, or thread, may be reading or writing it too.
  const fresh = `${kept}.${randomUUID()}`;
  await writeFile(fresh, outputText);
  await rename(fresh, kept);
  return outputText;
}
