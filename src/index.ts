/** The public names of tcpx: a TCP on this machine's network, as a Node stream. For embedding see 'tcpx/stack'. */
export { LinkFailure } from './link/failure.ts';
export type { GuardKind, PortGuard } from './link/guard.ts';
export type { Route } from './link/route.ts';
export type { CaptureSink } from './link/taps/capture.ts';
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
export { nodeClock, nodeRandom } from './socket/node-clock.ts';
export { TcpServer, type TcpServerOptions } from './socket/tcp-server.ts';
export { type SocketError, TcpSocket } from './socket/tcp-socket.ts';
export type { Endpoint } from './stack/endpoint.ts';
export { TcpError } from './stack/errors.ts';
export type { Listener } from './stack/listener.ts';
export type { TcpInfo } from './tcp/info.ts';
export type { State } from './tcp/machine.ts';
export { type Ipv4, ipv4Text, parseIpv4 } from './wire/ipv4.ts';
