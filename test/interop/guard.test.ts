/** The port guard against a real kernel: nobody answers for the port, nobody else gets it, and nothing is left behind. */
import { afterEach, describe, expect, test } from 'vitest';
import type { Child } from '../support/child.ts';
import { KERNEL_PEER, type Namespace, openPair, type PairLab } from '../support/lab.ts';

const HOLDER = new URL('../support/guard-holder.ts', import.meta.url).pathname;
let lab: PairLab;
afterEach(() => lab.close());

async function hold(
  kind: string,
  port = 0,
  address = lab.clientAddress,
  env = {},
): Promise<{ child: Child; port: number; note: string }> {
  const child = lab.client.node(HOLDER, [kind, address, String(port)], { env });
  const ready = await child.event('ready');
  return { child, port: Number(ready['port']), note: String(ready['note']) };
}

async function failure(
  kind: string,
  port: number,
  address = lab.clientAddress,
): Promise<Readonly<Record<string, unknown>>> {
  return lab.client.node(HOLDER, [kind, address, String(port)]).event('failure');
}

/** What a kernel's connect meets: 'ECONNREFUSED' when our kernel answers with RST, 'silence' when nobody does. */
function knock(port: number, from = lab.server, to = lab.clientAddress): string {
  const program = `const s=require('net').connect(${port},'${to}');s.on('error',(e)=>console.log(e.code));s.on('connect',()=>{console.log('connected');s.destroy()});setTimeout(()=>{if(s.connecting)console.log('silence');s.destroy()},400)`;
  return from.exec(process.execPath, '-e', program).trim();
}

const moved = (from: Readonly<Record<string, number>>, to: Namespace, name: string): number =>
  (to.counters()[name] ?? 0) - (from[name] ?? 0);

test('without a guard the kernel resets what comes for the port (the control)', async () => {
  lab = openPair();
  const { port, note } = await hold('none');
  const before = lab.client.counters();
  expect(knock(port)).toBe('ECONNREFUSED');
  expect(moved(before, lab.client, 'TcpOutRsts')).toBe(1);
  expect(note).toMatch(/^no guard/);
});

describe.each([
  ['md5', /TCP-MD5.*IP_MINTTL 255/],
  ['nft', /nftables/],
  ['auto', /^md5/],
])('--guard %s', (kind, note) => {
  test('the kernel sends no RST for the port, and its counter stands still', async () => {
    lab = openPair();
    const guard = await hold(kind);
    const before = lab.client.counters();
    expect(knock(guard.port)).toBe('silence');
    expect(moved(before, lab.client, 'TcpOutRsts')).toBe(0);
    expect(guard.note).toMatch(note);
    guard.child.end();
    expect((await guard.child.exit()).code).toBe(0);
    expect(knock(guard.port)).toBe('ECONNREFUSED');
  });

  test('the port is given to nobody else', async () => {
    lab = openPair();
    const { port } = await hold(kind);
    expect(await failure('md5', port)).toMatchObject({
      code: 'EADDRINUSE',
      message: `port ${port} of ${lab.clientAddress} is in use`,
    });
    const program = `require('net').createServer().on('error',(e)=>console.log(e.code)).listen(${port},'${lab.clientAddress}')`;
    expect(lab.client.exec(process.execPath, '-e', program).trim()).toBe('EADDRINUSE');
  });

  test('kill -9 leaves nothing, and the same port is guarded again at once', async () => {
    lab = openPair();
    const first = await hold(kind);
    first.child.kill('SIGKILL');
    await first.child.exit();
    expect(lab.client.sockets(first.port)).toEqual([]);
    expect(lab.client.exec('nft', 'list', 'ruleset')).toBe('');
    const second = await hold(kind, first.port);
    expect(second.port).toBe(first.port);
    expect(knock(second.port)).toBe('silence');
  });
});

test('the md5 guard drops by both means: the key where the TTL is 255, the TTL everywhere else', async () => {
  lab = openPair();
  const { port } = await hold('md5');
  const before = lab.client.counters();
  expect(knock(port)).toBe('silence');
  expect(moved(before, lab.client, 'TcpExtTCPMinTTLDrop')).toBeGreaterThan(0);
  expect(moved(before, lab.client, 'TcpExtTCPMD5NotFound')).toBe(0);
  lab.server.sysctl('net.ipv4.ip_default_ttl', '255');
  expect(knock(port)).toBe('silence');
  expect(moved(before, lab.client, 'TcpExtTCPMD5NotFound')).toBeGreaterThan(0);
  expect(moved(before, lab.client, 'TcpOutRsts')).toBe(0);
});

test('the md5 guard holds on loopback', async () => {
  lab = openPair();
  const { port } = await hold('md5', 0, '127.0.0.1');
  const before = lab.client.counters();
  expect(knock(port, lab.client, '127.0.0.1')).toBe('silence');
  expect(moved(before, lab.client, 'TcpOutRsts')).toBe(0);
});

test("the nft table is the process's own, and only for that address and port", async () => {
  lab = openPair();
  const { port } = await hold('nft');
  const rules = lab.client.exec('nft', 'list', 'ruleset');
  expect(rules).toContain('flags owner');
  expect(rules).toContain(`ip daddr ${lab.clientAddress} tcp dport ${port} counter`);
  expect(rules.match(/drop/g)).toHaveLength(1);
  expect(lab.client.tryExec('nft', 'delete', 'table', 'ip', `tcpx-${lab.clientAddress}-${port}`).status).not.toBe(0);
  expect(knock(port === 65535 ? port - 1 : port + 1)).toBe('ECONNREFUSED');
});

test('two guards on different ports of one process, and on the same port of two addresses, stand side by side', async () => {
  lab = openPair();
  lab.client.ip('address', 'add', '10.77.0.9/24', 'dev', lab.clientInterface);
  const a = await hold('nft');
  const b = await hold('nft', a.port, '10.77.0.9');
  const c = await hold('md5');
  expect(knock(a.port)).toBe('silence');
  expect(knock(c.port)).toBe('silence');
  expect(b.port).toBe(a.port);
});

test('a port on which a program listens is refused, with the way to find out which', async () => {
  lab = openPair();
  const peer = await lab.client.kernelPeer(`${lab.clientAddress}:0`);
  const said = await failure('auto', peer.port);
  expect(said).toMatchObject({ code: 'EADDRINUSE' });
  expect(said['hint']).toContain(`ss -tanp sport = :${peer.port}`);
});

test("a port with a client's connection in TIME-WAIT is refused: the kernel would answer in our place", async () => {
  lab = openPair();
  const peer = await lab.server.kernelPeer('0');
  const kernel = lab.client.node(KERNEL_PEER, ['--connect', `${lab.serverAddress}:${peer.port}`, '--close-first']);
  const port = Number((await kernel.event('connection'))['localPort']);
  expect((await kernel.exit()).code).toBe(0);
  expect(lab.client.sockets(port).map((row) => row.state)).toEqual(['TIME-WAIT']);
  expect(await failure('md5', port)).toMatchObject({ code: 'EADDRINUSE', hint: expect.stringContaining('TIME-WAIT') });
});

test("an address that is not this machine's is refused", async () => {
  lab = openPair();
  expect(await failure('auto', 0, lab.serverAddress)).toMatchObject({
    code: 'EADDRNOTAVAIL',
    message: `${lab.serverAddress} is not an address of this machine`,
  });
});

test("with Docker's default capabilities md5 works and nft says what it lacks", async () => {
  lab = openPair();
  const docker =
    'chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap,net_bind_service,net_raw,sys_chroot,mknod,audit_write,setfcap';
  const confined = (...args: string[]) => {
    const caps = docker
      .split(',')
      .map((cap) => `+${cap}`)
      .join(',');
    const loader = new URL('../support/ts-loader.mjs', import.meta.url).pathname;
    return lab.client.spawn('setpriv', [
      '--bounding-set',
      `-all,${caps}`,
      '--inh-caps',
      `-all,${caps}`,
      process.execPath,
      '--import',
      loader,
      HOLDER,
      ...args,
    ]);
  };
  const guard = await confined('md5', lab.clientAddress, '0').event('ready');
  expect(knock(Number(guard['port']))).toBe('silence');
  expect(await confined('nft', lab.clientAddress, '0').event('failure')).toMatchObject({
    code: 'EPERM',
    hint: expect.stringContaining('CAP_NET_ADMIN'),
  });
});
