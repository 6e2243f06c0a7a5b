/** What the bench runs and is no TypeScript that Node takes as it is: compiled once for each text of it, and kept in the user's cache. */
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { tryRun } from '../../test/support/lab.ts';
import { BenchFailure } from './failure.ts';

const HERE = fileURLToPath(new URL('.', import.meta.url));

/** The peer's executable. Throws BenchFailure where there is no compiler. */
export function peerProgram(): string {
  const source = join(HERE, 'peer.c');
  return kept('peer', [readFileSync(source, 'utf8')], (directory) => {
    const compiler = ['cc', 'gcc', 'clang'].find((name) => tryRun('sh', ['-c', `command -v ${name}`]).status === 0);
    const hint = 'apt-get install gcc libc6-dev';
    if (compiler === undefined)
      throw new BenchFailure('there is no C compiler, and the peer of every measurement is written in C', hint);
    const done = tryRun(compiler, ['-O2', '-pthread', '-o', join(directory, 'peer'), source]);
    if (done.status !== 0) throw new BenchFailure(`${compiler} can't compile ${source}:\n${done.stderr}`, hint);
  });
}

/** The measured program, in JavaScript: a loader that strips types would be a thread and some megabytes beside it. */
export async function clientProgram(): Promise<string> {
  const { default: ts } = await import('typescript');
  const files = ['ports.ts', ...readdirSync(join(HERE, 'client')).map((name) => join('client', name))];
  const texts = files.map((file) => readFileSync(join(HERE, file), 'utf8'));
  const compilerOptions = {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.ESNext,
    verbatimModuleSyntax: true,
    rewriteRelativeImportExtensions: true,
  };
  return kept('client/main.js', texts, (directory) => {
    mkdirSync(join(directory, 'client'));
    writeFileSync(join(directory, 'package.json'), '{"type":"module"}');
    for (const [i, file] of files.entries()) {
      const { outputText } = ts.transpileModule(texts[i]!, { compilerOptions, fileName: file });
      writeFileSync(join(directory, file.replace(/\.ts$/, '.js')), outputText);
    }
  });
}

/** The path of `file` in a directory of its own for these texts, which `make` fills when it is new. */
function kept(file: string, texts: readonly string[], make: (directory: string) => void): string {
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'tcpx-bench');
  const hash = createHash('sha256').update(JSON.stringify(texts)).digest('hex').slice(0, 16);
  const directory = join(cache, `${dirname(file) === '.' ? file : dirname(file)}-${hash}`);
  const path = join(directory, file);
  if (existsSync(path)) return path;
  mkdirSync(cache, { recursive: true, mode: 0o700 });
  const fresh = mkdtempSync(join(cache, 'new-'));
  try {
    make(fresh);
    renameSync(fresh, directory);
  } catch (error) {
    rmSync(fresh, { recursive: true });
    // Another bench was quicker.
    if (!existsSync(path)) throw error;
  }
  return path;
}
