/**
 * The end of `npm run build`, after tsc: removes from dist/ what no longer has a source, copies the files that tsc
 * leaves behind, makes the command executable, has it print its manual page, and notes what was built. `--is-current` only asks: status 0 when
 * dist/ was built from the sources as they are, else 1 with the reason on stdout.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const src = join(root, 'src');
const dist = join(root, 'dist');
const main = join(dist, 'cli/main.js');
/** Outside dist/, which is published. */
const stamp = join(root, 'node_modules/.tcpx-build');

/** Relative paths of all files under `folder`, sorted; native code is not tsc's. */
function filesUnder(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(folder.length + 1))
    .filter((path) => !path.startsWith('link/native/'))
    .sort();
}

/** What a page in a browser is made from is there as it stands. */
const isAsset = (path) => /\.(json|html|css|svg|js)$/.test(path);

function sourceHash() {
  const hash = createHash('sha256');
  const own = ['package.json', 'tsconfig.json', 'tsconfig.build.json', 'scripts/finish-build.mjs'];
  for (const path of [...own, ...filesUnder(src).map((file) => `src/${file}`)]) {
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(root, path)))
      .update('\0');
  }
  return hash.digest('hex');
}

function whyNotCurrent() {
  if (!existsSync(main)) return 'dist is missing';
  if (!existsSync(stamp)) return 'it is not known what dist was built from';
  return readFileSync(stamp, 'utf8').trim() === sourceHash() ? undefined : 'sources have changed';
}

function finish() {
  const sources = filesUnder(src);
  const assets = sources.filter(isAsset);
  const kept = new Set(assets);
  for (const path of sources) {
    if (!path.endsWith('.ts')) continue;
    const stem = path.slice(0, -'.ts'.length);
    for (const end of ['.js', '.js.map', '.d.ts']) kept.add(stem + end);
  }
  for (const path of filesUnder(dist)) if (!kept.has(path)) rmSync(join(dist, path));
  for (const path of assets) {
    mkdirSync(dirname(join(dist, path)), { recursive: true });
    copyFileSync(join(src, path), join(dist, path));
  }
  if (existsSync(main)) {
    chmodSync(main, 0o755);
    writeFileSync(join(dist, 'tcpx.1'), execFileSync(process.execPath, [main, 'man']));
  }
  if (existsSync(dirname(stamp))) writeFileSync(stamp, `${sourceHash()}\n`);
}

if (process.argv[2] === '--is-current') {
  const reason = whyNotCurrent();
  if (reason) {
    console.log(reason);
    process.exitCode = 1;
  }
} else {
  finish();
}
