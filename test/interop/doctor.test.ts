/** `tcpx doctor` on kernels in namespaces: what is well, and what is made to be wrong. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { openPair, type PairLab } from '../support/lab.ts';
import { cliProgram } from '../support/tcpx.ts';

// Namespaces, children and real time, on a machine that may be busy.
vi.setConfig({ testTimeout: 60_000 });

interface Report {
  readonly interface: string | null;
  readonly address: string | null;
  readonly ok: boolean;
  readonly checks: readonly { name: string; status: string; detail: string; remedy: string | null }[];
}

const HIDE = ['--require', new URL('../support/hide-package.cjs', import.meta.url).pathname];

let lab: PairLab;
beforeAll(() => {
  lab = openPair();
});
afterAll(() => lab.close());

/** Runs it in the lab's client namespace, under `wrapper` when there is one. */
async function examine(
  args: readonly string[] = [],
  o: { wrapper?: readonly string[]; env?: Readonly<Record<string, string>>; nodeArgs?: readonly string[] } = {},
): Promise<{ code: number | null; report: Report; check(name: string): Report['checks'][number] | undefined }> {
  const loader = new URL('../support/ts-loader.mjs', import.meta.url).pathname;
  const node = [process.execPath, '--import', loader, ...(o.nodeArgs ?? []), cliProgram(), 'doctor', '--json', ...args];
  const [command = '', ...rest] = [...(o.wrapper ?? []), ...node];
  const child = lab.client.spawn(command, rest, o.env);
  const { code } = await child.exit(40_000);
  const report = JSON.parse(child.stdout) as Report;
  return { code, report, check: (name) => report.checks.find((c) => c.name === name) };
}

test('where all is well it says so, tries the guard and the driver, and shakes hands', async () => {
  const resets = lab.client.counters()['TcpOutRsts'];
  const { code, report, check } = await examine(['-I', lab.clientInterface]);
  expect(code).toBe(0);
  expect(report).toMatchObject({ ok: true, interface: lab.clientInterface, address: lab.clientAddress });
  expect(report.checks.map((c) => c.name)).toEqual([
    ...['node', 'capabilities', 'addon', 'raw-socket', 'cap', 'interface', 'MTU', 'offloads', 'rp_filter', 'NOFILE'],
    ...['firewall', 'TCP-MD5', 'guard', 'driver packet', 'driver raw', 'handshake'],
  ]);
  expect(report.checks.filter((c) => c.status !== 'ok')).toEqual([]);
  expect(check('guard')!.detail).toMatch(/^md5: the kernel stays silent on .*, 1 SYN dropped and counted$/);
  expect(check('driver packet')!.detail).toMatch(/^opens on \S+, and is the default; receive buffer 32768 KiB$/);
  expect(check('handshake')!.detail).toMatch(/connected, echoed, RTT [\d.]+ ms$/);
  expect(lab.client.counters()['TcpOutRsts']).toBe(resets);
  expect(lab.client.sockets()).toEqual([]);
});

test("without -I it is the default route's interface, loopback where there is none", async () => {
  expect((await examine()).report.interface).toBe('lo');
  lab.client.ip('route', 'add', 'default', 'via', lab.serverAddress);
  expect((await examine()).report.interface).toBe(lab.clientInterface);
  lab.client.ip('route', 'del', 'default');
});

test('without CAP_NET_RAW: exit 77, with the remedy for where it could be had and where not', async () => {
  const ordinary = ['setpriv', '--inh-caps', '-net_raw', '--bounding-set', '-net_raw'];
  const { code, report, check } = await examine(['-I', lab.clientInterface], { wrapper: ordinary });
  expect(code).toBe(77);
  expect(report.ok).toBe(false);
  expect(check('capabilities')).toMatchObject({
    status: 'failure',
    remedy: expect.stringContaining('--cap-add NET_RAW'),
  });
  expect(check('driver raw')).toMatchObject({ status: 'failure', detail: expect.stringContaining('not permitted') });
  expect(check('handshake')).toBeUndefined();
});

test('without raw-socket or cap there is another driver: a warning, with the command that builds it', async () => {
  const { code, check } = await examine([], { nodeArgs: HIDE, env: { HIDE_PACKAGE: 'cap' } });
  expect(code).toBe(0);
  expect(check('cap')).toMatchObject({ status: 'warning', remedy: expect.stringContaining('npm rebuild cap') });
  expect(check('driver raw')).toMatchObject({
    status: 'warning',
    detail: expect.stringContaining('driver packet works'),
  });
  expect(check('handshake')!.status).toBe('ok');
});

test('without the addon nothing goes: exit 69, and it says what builds it', async () => {
  const addon = new URL('../../src/link/native/build/Release/tcpx.node', import.meta.url).pathname;
  const { code, report, check } = await examine([], { nodeArgs: HIDE, env: { HIDE_PACKAGE: addon } });
  expect(code).toBe(69);
  expect(check('addon')).toMatchObject({ status: 'failure', remedy: expect.stringContaining('npm') });
  expect(report.interface).toBeNull();
});

test('rules that drop what we send: named, and the handshake fails of them', async () => {
  lab.client.nft('output', 'tcp dport != 22 tcp flags != rst counter drop');
  const { code, check } = await examine(['-I', lab.clientInterface]);
  lab.client.nftClear();
  expect(code).toBe(69);
  expect(check('firewall')).toMatchObject({ status: 'warning', detail: expect.stringMatching(/ip lab output drops/) });
  expect(check('handshake')).toMatchObject({ status: 'failure', remedy: expect.stringContaining('firewall') });
});

test('rules that reject on our behalf are named too', async () => {
  lab.client.nft('input', 'tcp dport 4242 reject with tcp reset');
  const { code, check } = await examine(['-I', lab.clientInterface]);
  lab.client.nftClear();
  expect(code).toBe(0);
  expect(check('firewall')).toMatchObject({ status: 'warning', detail: expect.stringMatching(/ip lab input rejects/) });
});

test('an interface that is down, one without an address, and none of that name', async () => {
  lab.client.ip('link', 'add', 'spare', 'type', 'veth', 'peer', 'name', 'spare-end');
  const down = await examine(['-I', 'spare']);
  expect(down.code).toBe(69);
  expect(down.check('interface')).toMatchObject({ status: 'failure', remedy: 'ip link set spare up' });
  lab.client.ip('link', 'set', 'spare', 'up');
  const bare = await examine(['-I', 'spare']);
  expect(bare.check('interface')).toMatchObject({ status: 'warning', detail: 'spare has no IPv4 address' });
  lab.client.ip('link', 'del', 'spare');
  const child = lab.client.node(cliProgram(), ['doctor', '-I', 'spare']);
  expect((await child.exit()).code).toBe(69);
  expect(child.stderr).toBe('tcpx: no interface spare\n  hint: `ip link` lists the interfaces there are\n');
});
