/** Servers: every way to listen, and to stop; and the functions of the module that are no sockets. */
import { captureRejectionSymbol, EventEmitter } from 'node:events';
import net from 'node:net';
import { allOf, type Case, pause, portOf } from './trial.ts';

const LISTEN = ['Server.listen', 'Server event listening', 'Server.address', 'Server.listening'];

/** Listens in one of its forms; closes, and notes what there was to see. */
type Listen = (server: net.Server, port: number, done: () => void) => net.Server;

export const serverCases: readonly Case[] = [
  {
    name: 'createServer in each form, with and without new',
    covers: [
      'net.createServer',
      'Server',
      'Server event connection',
      'Server.maxConnections',
      'Server.connections',
      'Server.listening',
    ],
    async run(t) {
      const { createServer, Server } = t.net;
      const listener = (peer: net.Socket): void => {
        t.note('server', 'connection');
        peer.end();
      };
      const callable = Server as unknown as (l: (s: net.Socket) => void) => net.Server;
      for (const make of [
        () => createServer(listener),
        () => createServer({}, listener),
        () => createServer(undefined, listener),
        () => createServer().on('connection', listener),
        () => new Server(listener),
        () => new Server({}, listener),
        () => callable(listener),
      ]) {
        const server = make();
        t.note('server', server instanceof Server, server instanceof EventEmitter, server.listening, server.address());
        t.note('server', server.maxConnections, Reflect.get(server, 'connections'));
        server.listen(0, t.own);
        await t.event(server, 'listening');
        t.name(portOf(server), 'PORT');
        await t.closed(t.watch('client', t.net.connect(portOf(server), t.far)).resume());
        server.close();
        await t.event(server, 'close');
      }
    },
  },
  {
    name: 'options of a wrong type are refused at once',
    covers: ['net.createServer', 'Server option keepAliveInitialDelay', 'Server option highWaterMark'],
    async run(t) {
      for (const o of [5, 'x', true, Symbol.iterator])
        t.throws(String(o), () => t.net.createServer(o as unknown as net.ServerOpts));
      t.throws('delay', () => t.net.createServer({ keepAliveInitialDelay: 'x' as unknown as number }));
      t.throws('mark', () => t.net.createServer({ highWaterMark: 'x' as unknown as number }));
      t.throws('none', () => t.net.createServer(null as unknown as net.ServerOpts).close());
      const server = t.net.createServer({ keepAliveInitialDelay: -5, highWaterMark: -1 });
      t.note('server', Reflect.get(server, 'keepAliveInitialDelay'), Reflect.get(server, 'highWaterMark'));
    },
  },
  {
    name: 'listen in each form',
    onLoopback: true,
    covers: [...LISTEN, 'listen option port', 'listen option host', 'listen option backlog', 'listen option exclusive'],
    async run(t) {
      const forms: readonly Listen[] = [
        (s, port, done) => s.listen(port, t.own, done),
        (s, port, done) => s.listen(port, t.own, 5, done),
        (s, port, done) => s.listen(String(port) as unknown as number, t.own, done),
        (s, port, done) => s.listen({ port, host: t.own }, done),
        (s, port, done) => s.listen({ port, host: t.own, backlog: 5, exclusive: true }, done),
        (s, port, done) => s.listen({ port, host: 'localhost' }, done),
        (s, _port, done) => s.listen({ port: 0, host: t.own }, done),
        (s, port, done) => s.on('listening', done).listen(port, t.own),
      ];
      const spare = await t.server();
      const port = portOf(spare);
      spare.close();
      await t.event(spare, 'close');
      for (const listen of forms) {
        const server = t.watchServer(
          'server',
          t.net.createServer((peer) => peer.end()),
        );
        const listening = t.event(server, 'listening');
        t.note('server', listen(server, port, () => t.note('server', 'listener')) === server);
        await listening;
        t.name(portOf(server), 'LISTENS');
        t.note('server', server.listening, server.address());
        await t.closed(t.net.connect(portOf(server), t.far).resume());
        server.close();
        await t.event(server, 'close');
        t.note('server', server.listening, server.address());
      }
    },
  },
  {
    name: 'listen without a host: any port, at once, on every address',
    onLoopback: true,
    covers: [...LISTEN, 'listen option port'],
    async run(t) {
      const forms: readonly ((s: net.Server) => net.Server)[] = [
        (s) => s.listen(),
        (s) => s.listen(0),
        (s) => s.listen(() => t.note('server', 'listener')),
        (s) => s.listen({ port: undefined } as unknown as net.ListenOptions),
        (s) => s.listen(null as unknown as number),
      ];
      for (const listen of forms) {
        const server = t.watchServer(
          'server',
          t.net.createServer((peer) => peer.end()),
        );
        listen(server);
        // `listen` has done it when it returns.
        t.note('server', portOf(server) > 0, server.listening);
        await t.event(server, 'listening');
        for (const host of [t.far, '127.0.0.2']) await t.closed(t.net.connect(portOf(server), host).resume());
        server.close();
        await t.event(server, 'close');
      }
    },
  },
  {
    name: 'the address of a server on every address',
    covers: ['Server.address'],
    differs: {
      members: ['Server.address', 'listen option ipv6Only'],
      reason: 'IPv4 only: 0.0.0.0, where `net` has :: on a machine with IPv6; a peer’s address is never ::ffff:…',
      record: () => ({ server: [['0.0.0.0', 'IPv4', true]] }),
    },
    async run(t) {
      const server = await t.server();
      server.close();
      await t.event(server, 'close');
      server.listen(0);
      await t.event(server, 'listening');
      const { address, family, port } = server.address() as net.AddressInfo;
      t.note('server', address, family, port > 0);
    },
  },
  {
    name: 'listen on a path',
    covers: ['listen option path', 'Server.listen'],
    differs: {
      members: ['listen option path', 'listen option readableAll', 'listen option writableAll'],
      reason: 'no Unix sockets; `node:net` has them',
      record: () => ({
        server: [
          [
            'throws',
            {
              class: 'TypeError',
              name: 'TypeError',
              message:
                "The argument 'options.path' /nowhere/at/all is not supported: tcpx has TCP connections only; for others use node:net",
              own: [['code', 'ERR_INVALID_ARG_VALUE']],
            },
          ],
        ],
      }),
    },
    async run(t) {
      t.throws('server', () =>
        t.net
          .createServer()
          .on('error', () => {})
          .listen('/nowhere/at/all'),
      );
    },
  },
  {
    name: 'what is no port, and nothing to listen on, is refused at once',
    covers: ['Server.listen', 'listen option port'],
    async run(t) {
      for (const port of [-1, 65_536, 1.5, Number.NaN, '', true, {}, [], Number.POSITIVE_INFINITY, 'x y']) {
        if (port === 'x y') continue;
        t.throws(String(port), () => t.net.createServer().listen(port as number));
        t.throws(String(port), () => t.net.createServer().listen({ port: port as number }));
      }
      t.throws('host alone', () => t.net.createServer().listen({ host: t.own }));
      t.throws('signal', () => t.net.createServer().listen({ port: 0, signal: 'x' as unknown as AbortSignal }));
    },
  },
  {
    name: 'listen twice, and while it listens',
    covers: ['Server.listen'],
    async run(t) {
      const server = await t.server();
      t.throws('server', () => server.listen(0, t.own));
      t.note('server', server.listening);
      server.close();
      server.listen(0, t.own);
      await t.event(server, 'listening');
      t.note('server', server.listening);
    },
  },
  {
    name: 'a port in use: EADDRINUSE, and then another will do',
    covers: ['Server event error', 'Server.listen'],
    async run(t) {
      const first = await t.server();
      const server = t.watchServer('server', t.net.createServer());
      server.listen(portOf(first), t.own);
      await t.event(server, 'error');
      t.note('server', server.listening, server.address());
      server.listen(0, t.own);
      await t.event(server, 'listening');
    },
  },
  {
    name: 'an address that is not ours: EADDRNOTAVAIL',
    covers: ['Server event error', 'listen option host'],
    async run(t) {
      const spare = await t.server();
      const server = t.watchServer('server', t.net.createServer());
      server.listen(portOf(spare), '10.9.9.9');
      await t.event(server, 'error');
      const any = t.watchServer('any', t.net.createServer());
      any.listen(0, '10.9.9.9');
      await t.event(any, 'error');
    },
  },
  {
    name: 'close waits for its connections, takes no more, and tells once',
    covers: ['Server.close', 'Server event close', 'Server.getConnections'],
    async run(t) {
      const { client, peer, server } = await t.pair();
      t.watchServer('server', server);
      const port = portOf(server);
      peer.resume();
      const count = (): Promise<number> => new Promise((resolve) => server.getConnections((_error, n) => resolve(n)));
      t.note('server', await count());
      t.note('server', server.close((...args: unknown[]) => t.note('server', 'callback', ...args)) === server);
      t.note('server', server.listening, server.address());
      const late = t.watch('late', t.net.connect(port, t.far));
      await t.closed(late);
      t.note('server', await count());
      client.end();
      client.resume();
      await t.closed(client, peer);
      await pause(20);
      t.note('server', await count());
    },
  },
  {
    name: 'close of a server that does not listen',
    covers: ['Server.close'],
    async run(t) {
      const server = t.watchServer('server', t.net.createServer());
      server.close((error) => t.note('server', 'callback', error));
      await pause(20);
      const other = t.watchServer('other', t.net.createServer());
      other.listen(0, t.own);
      other.close((error) => t.note('other', 'callback', error));
      await pause(50);
      t.note('other', other.listening);
    },
  },
  {
    name: 'beyond maxConnections they are dropped, with a word about whose they were',
    covers: [
      'Server.maxConnections',
      'Server event drop',
      'DropArgument.localAddress',
      'DropArgument.localPort',
      'DropArgument.localFamily',
      'DropArgument.remoteAddress',
      'DropArgument.remotePort',
      'DropArgument.remoteFamily',
    ],
    async run(t) {
      const { client, peer, server } = await t.pair();
      t.watchServer('server', server);
      server.maxConnections = 1;
      const spare = await t.server();
      const localPort = portOf(spare);
      t.name(localPort, 'SECOND');
      spare.close();
      await t.event(spare, 'close');
      const dropped = t.event(server, 'drop');
      const second = t.watch('second', t.net.connect({ port: portOf(server), host: t.far, localPort }));
      second.resume();
      await dropped;
      await t.closed(second);
      client.end();
      client.resume();
      peer.resume();
      await t.closed(client, peer);
      const third = t.watch('third', t.net.connect(portOf(server), t.far));
      await t.event(third, 'ready');
    },
  },
  {
    name: 'pauseOnConnect: nothing is read before resume',
    covers: ['Server option pauseOnConnect'],
    async run(t) {
      const { client, peer } = await t.pair({ pauseOnConnect: true });
      client.end('waits');
      await pause(50);
      t.note('peer', peer.isPaused(), peer.readableFlowing, peer.bytesRead);
      t.note('peer', await allOf(peer.resume()));
      await t.closed(client.resume(), peer);
    },
  },
  {
    name: 'noDelay, keepAlive, highWaterMark of a server are its sockets’',
    covers: [
      'Server option noDelay',
      'Server option keepAlive',
      'Server option keepAliveInitialDelay',
      'Server option highWaterMark',
    ],
    async run(t) {
      const o = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 2000, highWaterMark: 5000 };
      const { client, peer, server } = await t.pair(o);
      for (const name of Object.keys(o)) t.note('server', name, Reflect.get(server, name));
      t.note('peer', peer.readableHighWaterMark, peer.writableHighWaterMark);
      peer.resume();
      client.end();
      client.resume();
      await t.closed(client, peer);
    },
  },
  {
    name: 'a socket knows its server',
    covers: ['Server event connection'],
    async run(t) {
      const { client, peer, server } = await t.pair();
      t.note('peer', Reflect.get(peer, 'server') === server);
      t.note('client', Reflect.get(client, 'server'));
    },
  },
  {
    name: 'a signal closes it',
    covers: ['listen option signal', 'Server event close'],
    async run(t) {
      const late = new AbortController();
      const server = t.watchServer('server', t.net.createServer());
      server.listen({ port: 0, host: t.own, signal: late.signal });
      await t.event(server, 'listening');
      late.abort();
      t.note('server', server.listening);
      await t.event(server, 'close');
      const early = t.watchServer('early', t.net.createServer());
      early.listen({ port: 0, host: t.own, signal: AbortSignal.abort() });
      await t.event(early, 'close');
      t.note('early', early.listening);
    },
  },
  {
    name: 'ref and unref return the server; asyncDispose closes it',
    covers: ['Server.ref', 'Server.unref', 'Server[Symbol.asyncDispose]'],
    async run(t) {
      const server = await t.server();
      t.watchServer('server', server);
      t.note('server', server.unref() === server, server.ref() === server);
      await server[Symbol.asyncDispose]();
      t.note('server', server.listening);
      await t.net.createServer()[Symbol.asyncDispose]();
      const idle = t.net.createServer();
      t.note('server', idle.unref() === idle, idle.ref() === idle);
    },
  },
  {
    name: 'a captured rejection of a connection’s listener ends the connection, another is the server’s error',
    covers: ['Server event connection', 'Server event error'],
    async run(t) {
      const { client, peer, server } = await t.pair();
      t.watchServer('server', server);
      client.resume();
      server[captureRejectionSymbol]?.(new Error('not this one'), 'connection', peer);
      await t.closed(client, peer);
      server[captureRejectionSymbol]?.(new Error('nor this'), 'listening');
    },
  },
  {
    name: 'many connections at once, each its own',
    covers: ['Server.getConnections', 'Server event connection'],
    async run(t) {
      const server = await t.server({}, (peer) => peer.pipe(peer));
      const texts = await Promise.all(
        Array.from({ length: 40 }, async (_each, i) => {
          const client = t.net.connect(portOf(server), t.far);
          client.end(`number ${i}`);
          return String(await allOf(client));
        }),
      );
      t.note('clients', texts);
    },
  },
  {
    name: 'the functions and classes that are no sockets are Node’s own',
    covers: [
      'net.isIP',
      'net.isIPv4',
      'net.isIPv6',
      'net.BlockList',
      'net.SocketAddress',
      'net.getDefaultAutoSelectFamily',
      'net.setDefaultAutoSelectFamily',
      'net.getDefaultAutoSelectFamilyAttemptTimeout',
      'net.setDefaultAutoSelectFamilyAttemptTimeout',
    ],
    async run(t) {
      for (const name of [
        'isIP',
        'isIPv4',
        'isIPv6',
        'BlockList',
        'SocketAddress',
        'getDefaultAutoSelectFamily',
        'setDefaultAutoSelectFamily',
        'getDefaultAutoSelectFamilyAttemptTimeout',
        'setDefaultAutoSelectFamilyAttemptTimeout',
      ])
        t.note(name, Reflect.get(t.net, name) === Reflect.get(net, name));
      t.note('isIP', t.net.isIP('1.2.3.4'), t.net.isIP('::1'), t.net.isIP('x'));
    },
  },
];
