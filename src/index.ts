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
export { PcapError, type PcapErrorCode } from './pcap/pcap-error.ts';
export type { PcapPacket } from './pcap/pcap-reader.ts';
export type { PcapngPacket } from './pcap/pcapng-reader.ts';
export { type CapturedPacket, readCapture, readCaptureFile } from './pcap/read-capture.ts';
export {
  Cluster,
  type ClusterConnectOptions,
  type ClusterListenOptions,
  type ClusterOptions,
  ClusterSocket,
  openCluster,
} from './socket/cluster.ts';
export {
  type DriverBuffers,
  type DriverName,
  type Host,
  type HostOptions,
  type OwnAddress,
  openHost,
} from './socket/host.ts';
export {
  type ListenHost,
  type ListenHostOptions,
  openListenHost,
  type SkippedInterface,
} from './socket/listen-host.ts';
export { type Connect, type ConnectOpts, type CreateServer, type NetApi, netOver } from './socket/net-api.ts';
export type { NetError } from './socket/net-errors.ts';
export type { OnRead } from './socket/net-read-buffer.ts';
export { Server, type ServerOpts } from './socket/net-server.ts';
export { Socket, type SocketOpts } from './socket/net-socket.ts';
export type { Listening, Network, NetworkConnect, NetworkListen } from './socket/network.ts';
export { nodeClock, nodeRandom } from './socket/node-clock.ts';
export { HostNetwork, type NetworkOptions, processNetwork, setProcessNetwork } from './socket/process-network.ts';
export { StackNetwork, type StackNetworkOptions } from './socket/stack-network.ts';
export type { LinuxTcpInfo } from './socket/tcp-info.ts';
export { TcpServer, type TcpServerOptions } from './socket/tcp-server.ts';
export { type SocketError, type SocketStreamOptions, TcpSocket } from './socket/tcp-socket.ts';
export { type Transition, TransitionTracer } from './socket/transitions.ts';
export type { Endpoint } from './stack/endpoint.ts';
export { type CallErrorCode, TcpError } from './stack/errors.ts';
export type { Listener } from './stack/listener.ts';
export type { CongestionName, ConnectionConfig, PathConfig, Profile, SocketOptions, Sysctl } from './tcp/config.ts';
export type { CaState, TcpInfo } from './tcp/info.ts';
export type { State } from './tcp/machine.ts';
export type { Cause } from './tcp/trace.ts';
export type { StatusHost } from './tools/status/collect.ts';
export { offerStatus, type StatusOffer, type StatusOptions } from './tools/status/offer.ts';
export type { Mac } from './wire/ethernet.ts';
export { type Ipv4, ipv4Text, parseIpv4 } from './wire/ipv4.ts';
