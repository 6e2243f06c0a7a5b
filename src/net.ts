/** `tcpx/net`: the names of `node:net`, for a program that imports this instead. What differs: docs/net-parity.md. */
import { type NetApi, netOver } from './socket/net-api.ts';

const api: NetApi = netOver();

export const {
  connect,
  createConnection,
  createServer,
  Socket,
  Stream,
  Server,
  BlockList,
  SocketAddress,
  isIP,
  isIPv4,
  isIPv6,
  getDefaultAutoSelectFamily,
  setDefaultAutoSelectFamily,
  getDefaultAutoSelectFamilyAttemptTimeout,
  setDefaultAutoSelectFamilyAttemptTimeout,
} = api;
export type Socket = InstanceType<NetApi['Socket']>;
export type Server = InstanceType<NetApi['Server']>;
// `import net from 'node:net'` is how most programs have it.
// biome-ignore lint/style/noDefaultExport: the module that it stands for has one
export default api;
