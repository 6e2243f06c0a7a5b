/**
 * The public names of tcpx: a TCP on this machine's network, in the shape of Node's `net`, and as streams on hosts of one's
 * own. For embedding see 'tcpx/stack'.
 */

export { LinkFailure } from './link/failure.ts';
export type { GuardKind, PortGuard } from './link/guard.ts';
export type { Route } from './link/route.ts';
export type { CaptureSink } from './link/taps/capture.ts';
export {
  BlockList,
  connect,
  createConnection,
  createServer,
  getDefaultAutoSelectFamily,
  getDefaultAutoSelectFamilyAttemptTimeout,
  isIP,
  isIPv4,
  isIPv6,
  SocketAddress,
  setDefaultAutoSelectFamily,
  setDefaultAutoSelectFamilyAttemptTimeout,
} from './net.ts';
export { PcapError } from './pcap/pcap-reader.ts';
export { type CapturedPacket, readCapture, readCaptureFile } from './pcap/read-capture.ts';
export {
  Cluster,
  type ClusterConnectOptions,
  type ClusterListenOptions,
  type ClusterOptions,
  ClusterSocket,
  openCluster,
} from './socket/cluster.ts';
export { type DriverName, type Host, type HostOptions, type OwnAddress, openHost } from './socket/host.ts';
export { type ListenHost, type ListenHostOptions, openListenHost } from './socket/listen-host.ts';
export { type ConnectOpts, type NetApi, netOver } from './socket/net-api.ts';
export type { NetError } from './socket/net-errors.ts';
export { Server, type ServerOpts } from './socket/net-server.ts';
export { Socket, type SocketOpts } from './socket/net-socket.ts';
export type { Listening, Network, NetworkConnect, NetworkListen } from './socket/network.ts';
export { nodeClock, nodeRandom } from './socket/node-clock.ts';
export { HostNetwork, type NetworkOptions, processNetwork, setProcessNetwork } from './socket/process-network.ts';
export { StackNetwork, type StackNetworkOptions } from './socket/stack-network.ts';
export type { LinuxTcpInfo } from './socket/tcp-info.ts';
export { TcpServer, type TcpServerOptions } from './socket/tcp-server.ts';
export { type SocketError, TcpSocket } from './socket/tcp-socket.ts';
export { type Transition, TransitionTracer } from './socket/transitions.ts';
export type { Endpoint } from './stack/endpoint.ts';
export { TcpError } from './stack/errors.ts';
export type { Listener } from './stack/listener.ts';
export type { TcpInfo } from './tcp/info.ts';
export type { State } from './tcp/machine.ts';
export { offerStatus, type StatusOffer, type StatusOptions } from './tools/status/offer.ts';
export { type Ipv4, ipv4Text, parseIpv4 } from './wire/ipv4.ts';
