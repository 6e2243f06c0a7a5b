/** A connection that there is: octets both ways, and every way to end it. */
import { once } from 'node:events';
import type net from 'node:net';
import { allOf, type Case, pause, portOf, sha, within } from './trial.ts';

const MEGABYTE = 1 << 20;

/** Octets that can't be taken for others. */
function octets(len: number, seed: number): Buffer {
  const data = Buffer.allocUnsafe(len);
  let x = seed | 1;
  for (let i = 0; i < len; i++) {
    x = (Math.imul(x, 1_103_515_245) + 12_345) | 0;
    data[i] = x >>> 16;
  }
  return data;
}

export const socketCases: readonly Case[] = [
  {
    name: 'properties before, during and after a connection',
    covers: [
      'Socket.pending',
      'Socket.connecting',
      'Socket.readyState',
      'Socket.destroyed',
      'Socket.bytesRead',
      'Socket.bytesWritten',
      'Socket.bufferSize',
      'Socket.localAddress',
      'Socket.localPort',
      'Socket.localFamily',
      'Socket.remoteAddress',
      'Socket.remotePort',
      'Socket.remoteFamily',
      'Socket.address',
      'Socket.timeout',
    ],
    async run(t) {
      const look = (who: string, s: net.Socket): void => {
        t.note(who, s.pending, s.connecting, s.readyState, s.destroyed, s.bytesRead, s.bytesWritten, s.bufferSize);
        t.note(who, s.localAddress, s.localPort, s.localFamily, s.address(), s.timeout);
        t.note(who, s.remoteAddress, s.remotePort, s.remoteFamily);
      };
      look('fresh', new t.net.Socket());
      const server = await t.server({ allowHalfOpen: true });
      const connection = t.event(server, 'connection');
      const client = t.watch('client', t.net.connect(portOf(server), t.far));
      t.note('client', client.pending, client.connecting, client.readyState, client.remoteAddress, client.bytesWritten);
      await t.event(client, 'connect');
      t.name(client.localPort, 'CLIENT');
      look('client', client);
      const [peer] = (await connection) as [net.Socket];
      t.watch('peer', peer);
      look('peer', peer);
      client.write('abc');
      t.note('client', client.bytesWritten);
      await t.event(
        peer.on('data', () => {}),
        'data',
      );
      t.note('peer', peer.bytesRead);
      client.end();
      await t.event(peer, 'end');
      t.note('peer', peer.readyState, peer.writable, peer.readable);
      t.note('client', client.readyState, client.writable, client.readable);
      peer.end('x');
      client.resume();
      await t.closed(client, peer);
      look('client', client);
      look('peer', peer);
    },
  },
  {
    name: 'the peer ends: without allowHalfOpen so do we, and in order',
    covers: ['Socket option allowHalfOpen', 'Socket event end', 'Socket event close', 'Server option allowHalfOpen'],
    async run(t) {
      const { client, peer } = await t.pair();
      client.resume();
      peer.end();
      peer.resume();
      await t.closed(client, peer);
      t.note('client', client.allowHalfOpen, peer.allowHalfOpen, client.writableFinished, client.readableEnded);
    },
  },
  {
    name: 'with allowHalfOpen we write on after the peer has ended',
    covers: ['Socket option allowHalfOpen', 'Server option allowHalfOpen', 'Socket.write'],
    async run(t) {
      const { client, peer } = await t.pair({ allowHalfOpen: true, client: { allowHalfOpen: true } });
      const late = allOf(client);
      client.end('request');
      t.note('peer', await allOf(peer));
      await pause(20);
      t.note('peer', peer.writable, peer.readyState);
      peer.write('late ');
      peer.end('answer');
      t.note('client', await late);
      await t.closed(client, peer);
    },
  },
  {
    name: 'end with data, encoding and callback, in each form',
    covers: ['Socket.end', 'Socket.setEncoding', 'Socket event data'],
    async run(t) {
      const forms: readonly ((s: net.Socket, done: () => void) => unknown)[] = [
        (s, done) => s.end(done),
        (s, done) => s.end('text', done),
        (s, done) => s.end('68c3a9', 'hex', done),
        (s, done) => s.end(Buffer.from('octets'), done),
        (s, done) => s.end(new Uint8Array([0x61]), done),
        (s) => s.end(),
      ];
      const server = await t.server({}, (peer) => {
        peer.setEncoding('utf8');
        let text = '';
        peer.on('data', (chunk) => {
          t.note('type', typeof chunk);
          text += String(chunk);
        });
        peer.on('end', () => t.note('peer', text));
      });
      for (const form of forms) {
        const client = t.watch('client', t.net.connect(portOf(server), t.far));
        client.resume();
        await t.event(client, 'connect');
        t.note('client', form(client, () => t.note('client', 'done')) === client);
        await t.closed(client);
      }
    },
  },
  {
    name: 'writes of every kind arrive in order, and their callbacks come in order',
    covers: ['Socket.write', 'Socket.bytesWritten', 'Socket.bytesRead'],
    async run(t) {
      const { client, peer } = await t.pair();
      const arrived = allOf(peer);
      const wrote = (n: number) => (error?: Error | null) => t.note('callbacks', n, error ?? 'fine');
      client.write('one ', wrote(1));
      client.write(Buffer.from('two '), wrote(2));
      client.write(new Uint8Array(Buffer.from('three ')), wrote(3));
      client.write('666f757220', 'hex', wrote(4));
      client.cork();
      client.write('fïve ', 'utf8', wrote(5));
      client.write('sïx', 'latin1', wrote(6));
      client.uncork();
      client.end();
      t.note('client', client.bytesWritten);
      t.note('peer', (await arrived).toString('hex'), peer.bytesRead);
      t.throws('client', () => client.write(5 as unknown as string));
      await t.closed(client.resume(), peer);
    },
  },
  {
    name: 'write after end, after destroy, and after the peer’s end',
    covers: ['Socket.write', 'Socket event error'],
    async run(t) {
      const { client, peer: first } = await t.pair();
      first.resume();
      client.end();
      client.write('x', (error) => t.note('after end', error));
      await t.closed(client, first);
      client.write('x', (error) => t.note('after destroy', error));
      await pause(10);
      const { client: other, peer } = await t.pair();
      peer.end();
      other.resume();
      await t.event(other, 'end');
      t.note(
        'after FIN',
        other.write('x', (error) => t.note('after FIN', error)),
      );
      await t.closed(other, peer.resume());
    },
  },
  {
    name: 'destroy, with and without an error, and once more',
    covers: ['Socket.destroyed', 'Socket event close', 'Socket event error'],
    async run(t) {
      for (const error of [undefined, new Error('enough')]) {
        const { client, peer } = await t.pair();
        peer.resume();
        t.note('client', client.destroy(error) === client, client.destroyed, client.readyState);
        client.destroy(new Error('too late'));
        await t.closed(client, peer);
        t.note('client', client.address(), client.localAddress, client.bytesRead);
      }
    },
  },
  {
    name: 'destroy with octets unread resets the peer',
    covers: ['Socket event error'],
    async run(t) {
      const { client, peer } = await t.pair({ pauseOnConnect: true });
      client.resume();
      client.write('never read');
      await pause(50);
      peer.destroy();
      await t.closed(client, peer);
    },
  },
  {
    name: 'resetAndDestroy: the peer reads ECONNRESET',
    covers: ['Socket.resetAndDestroy', 'Socket event error', 'Socket event close'],
    async run(t) {
      const { client, peer } = await t.pair();
      peer.resume();
      t.note('client', client.resetAndDestroy() === client, client.destroyed);
      await t.closed(client, peer);
      const fresh = t.watch('fresh', new t.net.Socket());
      fresh.resetAndDestroy();
      await t.closed(fresh);
    },
  },
  {
    name: 'resetAndDestroy while connecting waits for the connection',
    covers: ['Socket.resetAndDestroy'],
    async run(t) {
      const server = await t.server({}, (peer) => peer.on('error', () => {}));
      const client = t.watch('client', t.net.connect(portOf(server), t.far));
      client.resetAndDestroy();
      t.note('client', client.destroyed, client.connecting);
      await t.closed(client);
    },
  },
  {
    name: 'destroySoon sends what was written first',
    covers: ['Socket.destroySoon'],
    async run(t) {
      // Its end is to come after ours, or now and then it is heard before 'finish'.
      const { client, peer } = await t.pair({ allowHalfOpen: true });
      const data = octets(4 * MEGABYTE, 3);
      const arrived = allOf(peer);
      client.write(data);
      client.destroySoon();
      t.note('client', client.destroyed, client.writableEnded);
      t.note('peer', sha(await arrived) === sha(data));
      await t.closed(client);
      peer.end();
      await t.closed(peer);
    },
  },
  {
    name: 'setTimeout: a silent connection says so, and goes on',
    covers: ['Socket.setTimeout', 'Socket event timeout', 'Socket.timeout'],
    async run(t) {
      const { client, peer } = await t.pair();
      t.note('client', client.setTimeout(80, () => t.note('client', 'callback')) === client, client.timeout);
      await t.event(client, 'timeout');
      t.note('client', client.destroyed);
      peer.end('still there');
      t.note('client', await allOf(client));
      await t.closed(client, peer);
    },
  },
  {
    name: 'setTimeout: what comes and goes puts it off; 0 ends it, and its callback with it',
    covers: ['Socket.setTimeout'],
    async run(t) {
      const { client, peer } = await t.pair();
      peer.on('data', (data) => peer.write(data));
      client.resume();
      client.setTimeout(150);
      for (let i = 0; i < 5; i++) {
        client.write('x');
        await pause(60);
      }
      const callback = (): void => t.note('client', 'callback');
      client.setTimeout(40, callback);
      client.setTimeout(0, callback);
      t.note('client', client.timeout, client.listenerCount('timeout'));
      await pause(100);
      client.destroy();
      await t.closed(client, peer);
    },
  },
  {
    name: 'setTimeout of a wrong kind',
    covers: ['Socket.setTimeout'],
    async run(t) {
      for (const msecs of ['x', -1, Number.NaN, Number.POSITIVE_INFINITY, undefined, null, {}])
        t.throws(String(msecs), () => new t.net.Socket().setTimeout(msecs as number));
      t.throws('callback', () => new t.net.Socket().setTimeout(1, 'x' as unknown as () => void));
      t.throws('callback', () => new t.net.Socket().setTimeout(0, 'x' as unknown as () => void));
    },
  },
  {
    name: 'a reader that stops stops the writer, and drain comes when it goes on',
    covers: ['Socket.write', 'Socket.pause', 'Socket.resume', 'Socket event drain', 'Socket.bytesRead'],
    async run(t) {
      const { client, peer } = await t.pair({ pauseOnConnect: true });
      client.removeAllListeners('drain');
      let written = 0;
      let stopped = false;
      while (written < 64 * MEGABYTE && !stopped) {
        written += 256 * 1024;
        if (!client.write(Buffer.alloc(256 * 1024))) stopped = !(await drains(client));
      }
      // What is under way is bounded, and not one octet more is taken from the connection than the reader's mark.
      t.note('peer', peer.bytesRead <= 65_536, peer.isPaused());
      t.note('client', stopped, written < 64 * MEGABYTE, client.writableNeedDrain, client.writableLength > 0);
      const drained = t.event(client, 'drain');
      peer.resume();
      await drained;
      t.note('client', client.writableLength, client.writableNeedDrain);
      client.end();
      await t.closed(client.resume(), peer);
    },
  },
  {
    name: 'a large body each way at once, with equal hashes',
    covers: ['Socket.write', 'Socket event data', 'Socket event drain', 'Socket.bytesRead', 'Socket.bytesWritten'],
    async run(t) {
      const { client, peer } = await t.pair({ allowHalfOpen: true, client: { allowHalfOpen: true } });
      for (const s of [client, peer]) s.removeAllListeners('drain');
      const [there, back] = [octets(8 * MEGABYTE, 7), octets(8 * MEGABYTE, 9)];
      const arrived = [allOf(peer), allOf(client)];
      await Promise.all([send(client, there), send(peer, back)]);
      const [one, other] = await Promise.all(arrived);
      t.note('peer', sha(one!) === sha(there), peer.bytesRead, client.bytesWritten);
      t.note('client', sha(other!) === sha(back), client.bytesRead, peer.bytesWritten);
      await t.closed(client, peer);
    },
  },
  {
    name: 'a buffer is the writer’s again in the callback',
    covers: ['Socket.write'],
    async run(t) {
      const { client, peer } = await t.pair();
      const buffer = Buffer.alloc(100_000);
      const arrived = allOf(peer);
      for (let i = 0; i < 40; i++) {
        buffer.fill(i);
        await new Promise((resolve) => client.write(buffer, resolve));
        buffer.fill(0xff);
      }
      client.end();
      const all = await arrived;
      let wrong = 0;
      for (let i = 0; i < all.length; i++) if (all[i] !== Math.floor(i / buffer.length)) wrong++;
      t.note('peer', all.length, wrong);
      await t.closed(client.resume(), peer);
    },
  },
  {
    name: 'onread: into a buffer of ours, and no data event',
    covers: ['connect option onread', 'OnReadOpts.buffer', 'OnReadOpts.callback', 'Socket.bytesRead'],
    async run(t) {
      const data = octets(100_000, 11);
      const server = await t.server({}, (peer) => peer.end(data));
      for (const kind of ['buffer', 'function'] as const) {
        const own = Buffer.alloc(4096);
        const got: Buffer[] = [];
        const client = t.net.connect({
          port: portOf(server),
          host: t.far,
          onread: {
            buffer: (kind === 'buffer' ? own : () => own) as Uint8Array,
            callback(len, buffer) {
              got.push(Buffer.from(buffer.subarray(0, len)));
              if (len > own.length || buffer !== own) t.note(kind, 'not our buffer');
              return true;
            },
          },
        } as net.NetConnectOpts);
        client.on('data', () => t.note(kind, 'data'));
        await t.closed(t.watch(kind, client));
        t.note(kind, sha(Buffer.concat(got)) === sha(data), client.bytesRead);
      }
    },
  },
  {
    name: 'onread: false stops it until resume',
    covers: ['OnReadOpts.callback', 'Socket.pause', 'Socket.resume'],
    async run(t) {
      const data = octets(50_000, 13);
      const server = await t.server({}, (peer) => peer.end(data));
      const got: Buffer[] = [];
      const client = t.net.connect({
        port: portOf(server),
        host: t.far,
        onread: {
          buffer: Buffer.alloc(1000),
          callback(len, buffer) {
            got.push(Buffer.from(buffer.subarray(0, len)));
            return false;
          },
        },
      } as net.NetConnectOpts);
      t.watch('client', client);
      await t.event(client, 'ready');
      await pause(50);
      t.note('client', got.length, got[0]?.length);
      let ended = false;
      client.on('end', () => {
        ended = true;
      });
      while (!ended) {
        client.resume();
        await pause(1);
      }
      t.note('client', sha(Buffer.concat(got)) === sha(data));
      await t.closed(client);
    },
  },
  {
    name: 'readable: false reads nothing; writable: false writes nothing',
    covers: ['Socket option readable', 'Socket option writable'],
    async run(t) {
      const server = await t.server({ allowHalfOpen: true }, (peer) => peer.resume().on('error', () => {}));
      for (const o of [{ readable: false }, { writable: false }]) {
        const client = t.watch('client', new t.net.Socket(o));
        t.note('client', client.readable, client.writable);
        client.connect(portOf(server), t.far);
        await t.event(client, 'ready');
        t.note('client', client.readable, client.writable, client.readyState);
        client.destroy();
        await t.closed(client);
      }
    },
  },
  {
    name: 'high-water marks are as asked for',
    covers: ['Socket option highWaterMark', 'Socket.bufferSize'],
    async run(t) {
      for (const o of [{ highWaterMark: 1000 }, { readableHighWaterMark: 77, writableHighWaterMark: 88 }]) {
        const { client } = await t.pair({ client: o as net.SocketConstructorOpts });
        t.note('client', client.readableHighWaterMark, client.writableHighWaterMark);
        t.note('client', client.write(Buffer.alloc(2000)));
      }
    },
  },
  {
    name: 'the high-water mark of a writer who says nothing',
    covers: ['Socket option highWaterMark'],
    differs: {
      members: ['Socket option highWaterMark'],
      reason:
        'without one `write` takes as much as the send buffer, which grows with the path: 256 KiB at first, 4 MiB at most; a kernel’s buffer is behind `net`’s 16 KiB',
      record: (onNet) => ({ ...onNet, client: [[16_384, true]] }),
    },
    async run(t) {
      const { client } = await t.pair();
      client.write('x');
      t.note('client', client.readableHighWaterMark, client.writableHighWaterMark > 16_384);
    },
  },
  {
    name: 'a peer that resets while we write: the writer hears of it once',
    covers: ['Socket event error', 'Socket.write'],
    async run(t) {
      const { client, peer } = await t.pair({ pauseOnConnect: true });
      client.write(Buffer.alloc(16 * MEGABYTE), (error) => t.note('callback', error == null));
      await pause(50);
      peer.resetAndDestroy();
      await t.closed(client, peer);
    },
  },
  {
    name: 'a paused socket hears of a reset when it reads on, after what came before',
    covers: ['Socket.pause', 'Socket event error'],
    differs: {
      members: ['Socket event error'],
      reason:
        'a reset behind data that was not read yet is ECONNRESET once the data has been read; libuv takes it for an end where it read less than 64 KiB at last, and `net` says ‘end’ as if all had come',
      record: ({ 'reading of peer': _end, 'writing of peer': _finish, ...onNet }) => ({
        ...onNet,
        peer: [[false], ['first']],
        'events of peer': [
          [
            'error',
            {
              class: 'Error',
              name: 'Error',
              message: 'read ECONNRESET',
              own: [
                ['errno', -104],
                ['code', 'ECONNRESET'],
                ['syscall', 'read'],
              ],
            },
          ],
          ['close', true],
        ],
      }),
    },
    async run(t) {
      const { client, peer } = await t.pair({ pauseOnConnect: true });
      client.write('first');
      await pause(30);
      client.resetAndDestroy();
      await pause(50);
      t.note('peer', peer.destroyed);
      let read = '';
      peer.on('data', (data) => {
        read += data;
      });
      peer.resume();
      await t.closed(peer);
      t.note('peer', read);
    },
  },
  {
    name: 'once, addListener, prependListener, async iteration',
    covers: ['Socket event data', 'Socket event end'],
    async run(t) {
      const { client, peer } = await t.pair({ allowHalfOpen: true });
      client.end();
      await t.event(client, 'finish');
      client.prependListener('end', () => t.note('order', 'prepended'));
      client.addListener('end', () => t.note('order', 'added'));
      client.once('end', () => t.note('order', 'once'));
      peer.write('a');
      peer.end('b');
      let text = '';
      for await (const chunk of client) text += String(chunk);
      t.note('client', text);
      await t.closed(client, peer);
    },
  },
];

/** Within a time in which it would, if anything moved. */
async function drains(socket: net.Socket): Promise<boolean> {
  return Promise.race([once(socket, 'drain').then(() => true), pause(300).then(() => false)]);
}

async function send(socket: net.Socket, data: Buffer): Promise<void> {
  for (let at = 0; at < data.length; at += 65_536) {
    if (socket.write(data.subarray(at, at + 65_536))) continue;
    await within(new Promise((resolve) => socket.once('drain', resolve)), "'drain'");
  }
  socket.end();
}
