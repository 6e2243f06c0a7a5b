/**
 * Module hooks that load the sources once for each break: `file.ts?broken=7` is file.ts as break 7 leaves it, and so is what it
 * imports. Nothing is written anywhere. What else is asked for in the name of vitest is bare-vitest.ts.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { stripped } from '../../support/ts-hooks.mjs';

/** By number: the URL of the file that is broken, and its text with the break in force. */
let breaks;
const kept = new Map();

/** The numbers' breaks come as they are wanted, by this port. */
export function initialize({ port }) {
  breaks = new Map();
  port.on('message', ({ number, url, text }) => {
    breaks.set(String(number), { url, text });
    port.postMessage(number);
  });
  port.unref();
}

export async function resolve(specifier, context, next) {
  const number = context.parentURL?.match(/\?broken=(\d+)$/)?.[1];
  if (number === undefined) return next(specifier, context);
  const wanted = specifier === 'vitest' ? new URL('bare-vitest.ts', import.meta.url).href : specifier;
  const { url } = await next(wanted, context);
  if (!url.startsWith('file:') || !url.endsWith('.ts')) return { url, shortCircuit: true };
  return { url: `${url}?broken=${number}`, shortCircuit: true };
}

export async function load(url, context, next) {
  const [file, number] = url.split('?broken=');
  if (number === undefined) return next(url, context);
  const its = breaks.get(number);
  if (its?.url === file) return { format: 'module', shortCircuit: true, source: await stripped(its.text, file) };
  // The sources as they are, without being asked for them again and again.
  if (!kept.has(file)) kept.set(file, stripped(readFileSync(fileURLToPath(file), 'utf8'), file));
  return { format: 'module', shortCircuit: true, source: await kept.get(file) };
}
