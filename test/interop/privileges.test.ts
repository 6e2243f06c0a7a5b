/** With as little as tcpx needs: an ordinary user with CAP_NET_RAW, root that becomes one, and whose the files are. */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Child } from '../support/child.ts';
import { openPair, type PairLab, run } from '../support/lab.ts';
import { pattern, sha256 } from '../support/pattern.ts';
import { cliProgram, expectNoResets } from '../support/tcpx.ts';

// Namespaces, children and real time, on a machine that may be busy.
vi.setConfig({ testTimeout: 60_000 });

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const CLIENTS = new URL('../support/kernel-clients.mjs', import.meta.url).pathname;
const NOBODY = Number(run('id', ['-u', 'nobody']));
const NOGROUP = Number(run('id', ['-g', 'nobody']));
const OCTETS = pattern(300_000);

let lab: PairLab;
/** Anybody may write here. */
let directory: string;
beforeAll(() => {
  lab = openPair();
  directory = mkdtempSync(join(tmpdir(), 'tcpx-privileges-'));
  chmodSync(directory, 0o777);
});
afterAll(() => {
  lab.close();
  rmSync(directory, { recursive: true });
});
expectNoResets(() => lab.client);

/** tcpx as uid nobody with these capabilities and no others. The project is mounted where nobody may read it, too. */
function asNobody(capabilities: readonly string[], ...args: readonly string[]): Child {
  const caps = capabilities.map((c) => `+${c}`).join(',');
  const granted = caps === '' ? [] : ['--inh-caps', caps, '--ambient-caps', caps];
  const program = cliProgram().replace(PROJECT, '/mnt/');
  const setpriv = ['setpriv', '--reuid', 'nobody', '--regid', 'nogroup', '--clear-groups', ...granted];
  const loader = ['--import', '/mnt/test/support/ts-loader.mjs'];
  // The mount is seen in the namespace that `ip netns exec` makes for this command, and nowhere else.
  const script = 'mount --bind "$1" /mnt && shift && exec "$@"';
  return lab.client.spawn('sh', [
    '-c',
    script,
    'sh',
    PROJECT,
    ...setpriv,
    process.execPath,
    ...loader,
    program,
    ...args,
  ]);
}

const asRoot = (env: Readonly<Record<string, string>>, ...args: readonly string[]): Child =>
  lab.client.node(cliProgram(), args, { env });

const status = (pid: number, task = ''): string => readFileSync(`/proc/${pid}${task}/status`, 'utf8');

/** Of every thread of the process: nobody's, and without any capability. */
function expectNothingLeft(pid: number): void {
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const text = status(pid, `/task/${thread}`);
    expect(text).toMatch(new RegExp(`^Uid:\\s+${NOBODY}\\s+${NOBODY}\\s+${NOBODY}\\s+${NOBODY}$`, 'm'));
    expect(text).toMatch(new RegExp(`^Gid:\\s+${NOGROUP}\\s+${NOGROUP}\\s`, 'm'));
    expect(text).toMatch(new RegExp(`^Groups:\\s*${NOGROUP}\\s*$`, 'm'));
    for (const set of ['CapEff', 'CapPrm', 'CapInh', 'CapAmb'])
      expect(text).toMatch(new RegExp(`^${set}:\\s*0+$`, 'm'));
  }
}

test('an ordinary user with CAP_NET_RAW alone connects, and listens', async () => {
  const server = await lab.server.kernelPeer('0', '--echo');
  const tcpx = asNobody(['net_raw'], 'connect', `${lab.serverAddress}:${server.port}`);
  tcpx.end(OCTETS);
  expect((await tcpx.exit()).code).toBe(0);
  expect(sha256(tcpx.stdoutOctets)).toBe(sha256(OCTETS));

  const listener = asNobody(['net_raw'], 'listen', '--echo', '0');
  const [, port] = await listener.output(/listening on [\d.]+:(\d+)/);
  expect(status(listener.pid)).toMatch(/^CapEff:\s*0*2000$/m);
  const client = lab.server.node(CLIENTS, ['--to', `${lab.clientAddress}:${port}`, '--send', '100000']);
  expect(await client.event('done')).toMatchObject({ good: 1 });
  expect((await listener.exit()).code).toBe(0);
});

test('without it: exit 77, in two lines', async () => {
  for (const args of [
    ['connect', `${lab.serverAddress}:9`],
    ['listen', '0'],
  ]) {
    const tcpx = asNobody([], ...args);
    expect((await tcpx.exit()).code).toBe(77);
    expect(tcpx.stderr).toMatch(/^tcpx: cannot open a packet socket on \S+: not permitted\n {2}hint: .*CAP_NET_RAW\n$/);
  }
});

test('a port below 1024 is not for everybody: exit 77', async () => {
  const tcpx = asNobody(['net_raw'], 'listen', '80');
  expect((await tcpx.exit()).code).toBe(77);
  expect(tcpx.stderr).toMatch(/port 80 is below 1024/);
});

test('--drop-privileges: connect goes on without any, in every thread, and its files are whole', async () => {
  const server = await lab.server.kernelPeer('0', '--echo');
  const log = join(directory, 'connect.ndjson');
  const tcpx = asRoot(
    {},
    'connect',
    `${lab.serverAddress}:${server.port}`,
    '--drop-privileges',
    'nobody',
    '--json-file',
    log,
  );
  await tcpx.output(/-> ESTABLISHED/);
  expectNothingLeft(tcpx.pid);
  tcpx.end(OCTETS);
  expect((await tcpx.exit()).code).toBe(0);
  expect(sha256(tcpx.stdoutOctets)).toBe(sha256(OCTETS));
  expect(readFileSync(log, 'utf8').trimEnd().split('\n').at(-1)).toMatch(/"type":"summary"/);
});

test('--drop-privileges: listen on a port below 1024 serves a file that only root may read', async () => {
  const secret = join(directory, 'for-root');
  run('sh', ['-c', 'head -c 300000 /dev/urandom > "$1" && chmod 600 "$1"', 'sh', secret]);
  const tcpx = asRoot({}, 'listen', '-k', '--file', secret, '--drop-privileges', 'nobody', '81');
  await tcpx.output(/listening on/);
  expectNothingLeft(tcpx.pid);
  for (let i = 0; i < 2; i++) {
    const peer = lab.server.spawn('bash', ['-c', 'exec cat < "/dev/tcp/$0/81"', lab.clientAddress]);
    expect((await peer.exit()).code).toBe(0);
    expect(sha256(peer.stdoutOctets)).toBe(sha256(readFileSync(secret)));
  }
  tcpx.kill('SIGINT');
  expect((await tcpx.exit()).code).toBe(0);
});

test('--drop-privileges that can not be done ends it before a packet is sent', async () => {
  const before = lab.client.counters()['IpOutRequests'];
  const target = `${lab.serverAddress}:9`;
  for (const [child, code, message] of [
    [asRoot({}, 'connect', target, '--drop-privileges', 'no-such-user'), 2, "no user 'no-such-user'"],
    [asRoot({}, 'connect', target, '--drop-privileges', 'root'), 2, '--drop-privileges root drops nothing'],
    [
      asNobody(['net_raw'], 'connect', target, '--drop-privileges', 'nobody'),
      77,
      'cannot become nobody: not permitted',
    ],
  ] as const) {
    expect((await child.exit()).code).toBe(code);
    expect(child.stderr).toContain(`tcpx: ${message}\n  hint: `);
  }
  expect(lab.client.counters()['IpOutRequests']).toBe(before);
});

test('files belong to who called sudo, and nobody else reads them', async () => {
  const server = await lab.server.kernelPeer('0', '--echo', '--keep');
  const target = `${lab.serverAddress}:${server.port}`;
  const files = (name: string): readonly string[] =>
    ['ndjson', 'pcap', 'pcapng'].map((s) => join(directory, `${name}.${s}`));
  for (const [name, env, uid] of [
    ['sudo', { SUDO_UID: String(NOBODY), SUDO_GID: String(NOGROUP) }, NOBODY],
    ['root', {}, 0],
  ] as const) {
    const [log = '', ...captures] = files(name);
    for (const capture of captures) {
      const tcpx = asRoot(env, 'connect', target, '--json-file', log, '-w', capture);
      tcpx.end('x');
      expect((await tcpx.exit()).code).toBe(0);
    }
    for (const file of [log, ...captures]) {
      const { uid: owner, mode, size } = statSync(file);
      expect([file, owner, (mode & 0o777).toString(8)]).toEqual([file, uid, '600']);
      expect(size).toBeGreaterThan(100);
    }
  }
  server.child.kill();
});
