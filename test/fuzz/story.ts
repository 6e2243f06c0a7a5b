/**
 * A run as a scenario in packetdrill's language, with what left in between: for `tcpx conform`, a file or a test. What the
 * language can't say, or only the core knows (memory pressure, a connection put away), stands in comments.
 */
import { seqInt } from '../../src/base/seq.ts';
import { formatPacket } from '../../src/tools/scenario/format.ts';
import type { OptionSpec, SegmentSpec } from '../../src/tools/scenario/model.ts';
import { ABSENT, TcpFlag, type TcpSegment } from '../../src/wire/tcp.ts';
import { textSegment } from '../../src/wire/tcp-text.ts';
import { violationOf } from './alone.ts';
import { End, type EndOptions } from './end.ts';
import type { Action, FuzzSegment, Run, Violation } from './model.ts';

export interface Story {
  readonly text: string;
  /** What the language can't say; with any of it the scenario does not play as it happened. */
  readonly leftOut: readonly string[];
  readonly violation: Violation | undefined;
}

/** Plays the run and writes it down. `title`: the scenario's. */
export function storyOf(run: Run, title: string, o: EndOptions = {}): Story {
  const teller = new Teller(run);
  const end = new End(run.setup, {
    ...o,
    onEmit: (out, now) => {
      teller.left(out, now);
      o.onEmit?.(out, now);
    },
  });
  let violation: Violation | undefined;
  try {
    for (const action of run.actions) teller.tell(action, end);
    end.finish();
  } catch (error) {
    violation = violationOf(error);
  }
  teller.end(violation);
  return { text: teller.text(title), leftOut: teller.leftOut, violation };
}

const SOCKET_OPTIONS = new Set(['SO_SNDBUF', 'SO_RCVBUF', 'SO_KEEPALIVE', 'SO_MAX_PACING_RATE']);

class Teller {
  readonly leftOut: string[] = [];
  readonly #run: Run;
  readonly #settings: string[] = [];
  readonly #lines: string[] = [];
  /** What left during the action that is being told, and when. */
  #sent: { readonly line: string; readonly at: number }[] = [];
  /** When the last line happened. */
  #at = 0;
  #isPassive: boolean | undefined;
  #accepted = false;
  #closed = false;

  constructor(run: Run) {
    this.#run = run;
  }

  text(title: string): string {
    const { profile, path } = this.#run.setup;
    const head = [`//! title: ${title}`, ...(profile === 'rfc' ? ['//! profile: rfc'] : []), '//! exact'];
    if (path.receiveMss !== 1460) head.push(`--mtu=${path.receiveMss + 40}`);
    return `${[...head, '', ...this.#settings, ...this.#lines].join('\n')}\n`;
  }

  tell(action: Action, end: End): void {
    this.#at ||= end.now;
    const before = { written: end.written, read: end.rules.read };
    if (action.do !== 'open') this.#accept(end);
    const startedAt = end.now;
    try {
      end.apply(action);
    } finally {
      for (const line of this.#told(action, end, before)) this.#add(line, startedAt);
      for (const { line, at } of this.#sent) this.#add(line, at);
      this.#sent = [];
    }
  }

  left(out: TcpSegment, now: number): void {
    const { iss, irs } = this.#run.setup;
    const text = textSegment(out);
    const spec: SegmentSpec = {
      kind: 'segment',
      ip: {},
      flags: out.flags,
      seq: (text.seq - iss) >>> 0,
      len: text.len,
      ...(out.flags & TcpFlag.ACK && { ack: (text.ack - irs) >>> 0 }),
      wnd: out.wnd,
      ...(out.flags & TcpFlag.URG && { urg: out.urgentPointer }),
      options: optionsOf(out, irs),
    };
    this.#sent.push({ line: `> ${formatPacket(spec)}`, at: now });
  }

  end(violation: Violation | undefined): void {
    if (violation !== undefined) this.#lines.push(`// ${violation.message.split('\n')[0]}`);
  }

  /** With the time since the line before. */
  #add(line: string, now: number): void {
    if (line.startsWith('//')) {
      this.#lines.push(line);
      return;
    }
    const since = Math.max(0, now - this.#at);
    this.#at = now;
    this.#lines.push(`+${(since / 1e6).toFixed(6).replace(/\.?0+$/, '')} ${line}`);
  }

  /** A user's calls need a descriptor, and a passive open has none before it is accepted. */
  #accept(end: End): void {
    if (this.#isPassive !== true || this.#accepted || ['LISTEN', 'SYN-RECEIVED', 'CLOSED'].includes(end.state)) return;
    this.#accepted = true;
    this.#lines.push('+0 accept(3, ..., ...) = 4', '+0 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0');
  }

  #told(action: Action, end: End, before: { readonly written: number; readonly read: number }): readonly string[] {
    const isOpen = this.#isPassive === false || this.#accepted;
    switch (action.do) {
      case 'open':
        return this.#opened(action.kind);
      case 'segment':
        return [`< ${this.#segment(action.seg, action.more === true)}`];
      case 'wait':
        return [];
      case 'path':
      case 'icmp':
        return [`< ${this.#icmp(action)}`];
      default:
        if (!isOpen || this.#closed) return this.#comment(`${action.do} before or after there is a descriptor`);
    }
    switch (action.do) {
      case 'send':
      case 'lend':
      case 'send urgent': {
        const taken = end.written - before.written;
        const flags = action.do === 'send urgent' ? ', MSG_OOB' : '';
        const call = action.do === 'send urgent' ? 'send' : 'write';
        if (taken === 0) return this.#comment(`a write of ${action.len} octets took none`);
        return [`${call}(4, ..., ${action.do === 'lend' ? taken : action.len}${flags}) = ${taken}`];
      }
      case 'receive': {
        const got = end.rules.read - before.read;
        return got === 0 ? [] : [`read(4, ..., ${got}) = ${got}`];
      }
      case 'close':
        return ['shutdown(4, SHUT_WR) = 0'];
      case 'release':
        this.#closed = true;
        return ['close(4) = 0'];
      case 'abort':
        this.#closed = true;
        return ['setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=0}, 8) = 0', 'close(4) = 0'];
      case 'set':
        return [`setsockopt(4, ${optionText(action.name, action.value)}) = 0`];
      default:
        return this.#comment(JSON.stringify(action));
    }
  }

  #comment(what: string): readonly string[] {
    this.leftOut.push(what);
    return [`// ${what}`];
  }

  #opened(kind: 'active' | 'passive'): readonly string[] {
    const { sysctl, options, path, tfo, tfoAccept } = this.#run.setup;
    if (this.#isPassive !== undefined) return this.#comment(`${kind} OPEN`);
    this.#isPassive = kind === 'passive';
    if (path.maxGsoPayload > 0) this.leftOut.push(`a link that cuts ${path.maxGsoPayload} octets`);
    if (tfo !== undefined || tfoAccept) this.leftOut.push('Fast Open with a cookie from before');
    const fd = this.#isPassive ? 3 : 4;
    const settings = Object.entries(sysctl).map(([name, value]) => {
      const text = Array.isArray(value)
        ? `"${value.join(' ')}"`
        : String(typeof value === 'boolean' ? Number(value) : value);
      return `\`sysctl -q net.ipv4.${name}=${text}\``;
    });
    this.#settings.push(...settings);
    const first = [
      `socket(..., SOCK_STREAM, IPPROTO_TCP) = ${fd}`,
      ...Object.entries(options).map(([name, value]) => `setsockopt(${fd}, ${optionText(name, value)}) = 0`),
    ];
    return this.#isPassive
      ? [...first, 'bind(3, ..., ...) = 0', 'listen(3, 10) = 0']
      : [...first, 'fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0', 'connect(4, ..., ...) = -1 EINPROGRESS'];
  }

  #segment(seg: FuzzSegment, more: boolean): string {
    const ecn = (['noecn', 'ect1', 'ect0', 'ce'] as const)[seg.ecn ?? 0]!;
    return formatPacket({
      kind: 'segment',
      ip: { ...(seg.ecn !== undefined && { ecn }), ...(more && { more: true }) },
      flags: seg.flags,
      seq: seg.seq >>> 0,
      len: seg.len,
      ...(seg.flags & TcpFlag.ACK && { ack: seg.ack >>> 0 }),
      wnd: seg.wnd,
      ...(seg.urg !== undefined && { urg: seg.urg }),
      options: optionsIn(seg),
    });
  }

  #icmp(action: Extract<Action, { do: 'icmp' | 'path' }>): string {
    const quoted = `[${action.seq >>> 0}:${(action.seq + 1) >>> 0}(1)]`;
    if (action.do === 'path') return `icmp unreachable frag_needed mtu ${action.mss + 40} ${quoted}`;
    return `icmp unreachable ${ICMP_NAMES[action.code] ?? 'host_unreachable'} ${quoted}`;
  }
}

const ICMP_NAMES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'port_unreachable',
  EHOSTUNREACH: 'host_unreachable',
  ENETUNREACH: 'net_unreachable',
  ENOPROTOOPT: 'protocol_unreachable',
  EACCES: 'admin_prohibited',
};

function optionText(name: string, value: unknown): string {
  const level = SOCKET_OPTIONS.has(name) ? 'SOL_SOCKET' : 'IPPROTO_TCP';
  if (typeof value === 'string') return `${level}, ${name}, "${value}", ${value.length}`;
  return `${level}, ${name}, [${Number(value)}], 4`;
}

function optionsIn(seg: FuzzSegment): readonly OptionSpec[] {
  const options: OptionSpec[] = [];
  const nops = (n: number): void => {
    for (let i = 0; i < n; i++) options.push({ kind: 'nop' });
  };
  if (seg.mss !== undefined) options.push({ kind: 'mss', n: seg.mss });
  if (seg.sackOk) {
    nops(2);
    options.push({ kind: 'sackOK' });
  }
  if (seg.ts !== undefined) {
    nops(2);
    options.push({ kind: 'TS', val: seg.ts[0] >>> 0, ecr: seg.ts[1] >>> 0 });
  }
  if (seg.wscale !== undefined) {
    nops(1);
    options.push({ kind: 'wscale', n: seg.wscale });
  }
  if (seg.tfo !== undefined) options.push({ kind: 'FO', cookie: seg.tfo });
  if (seg.sack !== undefined && seg.sack.length > 1) {
    nops(2);
    const blocks = Array.from(
      { length: seg.sack.length >> 1 },
      (_, i) => [seg.sack![2 * i]! >>> 0, seg.sack![2 * i + 1]! >>> 0] as const,
    );
    options.push({ kind: 'sack', blocks });
  }
  return options;
}

/** In Linux's order, which is ours: see encodeTcp. */
function optionsOf(out: TcpSegment, irs: number): readonly OptionSpec[] {
  const options: OptionSpec[] = [];
  const nop = { kind: 'nop' } as const;
  if (out.mss !== ABSENT) options.push({ kind: 'mss', n: out.mss });
  const ts = out.hasTimestamps && ({ kind: 'TS', val: out.tsVal >>> 0, ecr: out.tsEcr >>> 0 } as const);
  if (out.sackPermitted) options.push(...(ts ? [] : [nop, nop]), { kind: 'sackOK' });
  if (ts) options.push(...(out.sackPermitted ? [] : [nop, nop]), ts);
  if (out.wscale !== ABSENT) options.push(nop, { kind: 'wscale', n: out.wscale });
  if (out.fastOpenLen !== ABSENT) {
    const cookie = Array.from(out.fastOpenCookie.subarray(0, out.fastOpenLen), (o) => o.toString(16).padStart(2, '0'));
    options.push({ kind: 'FO', cookie: cookie.join('') });
    for (let len = 2 + out.fastOpenLen; len % 4 !== 0; len++) options.push(nop);
  }
  if (out.sackCount > 0) {
    const at = (i: number): number => (seqInt(out.sack[i]!) - irs) >>> 0;
    const blocks = Array.from({ length: out.sackCount }, (_, i) => [at(2 * i), at(2 * i + 1)] as const);
    options.push(nop, nop, { kind: 'sack', blocks });
  }
  return options;
}
