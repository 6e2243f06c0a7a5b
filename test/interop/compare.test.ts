/** `tcpx compare` against kernel peers: what it finds, says and leaves behind. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Child } from '../support/child.ts';
import { type KernelPeer, openPair, type PairLab } from '../support/lab.ts';
import { cliProgram, expectNoResets, scratch } from '../support/tcpx.ts';

let lab: PairLab;
let echo: KernelPeer;
beforeAll(async () => {
  lab = openPair();
  // a window scale of its own, so that settings show
  lab.client.sysctl('net.ipv4.tcp_rmem', '4096 131072 33554432');
  echo = await lab.server.kernelPeer('0', '--echo', '--keep');
});
afterAll(() => {
  lab.close();
});

const compare = (...args: string[]): Child => lab.client.node(cliProgram(), ['compare', ...args]);
const target = (): string => `${lab.serverAddress}:${echo.port}`;

interface Segment {
  readonly dir: 'in' | 'out';
  readonly flags: string;
  readonly len: number;
  readonly options: readonly string[];
}
interface RunDocument {
  readonly segments: readonly Segment[];
  readonly states: readonly { readonly state: string; readonly source: string }[];
  readonly outcome: { readonly connected: boolean; readonly error?: string; readonly octetsReceived: number };
}
interface ScenarioDocument {
  readonly name: string;
  readonly verdict: string;
  readonly differences: readonly {
    readonly property: string;
    readonly field: string;
    readonly kernel: string;
    readonly tcpx: string;
    readonly ruling?: { readonly word: string; readonly clause: string };
  }[];
  readonly rows: readonly { readonly kernel?: number; readonly tcpx?: number }[];
  readonly kernel: RunDocument;
  readonly tcpx: RunDocument;
}
interface Document {
  readonly schema: string;
  readonly good: boolean;
  readonly scenarios: readonly ScenarioDocument[];
}

async function document(child: Child, ...codes: number[]): Promise<Document> {
  const exit = await child.exit(30_000);
  expect(codes, `${child.stdout}${child.stderr}`).toContain(exit.code);
  return JSON.parse(child.stdout) as Document;
}

/** What is not as it may be. */
const wrong = (scenario: ScenarioDocument) =>
  scenario.differences.filter((d) => d.ruling === undefined || d.ruling.word === 'forbidden');
/** Without the classes of time: a machine that is busy elsewhere delays the kernel's segments as well as ours. */
const timeless = (scenario: ScenarioDocument) =>
  wrong(scenario).filter((d) => !['time', 'delay', 'schedule'].includes(d.field));

describe('against an echo server of the kernel', () => {
  expectNoResets(() => lab.client);

  test('tcpx does what the kernel does: handshake and close, request and response, half-close', async () => {
    const found = await document(
      compare(target(), 'handshake', 'request', 'half-close', '--request', 'hello\\n', '--json'),
      0,
      1,
    );
    expect(found.schema).toBe('tcpx.compare/2');
    expect(found.scenarios.map((s) => [s.name, timeless(s)])).toEqual([
      ['handshake', []],
      ['request', []],
      ['half-close', []],
    ]);
    for (const s of found.scenarios)
      expect(['same', 'allowed', 'required'].includes(s.verdict), s.verdict).toBe(wrong(s).length === 0);
    const [handshake, request] = found.scenarios;
    for (const run of [handshake!.kernel, handshake!.tcpx]) {
      expect(run.segments[0]).toMatchObject({
        dir: 'out',
        flags: 'S',
        options: ['mss 1460', 'sackOK', 'TS', 'nop', 'wscale 10'],
      });
      expect(run.states.map((mark) => mark.state)).toEqual([
        'SYN-SENT',
        'ESTABLISHED',
        'FIN-WAIT-1',
        'FIN-WAIT-2',
        'TIME-WAIT',
      ]);
    }
    expect(request!.tcpx.outcome).toMatchObject({ connected: true, octetsReceived: 6 });
  });

  test("the kernel's states are observed, those of tcpx come from its log", async () => {
    const [handshake] = (await document(compare(target(), 'handshake', '--json'), 0, 1)).scenarios;
    const source = new Map(handshake!.kernel.states.map((mark) => [mark.state, mark.source]));
    expect(source.get('ESTABLISHED')).toBe('observed');
    expect(source.get('TIME-WAIT')).toBe('observed');
    expect(new Set(handshake!.tcpx.states.map((mark) => mark.source))).toEqual(new Set(['log']));
  });

  test('other settings show as a difference', async () => {
    const child = compare(target(), 'handshake', '--own-settings');
    expect((await child.exit()).code).toBe(0);
    expect(child.stdout.replace(/\s+/g, ' ')).toMatch(
      /allowed: 1 > S options: kernel mss 1460,sackOK,TS,nop,wscale 10, tcpx mss 1460,sackOK,TS,nop,wscale 7 \(RFC 7323 §2\.3: /,
    );
    expect(child.stdout).toMatch(/^result: handshake allowed$/m);
  });

  test('-w keeps both captures', async () => {
    const prefix = scratch('kept');
    expect((await compare(target(), 'request', '--request', 'needle', '-w', prefix).exit()).code).toBe(0);
    for (const side of ['kernel', 'tcpx']) {
      const octets = readFileSync(`${prefix}.request.${side}.pcap`);
      // there and back again
      expect(octets.toString('latin1').split('needle')).toHaveLength(3);
    }
  });
});

test('^C ends it with 130 and leaves nothing behind', async () => {
  const child = compare(target());
  await child.output(/handshake: /);
  child.kill('SIGINT');
  expect((await child.exit()).code).toBe(130);
  expect(lab.client.sockets(echo.port).filter((row) => row.state !== 'TIME-WAIT')).toEqual([]);
});

test('on loopback', async () => {
  const peer = await lab.client.kernelPeer('127.0.0.1:0', '--echo', '--keep');
  const found = await document(compare(`localhost:${peer.port}`, 'handshake', 'request', '--json'), 0, 1);
  for (const scenario of found.scenarios) {
    expect(timeless(scenario)).toEqual([]);
    expect(scenario.tcpx.segments.map((s) => `${s.dir} ${s.flags}`)).toContain('out F.');
  }
});

test('a refusal and an abort are alike too', async () => {
  const found = await document(compare(target(), 'abort', 'refused', '--json'), 0, 1);
  expect(found.scenarios.map((s) => [s.name, timeless(s)])).toEqual([
    ['abort', []],
    ['refused', []],
  ]);
  const [aborted, refused] = found.scenarios;
  for (const run of [aborted!.kernel, aborted!.tcpx])
    expect(run.segments.at(-1)).toMatchObject({ dir: 'out', flags: 'R.' });
  expect(refused!.kernel.outcome.error).toBe('ECONNREFUSED');
});

test('in a lab of its own, whose path loses what it is told to', async () => {
  const page = scratch('compared.html');
  const names = ['lost-syn', 'lost-data', 'peer-aborts', 'simultaneous-close', 'same-ports'];
  const child = lab.client.node(cliProgram(), ['compare', '--lab', ...names, '--json', '--html', page]);
  const found = await document(child, 0, 1);
  expect(found.scenarios.map((s) => [s.name, timeless(s)])).toEqual(names.map((name) => [name, []]));
  const [lostSyn, lostData, peerAborts, crossed, again] = found.scenarios;
  for (const side of ['kernel', 'tcpx'] as const) {
    expect(lostSyn![side].segments.filter((s) => s.flags === 'S').length).toBeGreaterThan(1);
    expect(lostData![side].segments.filter((s) => s.len > 0).length).toBeGreaterThan(1);
    expect(peerAborts![side].outcome.error).toBe('ECONNRESET');
    expect(crossed![side].states.map((mark) => mark.state)).toContain('CLOSING');
  }
  // Linux's ISS gains 64 times as fast as RFC 9293 has it
  expect(again!.differences.find((d) => d.property === 'ISN')?.ruling).toMatchObject({ word: 'required' });
  const html = readFileSync(page, 'utf8');
  expect(html).toMatch(/^<!doctype html>/);
  expect(html).toContain('simultaneous-close');
});

describe('when there is nothing to compare', () => {
  test('a port where nothing listens is trouble, with the remedy', async () => {
    const child = compare(`${lab.serverAddress}:9`, 'handshake');
    expect((await child.exit()).code).toBe(2);
    expect(child.stderr).toMatch(/^tcpx: handshake: .*no connection \(ECONNREFUSED\)$/m);
    expect(child.stderr).toMatch(/^ {2}hint: .*refused/m);
  });

  test('the refusal of that very port can be compared', async () => {
    const child = compare(`${lab.serverAddress}:9`, 'refused');
    expect([0, 1], child.stdout).toContain((await child.exit()).code);
    expect(child.stdout).toMatch(/^result: refused same$/m);
  });

  test('a port that is open refuses nothing', async () => {
    const child = compare(target(), 'refused');
    expect((await child.exit()).code).toBe(2);
    expect(child.stderr).toMatch(/something listens there/);
  });

  test('an unknown scenario is wrong usage, with the nearest name', async () => {
    const child = compare(target(), 'handshakes');
    expect((await child.exit()).code).toBe(2);
    expect(child.stderr).toMatch(/^tcpx: unknown scenario 'handshakes'\n {2}hint: did you mean 'handshake'\?/);
  });

  test('so is one that needs a lab, where there is none', async () => {
    const child = compare(target(), 'lost-syn');
    expect((await child.exit()).code).toBe(2);
    expect(child.stderr).toMatch(/^tcpx: 'lost-syn' needs a peer and a path.*\n {2}hint: tcpx compare --lab lost-syn;/);
  });

  test('without privilege it is not permitted', async () => {
    const loader = fileURLToPath(new URL('../support/ts-loader.mjs', import.meta.url));
    const command = [process.execPath, '--import', loader, cliProgram(), 'compare', target()];
    const child = lab.client.spawn('setpriv', ['--bounding-set=-net_raw,-net_admin', ...command]);
    expect((await child.exit()).code).toBe(77);
    expect(child.stderr).toMatch(/^tcpx: .*not permitted.*\n {2}hint: .*root/m);
  });
});
