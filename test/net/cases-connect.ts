/** From `connect` to 'connect', and what comes instead. */
import type net from 'node:net';
import { allOf, type Case, pause, portOf } from './trial.ts';

const CONNECT = ['net.connect', 'net.createConnection', 'Socket.connect', 'Socket event connect', 'Socket event ready'];

/** Ports that are none. */
const NO_PORTS = [-1, 65_536, 1.5, Number.NaN, 'x', '', ' ', null, true, {}, [], Number.POSITIVE_INFINITY];

export const connectCases: readonly Case[] = [
  {
    name: 'connect(port, host, listener): attempt, connect, ready, then data both ways and an orderly end',
    covers: [
      ...CONNECT,
      'Socket event connectionAttempt',
      'Socket event data',
      'Socket event end',
      'Socket event close',
    ],
    async run(t) {
      const server = await t.server({}, (peer) => peer.end('bye'));
      const client = t.watch(
        'client',
        t.net.connect(portOf(server), t.far, () => t.note('client', 'listener')),
      );
      client.on('data', (data) => t.note('client', 'data', data));
      await t.closed(client);
    },
  },
  {
    name: 'connect(options, listener) and createConnection(options)',
    covers: ['net.createConnection', 'connect option port', 'connect option host'],
    async run(t) {
      const server = await t.server({}, (peer) => peer.end());
      for (const connect of [t.net.connect, t.net.createConnection]) {
        const client = connect({ port: portOf(server), host: t.far }, () => t.note('client', 'listener'));
        t.watch('client', client).resume();
        await t.closed(client);
      }
    },
  },
  {
    name: 'connect(port, listener) looks localhost up',
    covers: ['Socket event lookup', 'connect option host'],
    async run(t) {
      const server = await t.server({}, (peer) => peer.end());
      const client = t.watch(
        'client',
        // its types want a host in front of the listener
        t.net.connect(portOf(server), (() => t.note('client', 'listener')) as unknown as string),
      );
      client.resume();
      await t.closed(client);
    },
  },
  {
    name: 'new Socket().connect(…) in each form; Socket() without new; Stream is Socket',
    covers: ['Socket.connect', 'Socket', 'net.Stream'],
    async run(t) {
      const server = await t.server({}, (peer) => peer.end());
      const port = portOf(server);
      const { Socket } = t.net;
      const callable = Socket as unknown as () => net.Socket;
      t.note('module', (t.net as unknown as { Stream: unknown }).Stream === Socket, callable() instanceof Socket);
      for (const connect of [
        (s: net.Socket) => s.connect(port, t.far),
        (s: net.Socket) => s.connect({ port, host: t.far }),
        (s: net.Socket) => s.connect(port, t.far, () => t.note('client', 'listener')),
      ]) {
        const client = t.watch('client', new Socket());
        t.note('client', client.pending, client.connecting, client.readyState);
        t.note('client', connect(client) === client, client.pending, client.connecting, client.readyState);
        client.resume();
        await t.closed(client);
      }
    },
  },
  {
    name: 'a path is refused in words',
    covers: ['net.connect', 'Socket.connect', 'connect option path'],
    differs: {
      members: ['connect option path'],
      reason: 'no Unix sockets; `node:net` has them',
      record: () => ({
        client: [
          [
            'throws',
            {
              class: 'TypeError',
              name: 'TypeError',
              message:
                "The argument 'options.path' /nowhere is not supported: tcpx has TCP connections only; for others use node:net",
              own: [['code', 'ERR_INVALID_ARG_VALUE']],
            },
          ],
        ],
      }),
    },
    async run(t) {
      t.throws('client', () => t.net.connect('/nowhere').on('error', () => {}));
    },
  },
  {
    name: 'what is no port is refused at once',
    covers: ['connect option port', 'Socket.connect'],
    async run(t) {
      for (const port of NO_PORTS)
        t.throws(String(port), () =>
          t.net
            .connect({ port: port as number, host: t.far })
            .on('error', () => {})
            .destroy(),
        );
      t.throws('nothing', () => (t.net.connect as () => net.Socket)());
      t.throws('empty', () => t.net.connect({} as net.NetConnectOpts));
      t.throws('socket', () => (new t.net.Socket().connect as () => net.Socket).call(new t.net.Socket()));
    },
  },
  {
    name: 'options of a wrong type are refused at once',
    covers: [
      'connect option localAddress',
      'connect option localPort',
      'connect option lookup',
      'connect option autoSelectFamily',
      'connect option autoSelectFamilyAttemptTimeout',
      'connect option keepAliveInitialDelay',
      'Socket',
    ],
    async run(t) {
      const bad: readonly object[] = [
        { localAddress: 'nowhere' },
        { localAddress: 5 },
        { localPort: '80' },
        { localPort: {} },
        { lookup: 5 },
        { lookup: 'x' },
        { host: 5 },
        { host: true },
        { host: ['localhost'] },
        { host: 'localhost', family: 9 },
        { host: 'localhost', hints: -1 },
        { autoSelectFamily: 1 },
        { autoSelectFamilyAttemptTimeout: 0 },
        { autoSelectFamilyAttemptTimeout: 'x' },
        { autoSelectFamilyAttemptTimeout: 1.5 },
        { keepAliveInitialDelay: 'x' },
        { keepAliveInitialDelay: true },
      ];
      for (const o of bad) {
        t.throws(JSON.stringify(o), () =>
          t.net
            .connect({ port: 1, ...o } as net.NetConnectOpts)
            .on('error', () => {})
            .destroy(),
        );
      }
      for (const o of [{ objectMode: true }, { readableObjectMode: true }, { writableObjectMode: true }])
        t.throws(JSON.stringify(o), () => new t.net.Socket(o as net.SocketConstructorOpts));
    },
  },
  {
    name: 'a number in place of options is a descriptor, and what can’t have options has none',
    covers: ['Socket'],
    async run(t) {
      for (const o of [-1, 5.5, Number.NaN, { fd: -1 }, { fd: 'x' }])
        t.throws(`Socket ${JSON.stringify(o)}`, () => new t.net.Socket(o as net.SocketConstructorOpts));
      for (const o of [null, 'x', true, undefined, Symbol('x'), []])
        t.note(`Socket ${String(o)}`, new t.net.Socket(o as net.SocketConstructorOpts).readyState);
    },
  },
  {
    name: 'descriptors and handles are refused in words',
    covers: ['Socket option fd'],
    differs: {
      members: ['Socket option fd'],
      reason: 'a connection of tcpx has no descriptor',
      record: () => {
        const refusal = {
          class: 'TypeError',
          name: 'TypeError',
          message:
            "The argument 'options.fd' 1000000 is not supported: tcpx has TCP connections only; for others use node:net",
          own: [['code', 'ERR_INVALID_ARG_VALUE']],
        };
        return { client: [['throws', refusal]], 'by number': [['throws', refusal]] };
      },
    },
    async run(t) {
      t.throws('client', () => new t.net.Socket({ fd: 1_000_000 }));
      t.throws('by number', () => new t.net.Socket(1_000_000 as net.SocketConstructorOpts));
    },
  },
  {
    name: 'a port where nobody listens: ECONNREFUSED, after the attempt that failed',
    covers: ['Socket event error', 'Socket event connectionAttemptFailed', 'Socket event close'],
    async run(t) {
      const server = await t.server();
      const port = portOf(server);
      server.close();
      await t.event(server, 'close');
      const client = t.watch('client', t.net.connect(port, t.far));
      await t.closed(client);
      t.note('client', client.destroyed, client.readyState, client.pending, client.errored);
    },
  },
  {
    name: 'refused, from an address and a port of ours: the error says from where',
    covers: ['connect option localAddress', 'connect option localPort', 'Socket event error'],
    async run(t) {
      const [server, other] = [await t.server(), await t.server()];
      const [port, localPort] = [portOf(server), portOf(other)];
      t.name(port, 'PORT');
      t.name(localPort, 'LOCAL');
      for (const each of [server, other]) each.close();
      await pause(50);
      const client = t.watch('client', t.net.connect({ port, host: t.far, localAddress: t.own, localPort }));
      await t.closed(client);
    },
  },
  {
    name: 'an address that is not ours: bind EADDRNOTAVAIL',
    covers: ['connect option localAddress', 'Socket event error'],
    async run(t) {
      const server = await t.server();
      const client = t.watch('client', t.net.connect({ port: portOf(server), host: t.far, localAddress: '10.9.9.9' }));
      await t.closed(client);
    },
  },
  {
    name: 'a port of ours that is in use: bind EADDRINUSE',
    covers: ['connect option localPort', 'Socket event error'],
    async run(t) {
      const server = await t.server();
      const port = portOf(server);
      const client = t.watch('client', t.net.connect({ port, host: t.far, localAddress: t.own, localPort: port }));
      await t.closed(client);
    },
  },
  {
    name: 'from another address of ours, and from a port of ours',
    onLoopback: true,
    covers: [
      'connect option localAddress',
      'connect option localPort',
      'Socket.localAddress',
      'Socket.localPort',
      'Socket.localFamily',
      'Socket.remoteAddress',
      'Socket.remotePort',
      'Socket.remoteFamily',
      'Socket.address',
      'AddressInfo.address',
      'AddressInfo.family',
      'AddressInfo.port',
    ],
    async run(t) {
      const { client, peer } = await t.pair({ client: { localAddress: '127.0.0.2' } });
      for (const [who, s] of [
        ['client', client],
        ['peer', peer],
      ] as const) {
        t.note(who, s.localAddress, s.localPort, s.localFamily, s.remoteAddress, s.remotePort, s.remoteFamily);
        t.note(who, s.address());
      }
    },
  },
  {
    name: 'a lookup of our own is asked once, as net asks',
    covers: ['connect option lookup', 'connect option family', 'connect option hints', 'Socket event lookup'],
    async run(t) {
      const server = await t.server({}, (peer) => peer.end());
      for (const family of [4, undefined, 0, 'IPv4'] as const) {
        const client = t.net.connect({
          port: portOf(server),
          host: 'some.name',
          ...(family !== undefined && { family: family as number }),
          autoSelectFamily: false,
          lookup: (host, options, callback) => {
            t.note('lookup', host, options);
            process.nextTick(callback, null, t.far, 4);
          },
        });
        await t.closed(t.watch('client', client).resume());
      }
    },
  },
  {
    name: 'a lookup that fails, that finds no address, that finds a strange family',
    covers: ['connect option lookup', 'Socket event lookup', 'Socket event error'],
    async run(t) {
      const outcomes: readonly (readonly [Error | null, string, number])[] = [
        [Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }), '', 0],
        [null, 'not an address', 4],
        [null, t.far, 7],
      ];
      for (const outcome of outcomes) {
        const client = t.net.connect({
          port: 80,
          host: 'some.name',
          autoSelectFamily: false,
          lookup: (_host, _options, callback) => process.nextTick(callback, ...outcome),
        });
        await t.closed(t.watch('client', client));
      }
    },
  },
  {
    name: 'of several addresses the first that answers is taken',
    covers: [
      'connect option autoSelectFamily',
      'connect option autoSelectFamilyAttemptTimeout',
      'Socket.autoSelectFamilyAttemptedAddresses',
      'Socket event connectionAttempt',
      'Socket event connectionAttemptFailed',
    ],
    async run(t) {
      const server = await t.server({}, (peer) => peer.end());
      const client = t.net.connect({
        port: portOf(server),
        host: 'some.name',
        autoSelectFamily: true,
        autoSelectFamilyAttemptTimeout: 2000,
        lookup: (host, options, callback) => {
          t.note('lookup', host, options);
          const found = [
            { address: '127.0.0.2', family: 4 },
            { address: t.far, family: 4 },
            { address: '127.0.0.2', family: 4 },
          ];
          process.nextTick(callback, null, found);
        },
      });
      await t.closed(t.watch('client', client).resume());
      t.note('client', client.autoSelectFamilyAttemptedAddresses);
    },
  },
  {
    name: 'when all addresses fail the error has the error of each',
    covers: ['connect option autoSelectFamily', 'Socket event error', 'Socket.autoSelectFamilyAttemptedAddresses'],
    async run(t) {
      const server = await t.server();
      const port = portOf(server);
      server.close();
      await t.event(server, 'close');
      const client = t.net.connect({
        port,
        host: 'some.name',
        autoSelectFamily: true,
        lookup: (_host, _options, callback) =>
          process.nextTick(callback, null, [
            { address: '127.0.0.2', family: 4 },
            { address: t.far, family: 4 },
          ]),
      });
      await t.closed(t.watch('client', client));
      t.note('client', client.autoSelectFamilyAttemptedAddresses);
    },
  },
  {
    name: 'an address that does not answer is left for the next one',
    covers: ['connect option autoSelectFamilyAttemptTimeout', 'Socket event connectionAttemptTimeout'],
    inNamespace: true,
    async run(t) {
      const server = await t.server({}, (peer) => peer.end());
      const client = t.net.connect({
        port: portOf(server),
        host: 'some.name',
        autoSelectFamily: true,
        autoSelectFamilyAttemptTimeout: 100,
        lookup: (_host, _options, callback) =>
          process.nextTick(callback, null, [
            { address: '10.77.99.9', family: 4 },
            { address: t.far, family: 4 },
          ]),
      });
      await t.closed(t.watch('client', client).resume());
    },
  },
  {
    name: 'no route: ENETUNREACH, from no address',
    covers: ['Socket event error'],
    inNamespace: true,
    async run(t) {
      await t.closed(t.watch('client', t.net.connect(80, '10.78.0.1')));
    },
  },
  {
    name: 'IPv6',
    covers: ['connect option host', 'connect option family'],
    differs: {
      members: ['connect option family', 'listen option ipv6Only'],
      reason: 'IPv4 only; what a name has of IPv6 is passed over',
      record: () => ({
        'events of client': [
          ['connectionAttempt', '::1', 'PORT', 6],
          [
            'error',
            {
              class: 'Error',
              name: 'Error',
              message: 'connect EAFNOSUPPORT ::1:PORT',
              own: [
                ['errno', -97],
                ['code', 'EAFNOSUPPORT'],
                ['syscall', 'connect'],
                ['address', '::1'],
                ['port', 'PORT'],
              ],
            },
          ],
          ['close', true],
        ],
      }),
    },
    async run(t) {
      const server = await t.server();
      await t.closed(t.watch('client', t.net.connect(portOf(server), '::1')));
    },
  },
  {
    name: 'connect while connecting: EALREADY',
    covers: ['Socket.connect'],
    async run(t) {
      const server = await t.server({}, (peer) => peer.on('error', () => {}));
      const port = portOf(server);
      const twice = t.net.connect(port, t.far);
      twice.on('connectionAttempt', (...args) => t.note('twice', 'connectionAttempt', ...args));
      twice.on('error', (error) => t.note('twice', error.message.replace(/\d+\)$/, 'CLIENT)'), Object.keys(error)));
      twice.on('close', (hadError) => t.note('twice', 'close', hadError));
      twice.connect(port, t.far);
      await t.event(twice, 'close');
    },
  },
  {
    name: 'connect on a connection that there is tells once more that it is connected',
    covers: ['Socket.connect'],
    async run(t) {
      const { client, server } = await t.pair();
      client.connect(portOf(server), t.far);
      t.note('client', client.connecting, client.readyState);
      await t.event(client, 'ready');
      client.write('still the same');
      t.note('client', client.remotePort, client.readyState);
    },
  },
  {
    name: 'a socket that was closed can connect again',
    covers: ['Socket.connect', 'Socket.bytesRead', 'Socket.bytesWritten', 'Socket.destroyed'],
    async run(t) {
      const server = await t.server({}, (peer) => peer.end('hello'));
      const client = t.watch('client', t.net.connect(portOf(server), t.far));
      client.resume();
      await t.closed(client);
      t.note('client', client.destroyed, client.bytesRead, client.readyState);
      const again = t.event(client, 'close');
      client.connect(portOf(server), t.far);
      t.note('client', client.destroyed, client.bytesRead, client.readyState);
      client.write('x');
      await again;
      t.note('client', client.bytesRead, client.bytesWritten);
    },
  },
  {
    name: 'what is written before it is connected is sent then',
    covers: ['Socket.write', 'Socket.bytesWritten', 'Socket.bufferSize', 'Socket.end'],
    async run(t) {
      let arrived: Promise<Buffer> | undefined;
      const server = await t.server({}, (peer) => {
        arrived = allOf(peer);
      });
      const client = t.watch('client', new t.net.Socket());
      client.connect(portOf(server), t.far);
      t.note(
        'client',
        client.write('one ', () => t.note('client', 'one is written')),
        client.bytesWritten,
      );
      t.note('client', client.write('two '), client.bytesWritten, client.bufferSize);
      client.end('three', () => t.note('client', 'ended'));
      t.note('client', client.writableLength);
      await t.closed(client.resume());
      t.note('peer', await arrived);
      t.note('client', client.bytesWritten, client.bufferSize);
    },
  },
  {
    name: 'without connect a write is an error, and an end too',
    covers: ['Socket.write', 'Socket.end', 'Socket event error'],
    async run(t) {
      const writer = t.watch('writer', new t.net.Socket());
      t.note(
        'writer',
        writer.write('x', (error) => t.note('callback', error)),
      );
      await t.closed(writer);
      const ender = t.watch('ender', new t.net.Socket());
      ender.end('x', (...error: unknown[]) => t.note('callback', ...error));
      await t.closed(ender);
    },
  },
  {
    name: 'destroyed before it was connected: the writer hears that it never was',
    covers: ['Socket.destroyed', 'Socket.write', 'Socket event close'],
    async run(t) {
      const server = await t.server();
      const client = t.watch('client', t.net.connect(portOf(server), t.far));
      client.write('x', (error) => t.note('callback', error));
      client.destroy();
      t.note('client', client.connecting, client.pending, client.readyState);
      await t.closed(client);
      const other = t.watch('other', new t.net.Socket().destroy());
      await t.closed(other);
    },
  },
  {
    name: 'paused before it is connected, it reads when it is resumed',
    covers: ['Socket.pause', 'Socket.resume', 'Socket event data'],
    async run(t) {
      const server = await t.server({}, (peer) => peer.end('data'));
      const client = t.watch('client', new t.net.Socket());
      client.pause();
      client.on('data', (data) => t.note('client', 'data', data));
      client.connect(portOf(server), t.far);
      await t.event(client, 'ready');
      await pause(50);
      t.note('client', client.isPaused(), client.bytesRead);
      client.resume();
      await t.closed(client);
    },
  },
  {
    name: 'settings before connect return the socket, and hold afterwards',
    covers: [
      'Socket.setNoDelay',
      'Socket.setKeepAlive',
      'Socket.setTimeout',
      'Socket.ref',
      'Socket.unref',
      'Socket.timeout',
    ],
    async run(t) {
      const server = await t.server({}, (peer) => peer.resume());
      const client = t.watch('client', new t.net.Socket());
      const calls = [
        client.setNoDelay(),
        client.setNoDelay(false),
        client.setKeepAlive(true, 5000),
        client.setKeepAlive(),
        client.setTimeout(5000),
        client.unref(),
        client.ref(),
        client.setEncoding('utf8'),
        client.pause(),
        client.resume(),
      ];
      t.note(
        'client',
        calls.map((each) => each === client),
        client.timeout,
      );
      client.connect(portOf(server), t.far);
      await t.event(client, 'connect');
      const later = [
        client.setNoDelay(true),
        client.setKeepAlive(true),
        client.unref(),
        client.ref(),
        client.setTimeout(0),
      ];
      t.note(
        'client',
        later.map((each) => each === client),
        client.timeout,
      );
      client.end();
      await t.closed(client);
      t.note('client', client.setTimeout(7) === client, client.timeout);
    },
  },
  {
    name: 'options of connect: noDelay, keepAlive, timeout',
    covers: [
      'connect option noDelay',
      'connect option keepAlive',
      'connect option keepAliveInitialDelay',
      'connect option timeout',
      'Socket event timeout',
      'Socket.timeout',
    ],
    async run(t) {
      const { client } = await t.pair({
        client: {
          noDelay: true,
          keepAlive: true,
          keepAliveInitialDelay: 1000,
          timeout: 60,
        } as net.SocketConstructorOpts,
      });
      t.note('client', client.timeout);
      await t.event(client, 'timeout');
      t.note('client', client.destroyed);
    },
  },
  {
    name: 'a signal ends it: before, while connecting, and later',
    covers: ['Socket option signal'],
    async run(t) {
      const server = await t.server({}, (peer) => peer.on('error', () => {}).resume());
      const port = portOf(server);
      const before = t.watch(
        'before',
        t.net.connect({ port, host: t.far, signal: AbortSignal.abort() } as net.NetConnectOpts),
      );
      await t.closed(before);
      const early = new AbortController();
      const during = t.watch(
        'during',
        t.net.connect({ port, host: t.far, signal: early.signal } as net.NetConnectOpts),
      );
      early.abort();
      await t.closed(during);
      const late = new AbortController();
      const after = t.watch('after', t.net.connect({ port, host: t.far, signal: late.signal } as net.NetConnectOpts));
      await t.event(after, 'ready');
      late.abort(new Error('enough'));
      await t.closed(after);
      t.throws('bad', () => new t.net.Socket({ signal: 'x' as unknown as AbortSignal }));
    },
  },
];
