/** What nginx serves, by http, https and http/2, through `tcpx socks` to curl: octet for octet. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, closeSync, createReadStream, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { seededRandom } from '../../src/base/random.ts';
import { openPair, type PairLab } from '../support/lab.ts';
import { report, SOAK, scaled } from '../support/scale.ts';
import { cliProgram, scratch, until } from '../support/tcpx.ts';

vi.setConfig({ testTimeout: scaled(60_000, 300_000), hookTimeout: scaled(60_000, 120_000) });
/** Octets. */
const LEN = scaled(20_000_000, 1_000_000_000);
const PIECE = 1_000_000;
/** A download without the proxy and one through it. */
const PAIRS = scaled(1, 3);

let lab: PairLab;
let site: string;
let proxy: string;

beforeAll(async () => {
  lab = openPair();
  site = scratch('site');
  mkdirSync(site);
  // nginx's worker is another user.
  for (const path of [dirname(site), site]) chmodSync(path, 0o755);
  writeBig(join(site, 'big'));
  const pem = ['-keyout', join(site, 'key.pem'), '-out', join(site, 'cert.pem')];
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost', ...pem],
    {
      stdio: 'ignore',
    },
  );
  writeFileSync(join(site, 'nginx.conf'), nginxConf(site));
  lab.server.spawn('nginx', ['-p', site, '-c', join(site, 'nginx.conf')]);
  await until(() => lab.server.sockets().filter(({ state }) => state === 'LISTEN').length === 2, 20_000);
  const child = lab.client.node(cliProgram(), ['socks', '--listen', '0']);
  const [, port] = await child.output(/on 127\.0\.0\.1:(\d+)/, 40_000);
  proxy = `127.0.0.1:${port}`;
});
afterAll(() => lab.close());

test.each([
  ['http', 8000, '--http1.1', '1.1'],
  ['https', 8443, '--http1.1', '1.1'],
  ['https', 8443, '--http2', '2'],
])('%s on port %i with %s', async (scheme, port, switched, version) => {
  const url = `${scheme}://${lab.serverAddress}:${port}/big`;
  const ratios: number[] = [];
  for (let pair = 0; pair < PAIRS; pair++) {
    const direct = await download([switched, url], version);
    const proxied = await download([switched, '--socks5-hostname', proxy, url], version);
    ratios.push(proxied / direct);
    report(`${scheme} ${switched}: ${gigabits(proxied)}, direct ${gigabits(direct)}`);
  }
  // Of writing 20 MB the speed says nothing.
  if (SOAK) expect(ratios.sort((a, b) => a - b)[PAIRS >> 1]).toBeGreaterThanOrEqual(0.5);
});

/** What curl gets is what nginx has; octets per second. */
async function download(args: readonly string[], version: string): Promise<number> {
  const got = scratch('got');
  const format = '%{http_version} %{size_download} %{speed_download}';
  const curl = lab.client.spawn('curl', ['-sSk', '--max-time', '250', '-o', got, '-w', format, ...args]);
  expect(await curl.exit(scaled(50_000, 280_000))).toMatchObject({ code: 0 });
  const [spoken, len, speed] = curl.stdout.split(' ');
  expect([spoken, Number(len)]).toEqual([version, LEN]);
  expect(await shaOf(got)).toBe(await shaOf(join(site, 'big')));
  rmSync(got);
  return Number(speed);
}

const gigabits = (octetsPerSecond: number): string => `${((octetsPerSecond * 8) / 1e9).toFixed(2)} Gbit/s`;

const nginxConf = (root: string): string => `
daemon off; master_process off; pid ${root}/nginx.pid; error_log ${root}/error.log;
events {}
http {
  access_log off; sendfile on;
  server { listen 8000; root ${root}; }
  server { listen 8443 ssl http2; root ${root}; ssl_certificate ${root}/cert.pem; ssl_certificate_key ${root}/key.pem; }
}
`;

/** No piece is like another. */
function writeBig(path: string): void {
  const random = seededRandom(6);
  const octets = Buffer.alloc(PIECE);
  for (let at = 0; at < PIECE; at += 4) octets.writeUInt32LE(random.uint32(), at);
  const file = openSync(path, 'w');
  for (let i = 0; i < LEN / PIECE; i++) {
    octets.writeUInt32LE(i, 0);
    writeSync(file, octets);
  }
  closeSync(file);
}

async function shaOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
