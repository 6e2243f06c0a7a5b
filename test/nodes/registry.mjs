/**
 * A registry for one package that is not published: tcpx, from a tarball. Everything else it sends on to the real one,
 * so that `npm install tcpx` is what a user types, and npm's rules for names (allowScripts) meet a name.
 *
 *   registry.mjs TARBALL UPSTREAM     prints its address, and serves until it is ended
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { gunzipSync } from 'node:zlib';

const [tarball, upstream] = process.argv.slice(2);
const archive = readFileSync(tarball);
const { name, ...manifest } = packageJsonIn(gunzipSync(archive));

/** The member package/package.json of a tar: headers of 512 octets, the size in octal at 124. */
function packageJsonIn(tar) {
  for (let at = 0; at < tar.length && tar[at] !== 0; ) {
    const member = tar.toString('latin1', at, at + 100).replace(/\0.*$/s, '');
    const size = Number.parseInt(tar.toString('latin1', at + 124, at + 136), 8);
    if (member === 'package/package.json') return JSON.parse(tar.toString('utf8', at + 512, at + 512 + size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  throw new Error(`${tarball} holds no package.json`);
}

const server = createServer((request, response) => {
  const file = `/${name}/-/${name}-${manifest.version}.tgz`;
  if (request.url === file) return response.end(archive);
  if (request.url !== `/${name}`) {
    return response.writeHead(302, { location: new URL(request.url.slice(1), upstream).href }).end();
  }
  const dist = {
    tarball: `http://${request.headers.host}${file}`,
    integrity: `sha512-${createHash('sha512').update(archive).digest('base64')}`,
  };
  const version = { name, ...manifest, hasInstallScript: 'install' in (manifest.scripts ?? {}), dist };
  response.setHeader('content-type', 'application/json');
  return response.end(
    JSON.stringify({ name, 'dist-tags': { latest: manifest.version }, versions: { [manifest.version]: version } }),
  );
});
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/`));
