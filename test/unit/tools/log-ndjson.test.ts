import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LogFormatError, type LogLine, NdjsonLog, readLog } from '../../../src/tools/log-ndjson.ts';
import type { LogRecord } from '../../../src/tools/log-record.ts';
import { useColor } from '../../../src/tools/log-style.ts';
import { HEADER, recordedRun } from '../../support/recorded.ts';

const LOG = recordedRun().log();
const LINES: readonly string[] = LOG.map((r) => JSON.stringify(r));
const octets = (text: string): Uint8Array[] => [new TextEncoder().encode(text)];
const text = (lines: readonly string[]): string => lines.map((l) => `${l}\n`).join('');

async function read(chunks: Iterable<Uint8Array>): Promise<LogLine[]> {
  const lines: LogLine[] = [];
  for await (const line of readLog(chunks)) lines.push(line);
  return lines;
}

async function complaint(content: string): Promise<LogFormatError> {
  const error = await read(octets(content)).then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(LogFormatError);
  return error as LogFormatError;
}

test('what was written is read back, with the number of each line', async () => {
  let written = '';
  const log = new NdjsonLog((line) => {
    written += `${line}\n`;
  });
  for (const record of LOG) log.write(record);
  expect(await read(octets(written))).toEqual(LOG.map((record, i) => ({ line: i + 1, record })));
});

test('it does not matter how the file is cut into chunks, in the middle of a character either', async () => {
  const note: LogRecord = { type: 'note', t: 5, text: 'Grüße, 你好 ✓' };
  const all = new TextEncoder().encode(text([...LINES.slice(0, -1), JSON.stringify(note), LINES.at(-1)!]));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1 }), async (sizes) => {
      const chunks: Uint8Array[] = [];
      for (let at = 0, i = 0; at < all.length; i++) {
        const end = at + sizes[i % sizes.length]!;
        chunks.push(all.subarray(at, end));
        at = end;
      }
      expect((await read(chunks)).map((l) => l.record)).toEqual([...LOG.slice(0, -1), note, LOG.at(-1)]);
    }),
    { numRuns: 25 },
  );
});

test.each([
  ['', 1, 'the file is empty'],
  ['hello\n', 1, 'not JSON; expected the header of a tcpx.log/1 log'],
  ['{"a":1}\n', 1, 'nothing record; expected the header'],
  [`${JSON.stringify({ ...HEADER, schema: 'tcpx.log/9' })}\n`, 1, 'schema "tcpx.log/9"; expected the header'],
  [text([LINES[0]!, 'nonsense', ...LINES.slice(1)]), 2, 'not JSON; expected one record'],
  [text([LINES[0]!, '[]']), 2, 'no JSON object'],
  [text([LINES[0]!, '{"type":"rumour","t":1}']), 2, 'type "rumour"; expected one of open, call, state'],
  [
    text([LINES[0]!, '{"type":"state","t":1,"conn":1}']),
    2,
    'a state record without from (expected a string, found nothing)',
  ],
  [text([LINES[0]!, '{"type":"note","text":"x"}']), 2, 'a note record without t'],
  [text([LINES[0]!, '{"type":"segment","t":1,"conn":1,"dir":"in","seg":{"seq":1}}']), 2, 'a segment without ack'],
  [text([...LINES, LINES[3]!]), LINES.length + 1, 'expected nothing more'],
])('%j…: line %i, %s', async (content, line, what) => {
  const error = await complaint(content);
  expect(error.line).toBe(line);
  expect(error.message).toContain(what);
  expect(error.cutOff).toBe(false);
});

test('a log cut off anywhere behind its header is told from one that is none', async () => {
  const whole = text(LINES);
  const ends = LINES.map((_, i) => text(LINES.slice(0, i + 1)).length).slice(0, -1);
  const anywhere = Array.from({ length: Math.floor(whole.length / 97) }, (_, i) => ends[0]! + 1 + 97 * i);
  for (const at of [...ends, ...anywhere].filter((n) => n < whole.length - 1)) {
    const error = await complaint(whole.slice(0, at));
    expect(error.cutOff, `${at}: ${error.message}`).toBe(true);
    expect(error.line).toBe(whole.slice(0, at).replace(/\n$/, '').split('\n').length);
  }
});

test('a file without newlines is refused before it fills the memory', async () => {
  let given = 0;
  function* endless(): Generator<Uint8Array> {
    for (;;) {
      given++;
      yield new Uint8Array(1 << 16).fill(0x61);
    }
  }
  await expect(read(endless())).rejects.toThrow('no newline within 1048576 characters');
  expect(given).toBeLessThan(20);
});

test.each([
  ['auto', true, {}, true],
  ['auto', false, {}, false],
  ['auto', true, { NO_COLOR: '1' }, false],
  ['auto', true, { NO_COLOR: '' }, true],
  ['auto', true, { TERM: 'dumb' }, false],
  ['auto', false, { FORCE_COLOR: '1' }, true],
  ['auto', true, { FORCE_COLOR: '0' }, false],
  ['always', false, { NO_COLOR: '1' }, true],
  ['never', true, { FORCE_COLOR: '1' }, false],
] as const)('--color %s on a terminal: %s, environment %j: %s', (choice, isTTY, env, colored) => {
  expect(useColor(choice, { isTTY }, env)).toBe(colored);
});
