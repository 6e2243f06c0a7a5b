/**
 * Is node_modules what package-lock.json says, with native parts that load in this Node? Status 0: yes. Status 1: no,
 * and the first reason is on stdout. Asks the tree itself instead of a stamp, so that a change of Node, an `npm ci`
 * by hand and npm 12 (which skips install scripts in silence) are all seen.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const root = new URL('../', import.meta.url);
const require = createRequire(new URL('package.json', root));

function lockOf(path) {
  try {
    return JSON.parse(readFileSync(new URL(path, root), 'utf8')).packages;
  } catch {
    return undefined;
  }
}

/** A package for another system or libc is in the lock file, never in the tree. */
function belongsHere({ os, cpu, optional }) {
  if (os && !os.includes(process.platform)) return false;
  if (cpu && !cpu.includes(process.arch)) return false;
  return !optional;
}

function firstReason() {
  const wanted = lockOf('package-lock.json');
  if (!wanted) return 'there is no package-lock.json';
  const found = lockOf('node_modules/.package-lock.json');
  if (!found) return 'node_modules is missing';
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '') continue;
    const installed = found[path];
    const name = path.replace(/^.*node_modules\//, '');
    if (!installed && belongsHere(entry)) return `${name} is missing`;
    if (installed && installed.version !== entry.version)
      return `${name} is ${installed.version}, not ${entry.version}`;
  }
  for (const path of Object.keys(found)) {
    if (!wanted[path]) return `${path.replace(/^.*node_modules\//, '')} is no longer wanted`;
  }
  for (const name of ['raw-socket', 'cap']) {
    try {
      require(name);
    } catch (error) {
      return `${name} does not load in Node ${process.versions.node} (${String(error.message).split('\n')[0]})`;
    }
  }
  return undefined;
}

const reason = firstReason();
if (reason) {
  console.log(reason);
  process.exitCode = 1;
}
