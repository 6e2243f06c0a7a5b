/** The command against kernel peers: octets through its standard streams, its log, exit codes, and what is left behind. */
import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { openPair, type PairLab, run } from '../support/lab.ts';
import { ACTIVE_CLOSE, ACTIVE_OPEN, PASSIVE_CLOSE } from '../support/log.ts';
import { pattern, sha256 } from '../support/pattern.ts';
import { cliProgram, expectNoResets, scratch, startCli } from '../support/tcpx.ts';

// Namespaces, children and real time, on a machine that may be busy.
vi.setConfig({ testTimeout: 90_000 });

const MEGABYTE = pattern(1_000_000);
const DIGEST = sha256(MEGABYTE);
/** Octets of payload in a segment on the wire, beside timestamps. */
const MSS = 1448;

let lab: PairLab;
beforeAll(() => {
  lab = openPair();
});
afterAll(() => {
  const names = [lab.client.name, lab.server.name];
  lab.close();
  expect(readdirSync('/run/netns').filter((name) => names.includes(name))).toEqual([]);
});

/** Rules and sockets in the namespace of tcpx. */
const leftBehind = (): readonly string[] =>
  [...lab.client.exec('nft', 'list', 'ruleset').split('\n'), ...lab.client.sockets().map((row) => row.local)].filter(
    (s) => s !== '',
  );

/** One row a frame, checksums checked: 1 is good, 0 is bad. */
function tshark(file: string, fields: readonly string[]): readonly (readonly string[])[] {
  const check = ['-o', 'tcp.check_checksum:TRUE', '-o', 'ip.check_checksum:TRUE'];
  const text = run('tshark', [
    '-r',
    file,
    ...check,
    '-T',
    'fields',
    '-E',
    'separator=,',
    ...fields.flatMap((f) => ['-e', f]),
  ]);
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(','));
}

describe('in peace', () => {
  expectNoResets(() => lab.client);

  test('stdin goes to the peer and the peer to stdout; TIME-WAIT is stayed in when asked', async () => {
    const server = await lab.server.kernelPeer('0', '--send', '1000000');
    const tcpx = startCli(lab.client, 'connect', `${lab.serverAddress}:${server.port}`, '--time-wait', '--msl', '1');
    tcpx.child.end(MEGABYTE);
    const { exit, log } = await tcpx.ended();
    expect(exit.code).toBe(0);
    expect(sha256(tcpx.child.stdoutOctets)).toBe(DIGEST);
    expect(await server.child.event('close')).toMatchObject({ received: 1_000_000, sha256: DIGEST });
    expect(log.transitions().slice(0, 3)).toEqual([...ACTIVE_OPEN, ACTIVE_CLOSE[0]]);
    expect(log.transitions().at(-1)).toBe(ACTIVE_CLOSE[3]);
    expect(log.of('summary')).toMatchObject([{ state: 'CLOSED' }]);
    expect(tcpx.child.stderr).toContain('TIME-WAIT');
    expect(leftBehind()).toEqual([]);
  });

  test('the capture holds every packet with a checksum that tshark finds good, and the log replays to the same end', async () => {
    const server = await lab.server.kernelPeer('0', '--send', '1000000');
    const capture = scratch('run.pcap');
    const target = `${lab.serverAddress}:${server.port}`;
    const tcpx = startCli(lab.client, 'connect', target, '-w', capture, '--time-wait', '--msl', '1');
    tcpx.child.end(MEGABYTE);
    const { exit, log, file } = await tcpx.ended();
    expect(exit.code).toBe(0);
    const fields = ['ip.checksum.status', 'tcp.checksum.status', '_ws.malformed', 'tcp.len'];
    const rows = tshark(capture, fields);
    // What the kernel cuts is in the capture as it leaves.
    const onWire = ({ dir, seg }: { dir: string; seg: { len: number } }): number =>
      dir === 'out' ? Math.max(1, Math.ceil(seg.len / MSS)) : 1;
    expect(rows.length).toBe(log.of('segment').reduce((sum, segment) => sum + onWire(segment), 0));
    expect(Math.max(...log.of('segment').map(({ seg }) => seg.len))).toBeGreaterThan(MSS);
    expect(new Set(rows.map((row) => row.slice(0, 3).join()))).toEqual(new Set(['1,1,']));
    expect(rows.reduce((sum, row) => sum + Number(row[3]), 0)).toBeGreaterThanOrEqual(2_000_000);

    const replay = await lab.client.node(cliProgram(), ['replay', file]).exit(60_000);
    expect(replay.code).toBe(0);
  });

  test('without being asked it leaves at TIME-WAIT, and says so', async () => {
    const server = await lab.server.kernelPeer('0');
    const tcpx = startCli(lab.client, 'connect', lab.serverAddress, String(server.port));
    tcpx.child.end('hello\n');
    const { exit, log } = await tcpx.ended(10_000);
    expect(exit.code).toBe(0);
    expect(log.transitions()).toEqual([...ACTIVE_OPEN, ...ACTIVE_CLOSE.slice(0, 3)]);
    expect(log.of('summary')).toMatchObject([{ state: 'TIME-WAIT' }]);
    expect(tcpx.child.stderr).toMatch(/TIME-WAIT/);
  });

  test('localhost is what anyone tries first: it works there too', async () => {
    const server = await lab.client.kernelPeer('127.0.0.1:0', '--send', '1000000');
    const tcpx = startCli(lab.client, 'connect', `localhost:${server.port}`, '--time-wait', '--msl', '1');
    tcpx.child.end(MEGABYTE);
    const { exit, log } = await tcpx.ended();
    expect(exit.code).toBe(0);
    expect(sha256(tcpx.child.stdoutOctets)).toBe(DIGEST);
    expect(await server.child.event('close')).toMatchObject({ received: 1_000_000, sha256: DIGEST });
    expect(log.transitions().at(-1)).toBe(ACTIVE_CLOSE[3]);
  });

  test('a peer that closes first is followed when our input ends', async () => {
    const server = await lab.server.kernelPeer('0', '--send', '1000', '--close-first');
    const tcpx = startCli(lab.client, 'connect', `${lab.serverAddress}:${server.port}`);
    await server.child.event('sent');
    await tcpx.child.output(/CLOSE-WAIT/);
    tcpx.child.end('late\n');
    const { exit, log } = await tcpx.ended();
    expect(exit.code).toBe(0);
    expect(log.transitions()).toEqual([...ACTIVE_OPEN, ...PASSIVE_CLOSE]);
    expect(await server.child.event('close')).toMatchObject({ received: 5 });
  });

  test('the first ^C closes, the second aborts', async () => {
    const server = await lab.server.kernelPeer('0', '--no-close');
    const tcpx = startCli(lab.client, 'connect', `${lab.serverAddress}:${server.port}`);
    await tcpx.child.output(/ESTABLISHED/);
    tcpx.child.kill('SIGINT');
    await tcpx.child.output(/FIN-WAIT-2/);
    tcpx.child.kill('SIGINT');
    const { exit, log } = await tcpx.ended();
    expect(exit.code).toBe(130);
    expect(log.transitions()).toEqual([
      ...ACTIVE_OPEN,
      ...ACTIVE_CLOSE.slice(0, 2),
      'FIN-WAIT-2 --ABORT--> CLOSED (call)',
    ]);
    // The peer has read to our FIN and looks no more; its kernel knows that the connection is gone.
    expect(log.segments('out').at(-1)!.seg.flags).toContain('R');
    expect(lab.server.sockets(server.port).map((row) => row.state)).toEqual(['LISTEN']);
    server.child.kill();
  });

  test('a port that refuses is exit code 3, in one line and a hint', async () => {
    const tcpx = startCli(lab.client, 'connect', `${lab.serverAddress}:9`);
    const { exit, log } = await tcpx.ended();
    expect(exit.code).toBe(3);
    expect(tcpx.child.stderr).toMatch(/^tcpx: .*refused/m);
    expect(tcpx.child.stderr).toMatch(/^ {2}hint: /m);
    expect(log.transitions()).toEqual([ACTIVE_OPEN[0], 'SYN-SENT --rcv RST--> CLOSED (segment)']);
  });

  test('a reset in mid-stream is exit code 5', async () => {
    const server = await lab.server.kernelPeer('0', '--reset-after', '1000');
    const tcpx = startCli(lab.client, 'connect', `${lab.serverAddress}:${server.port}`);
    tcpx.child.write(MEGABYTE);
    const { exit, log } = await tcpx.ended();
    expect(exit.code).toBe(5);
    expect(log.transitions().at(-1)).toBe('ESTABLISHED --rcv RST--> CLOSED (segment)');
  });

  test('a silent peer is exit code 4 when the time to connect is over', async () => {
    lab.server.nft('input', 'tcp dport 9 drop');
    const tcpx = startCli(lab.client, 'connect', `${lab.serverAddress}:9`, '--connect-timeout', '2.5');
    const { exit, log } = await tcpx.ended();
    lab.server.nftClear();
    expect(exit.code).toBe(4);
    expect(log.segments('out', (seg) => seg.flags === 'S').length).toBe(2);
    expect(log.transitions()[0]).toBe(ACTIVE_OPEN[0]);
  });
});

test.each(['md5', 'nft'])(
  'killed in mid-transfer with guard %s, the same command with the same port works at once',
  async (guard) => {
    const server = await lab.server.kernelPeer('0', '--keep', '--send', '1000000');
    const args = [
      'connect',
      `${lab.serverAddress}:${server.port}`,
      '-p',
      guard === 'md5' ? '45671' : '45672',
      '--guard',
      guard,
      '--time-wait',
      '--msl',
      '1',
    ];
    const first = startCli(lab.client, ...args);
    first.child.write(MEGABYTE);
    await server.child.event('connection');
    await first.child.output(/ESTABLISHED/);
    first.child.kill('SIGKILL');
    expect((await first.child.exit()).signal).toBe('SIGKILL');
    expect(leftBehind()).toEqual([]);

    const second = startCli(lab.client, ...args);
    second.child.end(MEGABYTE);
    const { exit, log } = await second.ended();
    expect(exit.code).toBe(0);
    expect(sha256(second.child.stdoutOctets)).toBe(DIGEST);
    expect(log.transitions()).toContain(ACTIVE_OPEN[1]);
    expect(log.transitions().at(-1)).toBe(ACTIVE_CLOSE[3]);
    server.child.kill();
    expect(leftBehind()).toEqual([]);
  },
);
