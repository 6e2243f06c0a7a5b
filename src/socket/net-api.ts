/** What `net` exports, over a network of one's choice. */
import net from 'node:net';
import { normalized, socketOptions } from './net-arguments.ts';
import { Server, type ServerOpts } from './net-server.ts';
import { Socket, type SocketOpts } from './net-socket.ts';
import type { Network } from './network.ts';

type ConnectionListener = (socket: Socket) => void;
type Callback = () => void;

/** Options of a connection: of the socket, and of where it goes. */
export type ConnectOpts = net.TcpSocketConnectOpts & SocketOpts & { readonly timeout?: number | undefined };

export interface Connect {
  (options: ConnectOpts, connectionListener?: Callback): Socket;
  (port: number, host?: string, connectionListener?: Callback): Socket;
  (port: number, connectionListener?: Callback): Socket;
  (path: string, connectionListener?: Callback): Socket;
}

export interface CreateServer {
  (connectionListener?: ConnectionListener): Server;
  (options?: ServerOpts | null, connectionListener?: ConnectionListener): Server;
}

/** The names of `net`, with classes that may be called without `new`, as those may. */
export interface NetApi
  extends Pick<
    typeof net,
    | 'BlockList'
    | 'SocketAddress'
    | 'isIP'
    | 'isIPv4'
    | 'isIPv6'
    | 'getDefaultAutoSelectFamily'
    | 'setDefaultAutoSelectFamily'
    | 'getDefaultAutoSelectFamilyAttemptTimeout'
    | 'setDefaultAutoSelectFamilyAttemptTimeout'
  > {
  readonly connect: Connect;
  readonly createConnection: Connect;
  readonly createServer: CreateServer;
  readonly Socket: typeof Socket & ((options?: SocketOpts) => Socket);
  readonly Stream: NetApi['Socket'];
  readonly Server: typeof Server & CreateServer;
}

/** `network`: the process's own when absent. */
export function netOver(network?: Network): NetApi {
  const own = network === undefined ? {} : { network };
  const NetSocket = network === undefined ? Socket : socketsOver(network);
  const NetServer = network === undefined ? Server : serversOver(network);
  const connectTo = (...args: readonly unknown[]): Socket => {
    const [options, callback] = normalized(args);
    // they are looked at where they are used
    const o = { ...options, ...own } as SocketOpts & { timeout?: number };
    const socket = new NetSocket(o);
    if (o.timeout) socket.setTimeout(o.timeout);
    return socket.connect(options, callback);
  };
  const callable = callableWithoutNew(NetSocket);
  // typed as their overloads are
  const connect = connectTo as Connect;
  const createServer = ((...args: readonly unknown[]) => Reflect.construct(NetServer, args)) as CreateServer;
  return {
    connect,
    createConnection: connect,
    createServer,
    Socket: callable,
    Stream: callable,
    Server: callableWithoutNew(NetServer) as NetApi['Server'],
    BlockList: net.BlockList,
    SocketAddress: net.SocketAddress,
    isIP: net.isIP,
    isIPv4: net.isIPv4,
    isIPv6: net.isIPv6,
    getDefaultAutoSelectFamily: net.getDefaultAutoSelectFamily,
    setDefaultAutoSelectFamily: net.setDefaultAutoSelectFamily,
    getDefaultAutoSelectFamilyAttemptTimeout: net.getDefaultAutoSelectFamilyAttemptTimeout,
    setDefaultAutoSelectFamilyAttemptTimeout: net.setDefaultAutoSelectFamilyAttemptTimeout,
  };
}

function socketsOver(network: Network): typeof Socket {
  return class extends Socket {
    constructor(o: SocketOpts = {}) {
      super({ ...socketOptions(o), network });
    }
  };
}

function serversOver(network: Network): typeof Server {
  return class extends Server {
    constructor(first?: ServerOpts | ConnectionListener | null, second?: ConnectionListener) {
      if (typeof first === 'function') super({ network }, first);
      else super(typeof first === 'object' || first === undefined ? { ...first, network } : first, second);
    }
  };
}

function callableWithoutNew<C extends new (...args: never[]) => object>(
  Class: C,
): C & ((...args: ConstructorParameters<C>) => InstanceType<C>) {
  return new Proxy(Class, {
    apply: (target, _this, args) => Reflect.construct(target, args),
    // a Proxy is what it stands for, and can be called as well
  }) as C & ((...args: ConstructorParameters<C>) => InstanceType<C>);
}
