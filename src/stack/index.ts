/** What `import 'tcpx/stack'` gives: a TCP to embed, its virtual time, and the types that go with them. */
export type { Gather } from '../base/gather.ts';
export { type Random, seededRandom } from '../base/random.ts';
export { type Clock, type Micros, micros, ms, NEVER, seconds } from '../base/time.ts';
export { VirtualTime } from '../base/virtual-time.ts';
export type { Fate, FaultCounters, Faults, QueueLimit, Script } from '../link/faults.ts';
export type {
  ChecksumState,
  Link,
  LinkCounters,
  LinkError,
  LinkReceiver,
  PacketIn,
  PacketOut,
  SendOutcome,
} from '../link/link.ts';
export { type MemoryLinkOptions, memoryLink } from '../link/memory.ts';
export { type FaultLink, type FaultTapOptions, faultTap, onFirst, onNth } from '../link/taps/fault.ts';
export {
  type CongestionName,
  DEFAULT_SOCKET_OPTIONS,
  DEFAULT_SYSCTL,
  type SocketOptions,
  type Sysctl,
} from '../tcp/config.ts';
export type { TcpInfo } from '../tcp/info.ts';
export type { Event, State } from '../tcp/machine.ts';
export { TRANSITIONS } from '../tcp/machine.ts';
export type { ErrorCode } from '../tcp/tcb.ts';
export type { SegmentRecord, SendNote, TraceRecord, Tracer } from '../tcp/trace.ts';
export { type Ipv4, ipv4Text, parseIpv4 } from '../wire/ipv4.ts';
export type { StackCounters } from './counters.ts';
export type { Addresses, Endpoint } from './endpoint.ts';
export { TcpError } from './errors.ts';
export type { Listener } from './listener.ts';
export type { PortSource } from './ports.ts';
export { Stack } from './stack.ts';
export type { ConnectOptions, ListenOptions, StackOptions, StackTracer } from './stack-options.ts';
