import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, expect, test } from 'vitest';
import { micros } from '../../../src/base/time.ts';
import { LineWriter } from '../../../src/cli/line-writer.ts';
import { LogOutput } from '../../../src/cli/log-output.ts';
import { OutFile } from '../../../src/cli/out-file.ts';
import { fakeIo, PEER } from '../../support/cli-io.ts';

const directory = mkdtempSync(join(tmpdir(), 'tcpx-out-'));
afterAll(() => rmSync(directory, { recursive: true }));
const text = (s: string): Uint8Array => new TextEncoder().encode(s);
const isRoot = process.getuid?.() === 0;

test('what is appended is in the file when it is closed, in order and whole', () => {
  const file = new OutFile(join(directory, 'many'), {});
  let expected = '';
  for (let i = 0; i < 50_000; i++) {
    file.append(text(`${i}\n`));
    expected += `${i}\n`;
  }
  file.close();
  file.close();
  expect(readFileSync(file.path, 'utf8')).toBe(expected);
});

test('a new file belongs to who called sudo, and nobody else reads it', () => {
  const file = new OutFile(join(directory, 'sudo'), { SUDO_UID: '12345', SUDO_GID: '54321' });
  file.close();
  const { mode, uid, gid } = statSync(file.path);
  expect(mode & 0o777).toBe(0o600);
  expect([uid, gid]).toEqual(isRoot ? [12_345, 54_321] : [process.getuid?.(), process.getgid?.()]);
});

test('a file that was there keeps its owner and mode, and loses what it held', () => {
  const path = join(directory, 'old');
  writeFileSync(path, 'something long that was there before', { mode: 0o640 });
  const file = new OutFile(path, { SUDO_UID: '12345', SUDO_GID: '54321' });
  file.append(text('new'));
  file.close();
  expect(readFileSync(path, 'utf8')).toBe('new');
  expect(statSync(path).mode & 0o777).toBe(0o640);
  expect(statSync(path).uid).toBe(process.getuid?.());
});

test('a full disk is kept for the end: appending goes on without harm', () => {
  const file = new OutFile('/dev/full', {});
  file.append(text('x'));
  file.append(new Uint8Array(1 << 17));
  file.append(text('y'));
  file.close();
  expect(file.failure).toMatchObject({
    message: 'cannot write /dev/full: no space left',
    exitCode: 1,
    hint: expect.any(String),
  });
});

test('lines of one turn are one write; what was held is asked for before it', async () => {
  const writes: string[] = [];
  const stream = new Writable({
    decodeStrings: false,
    write: (chunk: string, _, done) => {
      writes.push(chunk);
      done();
    },
  });
  const writer: LineWriter = new LineWriter(stream, () => writes.length === 0 && writer.line('held'), String);
  writer.line('a');
  writer.line('b');
  expect(writes).toEqual([]);
  await new Promise((resolve) => setImmediate(resolve));
  expect(writes).toEqual(['a\nb\nheld\n']);
});

test('a transition whose segment does not come is shown in the same turn all the same', async () => {
  const io = fakeIo();
  const log = new LogOutput(io, {
    json: false,
    jsonFile: undefined,
    verbosity: 'normal',
    absolute: false,
    color: 'auto',
  });
  log.open(1, { localAddress: PEER, localPort: 1, remoteAddress: PEER, remotePort: 2 }, micros(0));
  log.flush();
  const held = {
    type: 'state',
    from: 'ESTABLISHED',
    event: 'CLOSE',
    to: 'FIN-WAIT-1',
    cause: 'call',
    rule: '§3.10.4',
  } as const;
  log.record({ t: micros(5), conn: 1, ...held });
  expect(io.err()).not.toContain('FIN-WAIT-1');
  await new Promise((resolve) => setImmediate(resolve));
  expect(io.err()).toContain('ESTABLISHED  -> FIN-WAIT-1    CLOSE');
});

test('lines for a reader that stopped reading are left out and counted', async () => {
  let received = '';
  let reading = false;
  let held: (() => void) | undefined;
  const stream = new Writable({
    write: (chunk: Buffer, _, done) => {
      received += chunk.toString();
      if (reading) done();
      else held = done;
    },
  });
  const writer = new LineWriter(
    stream,
    () => {},
    (n) => `${n} lines left out`,
  );
  for (let i = 0; i < 400; i++) writer.line('x'.repeat(100_000));
  expect(stream.writableLength).toBeLessThan(20_000_000);
  reading = true;
  held?.();
  await new Promise((resolve) => stream.write('', resolve));
  writer.line('back');
  writer.flush();
  expect(received).toMatch(/x\n2\d\d lines left out\nback\n$/);
});
