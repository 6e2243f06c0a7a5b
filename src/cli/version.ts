/** What is installed here: tcpx, Node, the kernel, and the native parts with the reason where one is missing. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, release } from 'node:os';
import { loadAddon } from '../link/native.ts';

const require = createRequire(import.meta.url);

/** As in package.json, which lies two levels up from src/cli and from dist/cli alike. */
export function tcpxVersion(): string {
  // JSON boundary: our own package.json.
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return version;
}

export interface NativePart {
  readonly name: string;
  readonly purpose: string;
  /** Undefined when it loads. */
  readonly missing: string | undefined;
}

/** Loads each native part once and says which did. */
export function nativeParts(): readonly NativePart[] {
  return [
    { name: 'addon', purpose: 'guards the port', missing: whyNot(loadAddon) },
    { name: 'raw-socket', purpose: 'sends packets', missing: whyNot(() => require('raw-socket')) },
    { name: 'cap', purpose: 'receives packets', missing: whyNot(() => require('cap')) },
  ];
}

function whyNot(load: () => unknown): string | undefined {
  try {
    load();
    return undefined;
  } catch (error) {
    return (error instanceof Error ? error.message : String(error)).split('\n')[0];
  }
}

export function versionText(): string {
  const parts = nativeParts().map(
    (p) =>
      `  ${p.name.padEnd(12)}${p.purpose.padEnd(20)}${p.missing === undefined ? 'built' : `not built: ${p.missing}`}`,
  );
  return [
    `tcpx ${tcpxVersion()}`,
    `node ${process.versions.node} (${arch()})`,
    `linux ${release()}`,
    'native parts',
    ...parts,
  ].join('\n');
}
