/**
 * A driver by hand, for its tests: `REMOTE:PORT [GUARD] [--driver raw|packet|any] [--interface NAME] [--any-port] [--worker]`, or
 * `… --worker --shares N`, for so many workers that share the connections to one port out among them. Lines on its input:
 *   syn            SYN, with the sequence number 1000 and no options but an MSS
 *   ack            acknowledges all that has come
 *   data N         N octets of payload, in one packet
 *   fragments N    N octets of payload in a packet sent as two fragments
 *   flood N        up to N packets of 1400 octets, until one is not taken
 *   rst            RST
 *   count          {"event":"count",…}: the link's counters
 *   close          closes link and guard, says {"event":"closed"}
 *   exit           ends the thread at once, with all open
 *   end            stops reading its input: once the link is closed, nothing keeps the process
 * Packets that come in are said as {"event":"packet",…}, batches as {"event":"batch","packets"}.
 */
import { createInterface } from 'node:readline';
import { isMainThread, Worker } from 'node:worker_threads';
import { Gather } from '../../src/base/gather.ts';
import { seqDiff, toSeq } from '../../src/base/seq.ts';
import { LinkFailure } from '../../src/link/failure.ts';
import { type GuardOptions, guardPort } from '../../src/link/guard.ts';
import type { PacketOut } from '../../src/link/link.ts';
import { routeTo } from '../../src/link/route.ts';
import { type DriverName, openDriver } from '../../src/socket/driver.ts';
import { foldChecksum, pseudoHeaderSum, sumGather, sumOctets } from '../../src/wire/checksum.ts';
import { decodeIpv4, encodeIpv4, IpProtocol, Ipv4Flag, Ipv4Header, ipv4Text, parseIpv4 } from '../../src/wire/ipv4.ts';
import { decodeTcp, encodeTcp, TcpFlag, TcpSegment } from '../../src/wire/tcp.ts';
import { flagsText } from '../../src/wire/tcp-text.ts';

const args = process.argv.slice(2);
const option = (name: string): string | undefined => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined);
/** Of several workers, which: its number, and how many there are. */
const [index, of] = option('--share')?.split('/').map(Number) ?? [];
const say = (record: object): void => console.log(JSON.stringify({ ...record, share: index }));

async function main(): Promise<void> {
  const [host, remotePort] = args[0]!.split(':');
  const remote = parseIpv4(host!)!;
  const forced = option('--interface');
  const route = routeTo(remote, forced === undefined ? {} : { interface: forced });
  // the test writes the arguments
  const kind = (args[1] ?? 'auto') as GuardOptions['kind'];
  const shared = option('--port');
  const guard =
    shared === undefined ? guardPort({ kind, address: route.source, port: 0 }) : { port: Number(shared), close() {} };
  const driver = option('--driver') ?? 'any';
  const { link, fallBack } = await openDriver({
    ...(driver !== 'any' && { driver: driver as DriverName }),
    interface: route.interface,
    addresses: [route.source],
    mtu: route.mtu,
    loopback: route.loopback,
    bind: forced !== undefined,
    ...(args.includes('--any-port') ? {} : { ports: [guard.port] }),
    ...(index !== undefined && of !== undefined && { share: { index, of } }),
  });

  let sndNxt = toSeq(1000);
  let rcvNxt = toSeq(0);
  let batch = 0;
  const ip = new Ipv4Header();
  const seg = new TcpSegment();

  link.start({
    onPacket({ bytes, at, end, checksum, owned }) {
      batch++;
      const outcome = decodeIpv4(bytes, at, end, ip);
      const fields = {
        event: 'packet',
        outcome,
        from: ipv4Text(ip.src),
        protocol: ip.protocol,
        total: end - at,
        fragmentOffset: ip.fragmentOffset,
        checksum,
        owned,
      };
      if (outcome !== 'ok' || ip.protocol !== IpProtocol.TCP || ip.fragmentOffset > 0) return say(fields);
      decodeTcp(bytes, ip.payloadAt, ip.payloadEnd, seg);
      const after = toSeq((seg.seq as unknown as number) + seg.segLen);
      if (seg.has(TcpFlag.SYN) || seqDiff(after, rcvNxt) > 0) rcvNxt = after;
      say({ ...fields, srcPort: seg.srcPort, dstPort: seg.dstPort, flags: flagsText(seg.flags), len: seg.payload.len });
    },
    onBatchEnd() {
      say({ event: 'batch', packets: batch });
      batch = 0;
    },
    onWritable: () => say({ event: 'writable' }),
    onError: (error) => say({ event: 'link-error', ...error }),
  });

  function packet(flags: number, payload: Uint8Array): PacketOut {
    seg.clear();
    seg.srcPort = guard.port;
    seg.dstPort = Number(remotePort);
    seg.seq = sndNxt;
    seg.ack = flags & TcpFlag.ACK ? rcvNxt : toSeq(0);
    seg.flags = flags;
    seg.wnd = 65535;
    if (flags & TcpFlag.SYN) seg.mss = 1460;
    const header = new Uint8Array(120);
    const tcpLen = encodeTcp(seg, header, 20);
    const gather = new Gather();
    gather.push(payload, 0, payload.length);
    const sum = sumGather(
      sumOctets(pseudoHeaderSum(route.source, remote, IpProtocol.TCP, tcpLen + payload.length), header, 20, tcpLen),
      gather,
    );
    const field = foldChecksum(sum);
    header[36] = field >>> 8;
    header[37] = field & 0xff;
    return withIpHeader(header, tcpLen, gather, 0, Ipv4Flag.DF);
  }

  function withIpHeader(
    header: Uint8Array,
    transportLen: number,
    payload: Gather,
    fragmentOffset: number,
    ipFlags: number,
  ): PacketOut {
    ip.clear();
    ip.totalLen = 20 + transportLen + payload.len;
    ip.id = 7;
    ip.flags = ipFlags;
    ip.fragmentOffset = fragmentOffset;
    ip.ttl = 64;
    ip.protocol = IpProtocol.TCP;
    ip.src = route.source;
    ip.dst = remote;
    encodeIpv4(ip, header, 0);
    return { header, headerLen: 20 + transportLen, payload, gsoSize: 0, transportAt: 20, checksumPartial: false };
  }

  function send(flags: number, payload: Uint8Array = new Uint8Array(0)): void {
    const outcome = link.send(packet(flags, payload));
    link.flush();
    sndNxt = toSeq((sndNxt as unknown as number) + payload.length + (flags & TcpFlag.SYN ? 1 : 0));
    say({ event: 'sent', outcome, len: payload.length });
  }

  function sendFragments(len: number): void {
    const whole = packet(TcpFlag.ACK, new Uint8Array(len));
    const octets = new Uint8Array(whole.headerLen - 20 + len);
    octets.set(whole.header.subarray(20, whole.headerLen));
    const cut = 8 * Math.floor(octets.length / 16);
    for (const [from, to, flags] of [
      [0, cut, Ipv4Flag.MF],
      [cut, octets.length, 0],
    ] as const) {
      const part = new Gather();
      part.push(octets, from, to - from);
      say({ event: 'sent', outcome: link.send(withIpHeader(new Uint8Array(60), 0, part, from, flags)) });
    }
    link.flush();
    sndNxt = toSeq((sndNxt as unknown as number) + len);
  }

  function flood(most: number): void {
    const data = packet(TcpFlag.ACK, new Uint8Array(1400));
    let outcome = link.send(data);
    for (let i = 1; i < most && outcome === 'sent'; i++) outcome = link.send(data);
    link.flush();
    say({ event: 'flood', outcome });
  }

  createInterface({ input: process.stdin }).on('line', (line) => {
    const [command, n] = line.split(' ');
    if (command === 'syn') send(TcpFlag.SYN);
    else if (command === 'ack') send(TcpFlag.ACK);
    else if (command === 'data') send(TcpFlag.ACK | TcpFlag.PSH, new Uint8Array(Number(n)));
    else if (command === 'rst') send(TcpFlag.RST);
    else if (command === 'fragments') sendFragments(Number(n));
    else if (command === 'flood') flood(Number(n));
    else if (command === 'count') say({ event: 'count', ...link.counters });
    else if (command === 'end') process.stdin.destroy();
    else if (command === 'exit') process.exit();
    else if (command === 'close') {
      link.close();
      link.close();
      guard.close();
      say({ event: 'closed' });
    }
  });
  const { mtu, receiveMtu } = link;
  say({ event: 'ready', port: guard.port, interface: route.interface, mtu, receiveMtu, driver: link.driver, fallBack });
}

function startWorkers(): void {
  const shares = Number(option('--shares') ?? 0);
  const address = routeTo(parseIpv4(args[0]!.split(':')[0]!)!).source;
  const guard = shares === 0 ? undefined : guardPort({ kind: 'auto', address, port: 0 });
  let left = Math.max(1, shares);
  for (let i = 0; i < Math.max(1, shares); i++) {
    const more = guard === undefined ? [] : ['--port', String(guard.port), '--share', `${i}/${shares}`];
    const worker = new Worker(new URL(import.meta.url), { argv: [...args, ...more], stdin: true });
    process.stdin.pipe(worker.stdin!);
    worker.on('exit', () => {
      if (--left > 0) return;
      process.stdin.destroy();
      guard?.close();
    });
  }
}

if (args.includes('--worker') && isMainThread) startWorkers();
else {
  main().catch((error: unknown) => {
    if (!(error instanceof LinkFailure)) throw error;
    say({ event: 'failure', code: error.code, message: error.message, hint: error.hint });
    process.exitCode = 1;
  });
}
