/** Routes as the kernel would choose them, beside the kernel's own `ip route get`. */
import { afterAll, describe, expect, test } from 'vitest';
import { openRouted } from '../support/lab.ts';

const PROGRAM = new URL('../support/route-asker.ts', import.meta.url).pathname;
const lab = openRouted();
afterAll(() => lab.close());
const { client } = lab;

/** Runs a program in the client's namespace that asks for a route; its answer with addresses as text. */
async function ask(
  destination: string,
  o: { source?: string; interface?: string } = {},
): Promise<Readonly<Record<string, unknown>>> {
  const child = client.node(PROGRAM, [destination, o.source ?? '', o.interface ?? '']);
  await child.exit();
  return child.events()[0] ?? { stderr: child.stderr };
}

describe('a route', () => {
  test('through a gateway names it, the interface and our address there', async () => {
    expect(await ask(lab.serverAddress)).toEqual({
      interface: lab.clientInterface,
      ifindex: expect.any(Number),
      source: lab.clientAddress,
      gateway: lab.gateway,
      mtu: 1500,
      loopback: false,
    });
    expect(client.ip('route', 'get', lab.serverAddress)).toContain(
      `via ${lab.gateway} dev ${lab.clientInterface} src ${lab.clientAddress}`,
    );
  });

  test("on the interface's own network has no gateway", async () => {
    expect(await ask(lab.gateway)).toMatchObject({ source: lab.clientAddress, loopback: false });
    expect(await ask(lab.gateway)).not.toHaveProperty('gateway');
  });

  test('to this machine is loopback, whichever of its addresses is meant', async () => {
    expect(await ask('127.0.0.1')).toMatchObject({ interface: 'lo', source: '127.0.0.1', loopback: true, mtu: 65535 });
    expect(await ask('127.8.9.1')).toMatchObject({ interface: 'lo', loopback: true });
    expect(await ask(lab.clientAddress)).toMatchObject({ interface: 'lo', source: lab.clientAddress, loopback: true });
  });

  test('keeps to a source address that is given, and to an interface', async () => {
    client.ip('address', 'add', '10.77.0.77/24', 'dev', lab.clientInterface);
    expect(await ask(lab.serverAddress, { source: '10.77.0.77' })).toMatchObject({
      source: '10.77.0.77',
      gateway: lab.gateway,
    });
    expect(await ask(lab.serverAddress, { interface: lab.clientInterface })).toMatchObject({
      interface: lab.clientInterface,
      gateway: lab.gateway,
    });
  });

  test('follows the rules of policy routing for TCP and its source', async () => {
    client.ip('address', 'add', '10.77.0.88/24', 'dev', lab.clientInterface);
    client.ip('rule', 'add', 'from', '10.77.0.88', 'ipproto', 'tcp', 'lookup', '88');
    client.ip('route', 'add', 'default', 'via', '10.77.0.200', 'dev', lab.clientInterface, 'table', '88');
    expect(await ask(lab.serverAddress, { source: '10.77.0.88' })).toMatchObject({ gateway: '10.77.0.200' });
  });

  test('carries its own mtu and advmss', async () => {
    client.ip('route', 'add', '10.99.1.0/24', 'via', lab.gateway, 'mtu', '1300', 'advmss', '1111');
    expect(await ask('10.99.1.1')).toMatchObject({ mtu: 1300, advmss: 1111 });
  });
});

describe('a refusal', () => {
  test.each([
    ['a route that is unreachable', 'unreachable', '10.99.2.1', 'EHOSTUNREACH'],
    ['a route that prohibits', 'prohibit', '10.99.3.1', 'EACCES'],
    ['a blackhole', 'blackhole', '10.99.4.1', 'ENETUNREACH'],
  ])('%s', async (_what, type, destination, code) => {
    client.ip('route', 'add', type, `${destination}/32`);
    expect(await ask(destination)).toMatchObject({
      code,
      hint: expect.stringContaining(`ip route get ${destination}`),
    });
  });

  test.each([
    ['no route at all', '8.8.8.8', 'ENETUNREACH'],
    ['a multicast address', '224.0.0.1', 'ENETUNREACH'],
    ['the limited broadcast address', '255.255.255.255', 'ENETUNREACH'],
    ["the network's broadcast address", '10.77.0.255', 'ENETUNREACH'],
    ['no address', '0.0.0.0', 'EINVAL'],
  ])('%s', async (_what, destination, code) => {
    if (destination === '8.8.8.8') client.ip('route', 'del', 'default');
    expect(await ask(destination)).toMatchObject({ code });
  });

  test('an interface that is not there', async () => {
    for (const name of ['nope', 'a-name-that-is-longer-than-any']) {
      expect(await ask(lab.gateway, { interface: name })).toMatchObject({
        code: 'ENODEV',
        message: `no interface ${name}`,
      });
    }
  });

  test('an interface that is down, with the command that brings it up', async () => {
    client.ip('link', 'add', 'veth9', 'type', 'veth', 'peer', 'name', 'veth8');
    expect(await ask(lab.gateway, { interface: 'veth9' })).toMatchObject({
      code: 'ENETDOWN',
      hint: 'ip link set veth9 up',
    });
  });

  test('a source that is not ours', async () => {
    for (const source of [lab.serverAddress, '0.0.0.0', '224.0.0.5', '10.77.0.255']) {
      expect(await ask(lab.gateway, { source })).toMatchObject({
        code: 'EADDRNOTAVAIL',
        message: `${source} is not an address of this machine`,
      });
    }
  });
});
