/**
 * `tcpx/adapters`: what hands tcpx's connections to programs' libraries, where that takes more than a line: agents for http
 * and https, servers of every kind, TLS, http2, undici, ioredis. docs/ecosystem.md has an example of each.
 */
export {
  connectHttp2,
  connectTls,
  RedisConnector,
  type UndiciConnectOptions,
  type UndiciTarget,
  undiciConnect,
} from './socket/connectors.ts';
export { HttpAgent, type HttpAgentOptions, HttpsAgent, type HttpsAgentOptions } from './socket/http-agents.ts';
export { onTcpx } from './socket/served.ts';
