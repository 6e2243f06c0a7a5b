/**
 * Real programs for the other end, on the kernel's TCP in a namespace: nginx, redis-server, PostgreSQL, `openssl`; with
 * certificates, sites and clusters of their own in a directory that goes when the tests do.
 */
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, chownSync, closeSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Child } from '../support/child.ts';
import { type Namespace, run, tryRun } from '../support/lab.ts';

export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/** For the names and addresses, by itself: it is its own authority. */
export function makeCertificate(directory: string, ...addresses: readonly string[]): Certificate {
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const names = ['DNS:localhost', 'DNS:server.test', ...addresses.map((address) => `IP:${address}`)].join(',');
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const about = ['-subj', '/CN=server.test', '-addext', `subjectAltName=${names}`];
  run('openssl', ['req', '-x509', ...ec, ...about, '-keyout', key, '-out', cert]);
  return { key, cert };
}

/** Random octets in a file, a piece at a time; their SHA-256. */
export function makeFile(path: string, octets: number): string {
  const hash = createHash('sha256');
  const file = openSync(path, 'w');
  for (let left = octets; left > 0; ) {
    const piece = randomBytes(Math.min(left, 1 << 20));
    hash.update(piece);
    writeSync(file, piece);
    left -= piece.length;
  }
  closeSync(file);
  return hash.digest('hex');
}

export const hashOfFile = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

/** What nginx says of a connection: protocol, TLS, whether its session was taken up again, the how-manieth request. */
const WHO = '"$server_protocol $ssl_protocol $ssl_session_reused $connection_requests"';

/** Ports 80 (http), 443 (TLS 1.3 and 1.2, http/2), 4432 (TLS 1.2). /who, /up/ takes PUT, /cut breaks off in the middle. */
export async function startNginx(place: Namespace, directory: string, { key, cert }: Certificate): Promise<Child> {
  const site = join(directory, 'site');
  const uploads = join(site, 'up');
  mkdirSync(uploads, { recursive: true });
  for (const each of [directory, site, uploads]) chmodSync(each, 0o777);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const config = join(directory, 'nginx.conf');
  const server = `
    ssl_certificate ${cert};
    ssl_certificate_key ${key};
    root ${site};
    location = /who { default_type text/plain; return 200 ${WHO}; }
    location /up/ { dav_methods PUT; }
    location = /cut { proxy_pass http://127.0.0.1:8099; }`;
  writeFileSync(
    config,
    `daemon off;
user root;
worker_processes 1;
pid ${directory}/nginx.pid;
error_log ${directory}/nginx.log;
events {}
http {
  access_log off;
  ${temporary.map((name) => `${name}_temp_path ${directory}/${name};`).join('\n  ')}
  keepalive_requests 1000000;
  client_max_body_size 0;
  ssl_session_cache shared:tls:1m;
  server { listen 80; listen 443 ssl http2; ssl_protocols TLSv1.2 TLSv1.3; ${server}
  }
  server { listen 4432 ssl; ssl_protocols TLSv1.2; ${server}
  }
}
`,
  );
  place.spawn('python3', ['-c', CUT]);
  const child = place.spawn('nginx', ['-e', `${directory}/nginx.log`, '-c', config]);
  await listening(place, child, 80, 8099);
  return child;
}

/** Promises 10 MB and leaves after one. */
const CUT = `
import socket
door = socket.create_server(('127.0.0.1', 8099))
while True:
    peer = door.accept()[0]
    peer.recv(65536)
    peer.sendall(b'HTTP/1.0 200 OK\\r\\nContent-Length: 10000000\\r\\n\\r\\n' + b'x' * 1000000)
    peer.close()
`;

/** Port 6379, TLS on 6380. */
export async function startRedis(place: Namespace, directory: string, { key, cert }: Certificate): Promise<Child> {
  const secure = ['--tls-port', '6380', '--tls-cert-file', cert, '--tls-key-file', key, '--tls-auth-clients', 'no'];
  const memoryOnly = ['--save', '', '--appendonly', 'no', '--dir', directory];
  const args = ['--bind', '0.0.0.0', '--protected-mode', 'no', ...memoryOnly, ...secure];
  const child = place.spawn('redis-server', args);
  await listening(place, child, 6379);
  return child;
}

/** Port 5432, TLS if asked for; user and database `postgres`, no password. */
export async function startPostgres(place: Namespace, directory: string, { key, cert }: Certificate): Promise<Child> {
  const cluster = join(directory, 'cluster');
  const ownKey = join(directory, 'postgres.pem');
  const [uid, gid] = ['-u', '-g'].map((which) => Number(run('id', [which, 'postgres'])));
  mkdirSync(cluster, { mode: 0o700 });
  writeFileSync(ownKey, readFileSync(key), { mode: 0o600 });
  for (const path of [cluster, ownKey]) chownSync(path, uid!, gid!);
  // Whoever owns the cluster has to be let through to it.
  for (const path of [directory]) chmodSync(path, 0o755);
  const bin = run('sh', ['-c', 'ls -d /usr/lib/postgresql/*/bin | tail -n 1']).trim();
  run('runuser', ['-u', 'postgres', '--', `${bin}/initdb`, '-D', cluster, '-A', 'trust', '-E', 'UTF8', '--no-sync']);
  writeFileSync(join(cluster, 'pg_hba.conf'), 'host all all all trust\n');
  const settings = {
    listen_addresses: '*',
    unix_socket_directories: '',
    ssl: 'on',
    ssl_cert_file: cert,
    ssl_key_file: ownKey,
    fsync: 'off',
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  // Becomes the server, as runuser does not: a signal reaches it.
  const as = ['--reuid', 'postgres', '--regid', 'postgres', '--init-groups', '--'];
  const child = place.spawn('setpriv', [...as, `${bin}/postgres`, '-D', cluster, ...flags]);
  await child.output(/ready to accept connections/);
  return child;
}

/** `openssl s_server` with these arguments; it answers as -www or -rev make it. */
export async function startOpenssl(
  place: Namespace,
  port: number,
  { key, cert }: Certificate,
  ...args: string[]
): Promise<Child> {
  const child = place.spawn('openssl', ['s_server', '-accept', String(port), '-key', key, '-cert', cert, ...args]);
  await listening(place, child, port);
  return child;
}

/** Until it listens; fails with what it said when it ends instead. */
export async function listening(place: Namespace, child: Child, ...ports: readonly number[]): Promise<void> {
  const isThere = (): boolean => {
    const doors = place.sockets().filter(({ state }) => state === 'LISTEN');
    return ports.every((port) => doors.some(({ local }) => local.endsWith(`:${port}`)));
  };
  for (const end = performance.now() + 30_000; !isThere(); await new Promise((resolve) => setTimeout(resolve, 50))) {
    if (child.ended !== undefined) throw new Error(`it ended: ${child.stdout}${child.stderr}`);
    if (performance.now() > end) throw new Error(`nobody listens on ${ports.join(', ')}: ${child.stderr}`);
  }
}

/** Loses one packet in a hundred each way, packets as a wire has them: nobody merges them there. */
export function loseOneInHundred(place: Namespace, other: Namespace, name: string): void {
  for (const end of [place, other]) {
    const done = tryRun('ip', [
      'netns',
      'exec',
      end.name,
      'ethtool',
      '-K',
      name,
      'tso',
      'off',
      'gso',
      'off',
      'gro',
      'off',
    ]);
    if (done.status !== 0) throw new Error(done.stderr);
  }
  for (const chain of ['input', 'output'] as const)
    place.nft(chain, 'meta l4proto tcp numgen random mod 100 == 0 drop');
}
