import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseTarget, resolveHost, servicePort } from '../../../src/cli/target.ts';
import { ipv4Text } from '../../../src/wire/ipv4.ts';
import { fakeIo } from '../../support/cli-io.ts';

const services = (name: string): number | undefined => (name === 'http' ? 80 : undefined);

test.each([
  [['example.com:8080'], 'example.com', 8080],
  [['example.com', '8080'], 'example.com', 8080],
  [['tcp://example.com:8080'], 'example.com', 8080],
  [['TCP://example.com:8080/'], 'example.com', 8080],
  [['10.0.0.2:1'], '10.0.0.2', 1],
  [['10.0.0.2:65535'], '10.0.0.2', 65_535],
  [['localhost:http'], 'localhost', 80],
  [['[::1]:80'], '::1', 80],
  [['::1', '80'], '::1', 80],
  [['[::1]', '80'], '::1', 80],
])('%j is %s, port %i', (words, host, port) => {
  expect(parseTarget(words, services)).toEqual({ host, port });
});

test.each([['x:'], ['x:80:90'], ['http://x:80'], ['x:65536'], ['x:-1'], ['x:+1x'], ['x:8o'], ['']])(
  '%j is no target',
  (text) => {
    expect(() => parseTarget([text], services)).toThrow(
      expect.objectContaining({ exitCode: 2, hint: expect.any(String) }),
    );
  },
);

test('localhost is 127.0.0.1 without asking, though ::1 may come first', async () => {
  const io = fakeIo({ names: { localhost: [{ address: '::1', family: 6 }] } });
  for (const name of ['localhost', 'LOCALHOST', 'localhost.', 'db.localhost']) {
    expect(ipv4Text(await resolveHost(name, io, false))).toBe('127.0.0.1');
    expect(ipv4Text(await resolveHost(name, io, true))).toBe('127.0.0.1');
  }
});

test('four numbers or more are an address or a slip, and no name to be looked up; fewer are the resolver’s', async () => {
  const io = fakeIo({ names: { '127.1': [{ address: '127.0.0.1', family: 4 }] } });
  for (const host of ['300.1.1.1', '1.2.3.256', '1.2.3.4.5'])
    await expect(resolveHost(host, io, false)).rejects.toMatchObject({
      exitCode: 2,
      message: `'${host}' is not an IPv4 address`,
      hint: expect.any(String),
    });
  expect(ipv4Text(await resolveHost('127.1', io, false))).toBe('127.0.0.1');
});

test('services are found by name and alias, TCP only, and without the file the best known are', () => {
  const directory = mkdtempSync(join(tmpdir(), 'tcpx-services-'));
  const file = join(directory, 'services');
  writeFileSync(file, '# comment\nntp 123/udp\nwebcache\t8080/tcp  http-alt www # cache\n');
  try {
    expect(servicePort('webcache', file)).toBe(8080);
    expect(servicePort('www', file)).toBe(8080);
    expect(servicePort('cache', file)).toBeUndefined();
    expect(servicePort('ntp', file)).toBeUndefined();
    expect(servicePort('https', join(directory, 'absent'))).toBe(443);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
