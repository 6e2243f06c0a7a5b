/**
 * What an installation has of the native parts, asked of the tree itself: of a project that depends on tcpx,
 * or of a checkout. Prints raw-socket, cap and the addon, with tabs between, each as `built` (it loads), `absent` (npm left the package out, because
 * it could not be built), `not built`, or `fails: …`.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const project = process.argv[2];
const modules = join(project, 'node_modules');
const require = createRequire(join(modules, 'package.json'));
const tcpx = [join(modules, 'tcpx'), join(project, 'prefix/lib/node_modules/tcpx'), project].find(existsSync);

function verdict(folder, binary, what) {
  if (!existsSync(folder)) return 'absent';
  if (!existsSync(join(folder, binary))) return 'not built';
  try {
    require(what);
    return 'built';
  } catch (error) {
    return `fails: ${String(error.message).split('\n')[0]}`;
  }
}

const addon = 'src/link/native/build/Release/tcpx.node';
console.log(
  [
    verdict(join(modules, 'raw-socket'), 'build/Release/raw.node', 'raw-socket'),
    verdict(join(modules, 'cap'), 'build/Release/cap.node', 'cap'),
    verdict(tcpx, addon, join(tcpx, addon)),
  ].join('\t'),
);
