/**
 * A flood of crafted segments from one interface, at a rate, for a time: what an attacker on the path or behind it sends.
 *
 *   --interface NAME --to MAC --target ADDR:PORT --kind KIND --rate N --seconds S
 *   --source ADDR            who we are (default: another address in 198.18.0.0/15 for each segment)
 *   --ports N                for `octets`: the first of the ports from which ten connections are opened before (20000)
 *
 * Kinds: `syn`, with the options a Linux client sends; `rst` and `ack`, at random sequence numbers; `data` for the target's
 * ports above the one given; `fragments` that overlap; `octets`, segments of one octet with a hole of one octet before each,
 * on connections of our own (needs --source, an address whose kernel stays silent).
 *
 * NDJSON on stdout: ready, begun (`octets`: with connections), done {sent, seconds, rate, answers}.
 */
import { parseArgs } from 'node:util';
import { Gather } from '../../src/base/gather.ts';
import { seededRandom } from '../../src/base/random.ts';
import { type Seq, seqAdd, toSeq } from '../../src/base/seq.ts';
import { frameFilter } from '../../src/link/filter.ts';
import type { FrameIn } from '../../src/link/frames.ts';
import type { PacketOut } from '../../src/link/link.ts';
import { openPacketSocket } from '../../src/link/packet-socket.ts';
import { foldChecksum, pseudoHeaderSum, sumGather, sumOctets } from '../../src/wire/checksum.ts';
import {
  ETHERNET_HEADER_LEN,
  EthernetHeader,
  EtherType,
  encodeEthernet,
  MAC_NONE,
  parseMac,
} from '../../src/wire/ethernet.ts';
import {
  decodeIpv4,
  encodeIpv4,
  IpProtocol,
  type Ipv4,
  Ipv4Flag,
  Ipv4Header,
  parseIpv4,
  toIpv4,
} from '../../src/wire/ipv4.ts';
import { decodeTcp, encodeTcp, TcpFlag, TcpSegment } from '../../src/wire/tcp.ts';

const string = { type: 'string' } as const;
const { values: o } = parseArgs({
  options: {
    interface: string,
    to: string,
    target: string,
    kind: string,
    rate: string,
    seconds: string,
    source: string,
    ports: string,
    seed: string,
  },
});

const say = (event: string, fields: object = {}): void =>
  void process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
const [targetText = '', portText] = (o.target ?? '').split(':');
const target = parseIpv4(targetText)!;
const targetPort = Number(portText);
const source = o.source === undefined ? undefined : parseIpv4(o.source);
const rate = Number(o.rate);
const seconds = Number(o.seconds);
const random = seededRandom(Number(o.seed ?? 1));
const TCP_AT = 20;

const frames = openPacketSocket({
  interface: o.interface!,
  pastQueues: true,
  ...(source !== undefined && { filter: frameFilter({ addresses: [source], arp: false }) }),
});
const ethernet = new Uint8Array(ETHERNET_HEADER_LEN);
const header = new EthernetHeader();
header.src = frames.mac;
header.dst = parseMac(o.to ?? '') ?? MAC_NONE;
header.type = EtherType.IPV4;
encodeEthernet(header, ethernet, 0);

const ip = new Ipv4Header();
const seg = new TcpSegment();
const octets = new Uint8Array(120);
const payload = new Gather();
const ONE_OCTET = new Uint8Array(1);
const A_FEW = new Uint8Array(100);
let answers = 0;
let id = 0;

/** The segment in `seg` with the first `payloadLen` octets of A_FEW; 'full' when it has to wait. */
function send(from: Ipv4, data: Uint8Array, flags: number = Ipv4Flag.DF, fragmentOffset = 0): boolean {
  ip.clear();
  payload.clear();
  if (data.length > 0) payload.push(data, 0, data.length);
  const tcpLen = encodeTcp(seg, octets, TCP_AT);
  ip.totalLen = TCP_AT + tcpLen + data.length;
  ip.id = id++ & 0xffff;
  ip.flags = flags;
  ip.fragmentOffset = fragmentOffset;
  ip.ttl = 64;
  ip.protocol = IpProtocol.TCP;
  ip.src = from;
  ip.dst = target;
  encodeIpv4(ip, octets, 0);
  const pseudo = pseudoHeaderSum(from, target, IpProtocol.TCP, tcpLen + data.length);
  const sum = foldChecksum(sumGather(sumOctets(pseudo, octets, TCP_AT, tcpLen), payload));
  octets[TCP_AT + 16] = sum >>> 8;
  octets[TCP_AT + 17] = sum & 0xff;
  const packet: PacketOut = {
    header: octets,
    headerLen: TCP_AT + tcpLen,
    payload,
    gsoSize: 0,
    transportAt: TCP_AT,
    checksumPartial: false,
  };
  return frames.send(ethernet, packet) === 'sent';
}

const someone = (): Ipv4 => source ?? toIpv4(0xc612_0000 | (random.uint32() & 0x1_ffff));
const somePort = (): number => 1024 + (random.uint32() % 64_000);

function blank(): Ipv4 {
  seg.clear();
  seg.srcPort = somePort();
  seg.dstPort = targetPort;
  seg.seq = toSeq(random.uint32());
  seg.wnd = 64_240;
  return someone();
}

interface Connection {
  readonly port: number;
  sndNxt: Seq;
  ack: Seq;
  open: boolean;
  /** How far the one-octet segments have come. */
  at: number;
}
const connections: Connection[] = [];
/** Octets beyond SND.NXT that the one-octet segments go over, again and again. */
const SPAN = 60_000;
const CONNECTIONS = 10;
let turn = 0;

const KINDS: Readonly<Record<string, () => boolean>> = {
  syn() {
    const from = blank();
    seg.flags = TcpFlag.SYN;
    seg.mss = 1460;
    seg.wscale = 7;
    seg.sackPermitted = true;
    seg.hasTimestamps = true;
    seg.tsVal = random.uint32() | 0;
    return send(from, NOTHING);
  },
  rst() {
    const from = blank();
    seg.flags = TcpFlag.RST;
    return send(from, NOTHING);
  },
  ack() {
    const from = blank();
    seg.flags = TcpFlag.ACK;
    seg.ack = toSeq(random.uint32());
    return send(from, NOTHING);
  },
  data() {
    const from = blank();
    seg.dstPort = targetPort + 1 + (random.uint32() % 1000);
    seg.flags = TcpFlag.ACK | TcpFlag.PSH;
    seg.ack = toSeq(random.uint32());
    return send(from, A_FEW);
  },
  fragments() {
    const from = blank();
    seg.flags = TcpFlag.ACK;
    // Each begins 8 octets before the end of the last, of a few datagrams in turn.
    const part = random.uint32() % 8;
    return send(from, A_FEW, Ipv4Flag.MF, part * 112);
  },
  octets() {
    const c = connections[turn++ % connections.length]!;
    c.at = (c.at + 2) % SPAN;
    seg.clear();
    seg.srcPort = c.port;
    seg.dstPort = targetPort;
    seg.flags = TcpFlag.ACK | TcpFlag.PSH;
    seg.seq = seqAdd(c.sndNxt, c.at + 1);
    seg.ack = c.ack;
    seg.wnd = 64_240;
    return send(source!, ONE_OCTET);
  },
};
const NOTHING = new Uint8Array(0);

function onFrame(frame: FrameIn): void {
  answers++;
  if (decodeIpv4(frame.bytes, frame.at + ETHERNET_HEADER_LEN, frame.end, ip) !== 'ok') return;
  if (decodeTcp(frame.bytes, ip.payloadAt, ip.payloadEnd, seg) !== 'ok') return;
  const c = connections.find((each) => each.port === seg.dstPort);
  if (c === undefined || c.open || !seg.has(TcpFlag.SYN)) return;
  c.open = true;
  c.ack = seqAdd(seg.seq, 1);
  c.sndNxt = seqAdd(c.sndNxt, 1);
  seg.clear();
  seg.srcPort = c.port;
  seg.dstPort = targetPort;
  seg.flags = TcpFlag.ACK;
  seg.seq = c.sndNxt;
  seg.ack = c.ack;
  seg.wnd = 64_240;
  send(source!, NOTHING);
  frames.flush();
  if (connections.every((each) => each.open)) run();
}

frames.start({ onFrame, onBatchEnd() {}, onWritable() {}, onError: (error) => say('link-error', { ...error }) });

function handshake(): void {
  for (let i = 0; i < CONNECTIONS; i++) {
    const port = Number(o.ports ?? 20_000) + i;
    connections.push({ port, sndNxt: toSeq(random.uint32()), ack: toSeq(0), open: false, at: 0 });
  }
  askAll();
}

/** Until all are answered: what is on its way may be lost. */
function askAll(): void {
  const waiting = connections.filter((each) => !each.open);
  for (const c of waiting) {
    seg.clear();
    seg.srcPort = c.port;
    seg.dstPort = targetPort;
    seg.seq = c.sndNxt;
    seg.flags = TcpFlag.SYN;
    seg.mss = 1460;
    seg.wnd = 64_240;
    send(source!, NOTHING);
  }
  frames.flush();
  if (waiting.length > 0) setTimeout(askAll, 500);
}

function run(): void {
  say('begun', { connections: connections.length });
  const one = KINDS[o.kind!]!;
  const beganAt = performance.now();
  let sent = 0;
  const more = (): void => {
    const elapsed = (performance.now() - beganAt) / 1000;
    const due = Math.min(elapsed, seconds) * rate;
    // A second behind at most: what the machine could not send then is not sent at once now.
    while (sent < due && one()) sent++;
    frames.flush();
    if (elapsed < seconds) setTimeout(more, 1);
    else {
      say('done', { sent, seconds: elapsed, rate: Math.round(sent / elapsed), answers });
      process.exit();
    }
  };
  more();
}

say('ready');
if (o.kind === 'octets') handshake();
else run();
