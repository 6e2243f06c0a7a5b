/**
 * Builds the addon in src/link/native: the package's install script, and of use by hand.
 *
 *   node scripts/build-addon.mjs
 *
 * Does nothing when the binary is there for these very sources. When it cannot build, it says what is missing with the
 * remedy, leaves that beside the addon for the program to repeat (npm hides what a successful install script prints),
 * and succeeds: a library that runs over a link of its caller's needs no addon. TCPX_REQUIRE_ADDON=1 makes it fail instead.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const native = join(root, 'src/link/native');
const build = join(native, 'build');
const binary = join(build, 'Release/tcpx.node');
const stampFile = join(build, 'stamp.txt');
const notBuiltFile = join(build, 'not-built.txt');
const again = /[\\/]node_modules[\\/]/.test(root) ? 'npm rebuild tcpx' : 'npm run install';
const startedAt = performance.now();

/** A Node-API binary does not depend on Node's version: its sources and the processor are all that counts. */
function stamp() {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}`);
  for (const file of readdirSync(native)
    .filter((name) => /\.(c|h|gyp)$/.test(name))
    .sort()) {
    hash.update(`\n${file}\n`).update(readFileSync(join(native, file)));
  }
  return hash.digest('hex');
}

const isBuilt = (wanted) => existsSync(binary) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === wanted;

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const onPath = (name) =>
  (process.env.PATH ?? '')
    .split(delimiter)
    .map((dir) => join(dir, name))
    .find(isExecutable);

/** npm says where its own is; by hand it lies beside npm, whose place depends on who packaged Node. */
function findNodeGyp() {
  const prefix = dirname(dirname(process.execPath));
  const candidates = [
    process.env.npm_config_node_gyp,
    join(prefix, 'lib/node_modules/npm/node_modules/node-gyp/bin/node-gyp.js'),
    '/usr/share/nodejs/node-gyp/bin/node-gyp.js',
    '/usr/lib/node_modules/npm/node_modules/node-gyp/bin/node-gyp.js',
    '/usr/local/lib/node_modules/npm/node_modules/node-gyp/bin/node-gyp.js',
  ];
  const script = candidates.find((file) => file !== undefined && existsSync(file));
  if (script !== undefined) return { command: process.execPath, args: [script] };
  const program = onPath('node-gyp');
  return program === undefined ? undefined : { command: program, args: [] };
}

/** Headers that came with this Node spare the download; a setting of the user's comes first. */
function headersArgs() {
  if (process.env.npm_config_nodedir || process.env.NPM_CONFIG_NODEDIR) return [];
  const prefix = dirname(dirname(process.execPath));
  const header = join(prefix, 'include/node/node_version.h');
  if (!existsSync(header)) return [];
  const isThisOne =
    process.version ===
    `v${['MAJOR', 'MINOR', 'PATCH'].map((part) => new RegExp(`#define NODE_${part}_VERSION (\\d+)`).exec(readFileSync(header, 'utf8'))?.[1]).join('.')}`;
  return isThisOne ? [`--nodedir=${prefix}`] : [];
}

function missingTools() {
  const missing = [];
  if (!process.env.npm_config_python && !process.env.PYTHON && !onPath('python3')) missing.push('python3');
  if (!onPath('make')) missing.push('make');
  if (!process.env.CC && !onPath('cc') && !onPath('gcc')) missing.push('a C compiler');
  if (!process.env.CXX && !onPath('g++') && !onPath('c++')) missing.push('g++');
  return missing;
}

/** Why it could not be built, and the remedy; undefined when it was. */
function buildAddon(wanted) {
  if (process.platform !== 'linux')
    return { why: `it is for Linux, and this is ${process.platform}`, remedy: 'run it on Linux' };
  const missing = missingTools();
  const remedy = `apt-get install python3 make g++ && ${again}`;
  if (missing.length > 0) return { why: `${missing.join(', ')} missing`, remedy };
  const gyp = findNodeGyp();
  if (gyp === undefined)
    return { why: 'node-gyp, which is a part of npm, was not found', remedy: `install npm, then ${again}` };
  const done = spawnSync(gyp.command, [...gyp.args, 'rebuild', ...headersArgs()], {
    cwd: native,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (done.status !== 0 || !existsSync(binary)) {
    const output = `${done.stdout ?? ''}${done.stderr ?? ''}`;
    process.stderr.write(output);
    const line =
      output.split('\n').find((text) => /\berror\b|ERR! stack/i.test(text)) ??
      `node-gyp ended with ${done.status ?? done.signal}`;
    return { why: line.replace(/\s+/g, ' ').trim(), remedy: `see the compiler's messages above; ${remedy}` };
  }
  try {
    createRequire(import.meta.url)(binary);
  } catch (error) {
    return { why: `it was built and does not load (${String(error.message).split('\n')[0]})`, remedy: again };
  }
  writeFileSync(stampFile, wanted);
  return undefined;
}

const wanted = stamp();
if (isBuilt(wanted)) {
  console.log('tcpx: addon is up to date');
} else {
  const failure = buildAddon(wanted);
  if (failure === undefined) {
    rmSync(notBuiltFile, { force: true });
    console.log(`tcpx: addon built in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  } else {
    mkdirSync(build, { recursive: true });
    // One of other sources would load and not fit.
    rmSync(binary, { force: true });
    rmSync(stampFile, { force: true });
    writeFileSync(notBuiltFile, `${failure.why}\n${failure.remedy}\n`);
    console.error(`tcpx: addon NOT built: ${failure.why}\n  hint: ${failure.remedy}`);
    if (process.env.TCPX_REQUIRE_ADDON === '1') process.exitCode = 1;
  }
}
