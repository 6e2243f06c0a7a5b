/** A script in packetdrill's language, with what tcpx does: `tcpx conform FILE --on both` plays it. */
import { ANY, list, name, type ScenarioBuilder, scenario } from '../../../src/tools/scenario/builder.ts';
import type { OptionSpec, SegmentSpec, Value } from '../../../src/tools/scenario/model.ts';
import { TcpFlag } from '../../../src/wire/tcp.ts';
import { flagsText } from '../../../src/wire/tcp-text.ts';
import type { Called, Played, Sent } from './play.ts';
import { type Script, type ScriptStep, STEP_US } from './script.ts';
import { settingsOf } from './stages.ts';

/** Octets that the descriptor of who listens or connects, and of who is accepted, are known by. */
const FIRST_FD = 3;
const ACCEPTED_FD = 4;
/** Microseconds by which a kernel's timers may be late. */
const TOLERANCE_US = 100_000;

/** `played`: the script on tcpx, at its own pace. */
export function scriptText(script: Script, played: Played): string {
  const to = scenario(`script ${script.number} of the differential fuzzer`).option(
    'tolerance_usecs',
    String(TOLERANCE_US),
  );
  for (const [key, value] of Object.entries(settingsOf(script.family)))
    to.command(`sysctl -q net.ipv4.${key}=${value}`);
  new Writer(to, played).write(script);
  return to.text();
}

/** A RST for what had no connection: its number can't be written down, and nothing remembers it. */
const isNobodys = ({ text }: Sent): boolean => /^R.* any\(/.test(text);

class Writer {
  readonly #to: ScenarioBuilder;
  readonly #played: Played;
  #fd = -1;
  /** When the step before happened, microseconds since the scenario began. */
  #at = 0;
  /** The stack's last timestamp: what the peer echoes. */
  #lastTsVal = 0;
  #hasPacket = false;

  constructor(to: ScenarioBuilder, played: Played) {
    this.#to = to;
    this.#played = played;
  }

  write(script: Script): void {
    script.steps.forEach((step, i) => {
      this.#until(i * STEP_US);
      const sent = this.#played.sent.filter((s) => s.step === i);
      if (sent.some(isNobodys)) {
        this.#to.command('true');
        return;
      }
      this.#step(
        step,
        this.#played.calls.filter((c) => c.step === i),
      );
      for (const { at, spec } of sent) {
        this.#until(at);
        this.#out(spec);
      }
    });
    this.#until(Math.max(this.#at, script.steps.length * STEP_US));
    this.#to.command('true');
  }

  #until(at: number): void {
    this.#to.after(at - this.#at);
    this.#at = at;
  }

  #step(step: ScriptStep, called: readonly Called[]): void {
    switch (step.do) {
      case 'in':
        this.#in(step.packet);
        return;
      case 'listen':
        this.#socket();
        this.#call('bind', [FIRST_FD, ANY, ANY], called);
        this.#call('listen', [FIRST_FD, 5], called);
        return;
      case 'connect':
        this.#fd = FIRST_FD;
        this.#socket();
        this.#noDelay();
        this.#call('connect', [FIRST_FD, ANY, ANY], called);
        return;
      case 'accept':
        this.#accept(called);
        return;
      case 'user':
        if (this.#fd >= 0) this.#user(step.user, called);
        else this.#to.command('true');
        return;
      case 'nothing':
        this.#to.command('true');
        return;
    }
  }

  #socket(): void {
    this.#to.call('socket', [ANY, name('SOCK_STREAM'), name('IPPROTO_TCP')], FIRST_FD);
    this.#nonBlocking(FIRST_FD);
  }

  #nonBlocking(fd: number): void {
    const flags: Value = { kind: 'flags', of: [name('O_RDWR'), name('O_NONBLOCK')] };
    this.#to.call('fcntl', [fd, name('F_SETFL'), flags], 0);
  }

  #noDelay(): void {
    this.#to.call('setsockopt', [this.#fd, name('IPPROTO_TCP'), name('TCP_NODELAY'), list(1), 4], 0);
  }

  #accept(called: readonly Called[]): void {
    if (called[0]?.text !== 'accept ok') {
      this.#call('accept', [FIRST_FD, ANY, ANY], called);
      return;
    }
    this.#fd = ACCEPTED_FD;
    this.#to.call('accept', [FIRST_FD, ANY, ANY], ACCEPTED_FD);
    this.#nonBlocking(ACCEPTED_FD);
    this.#noDelay();
  }

  #user(user: Extract<ScriptStep, { do: 'user' }>['user'], called: readonly Called[]): void {
    const fd = this.#fd;
    switch (user.call) {
      case 'write':
        this.#call('write', [fd, ANY, user.len], called);
        return;
      case 'read':
        this.#call('read', [fd, ANY, 65_536], called);
        return;
      case 'shutdown':
        this.#call('shutdown', [fd, name('SHUT_WR')], called);
        return;
      case 'abort':
        this.#to.call('setsockopt', [fd, name('SOL_SOCKET'), name('SO_LINGER'), LINGER, 8], 0);
        break;
      case 'close':
        break;
    }
    this.#fd = -1;
    this.#call('close', [fd], called);
  }

  /** With what it came to on tcpx. */
  #call(call: string, args: readonly (number | Value)[], called: readonly Called[]): void {
    const result = called.find((c) => c.text.startsWith(`${call} `))?.text.split(' ')[1] ?? '0';
    if (/^[0-9]+$/.test(result)) this.#to.call(call, args, Number(result));
    else this.#to.call(call, args, -1, { errno: result });
  }

  #in(packet: SegmentSpec): void {
    const { flags, seq, len, ack, wnd, options } = packet;
    const echoed = options === 'any' ? options : options.map((o) => this.#echoing(o));
    // One connection, whatever was in it: a SYN behind its end is no other one's.
    const ip = flags & TcpFlag.SYN && this.#hasPacket ? { conn: 1 } : {};
    this.#hasPacket = true;
    this.#to.in(flagsText(flags), seq, {
      ip,
      len,
      ...(ack !== undefined && { ack }),
      ...(wnd !== undefined && { wnd }),
      options: echoed,
    });
  }

  #echoing(option: OptionSpec): OptionSpec {
    return option.kind === 'TS' ? { ...option, ecr: this.#lastTsVal } : option;
  }

  #out({ flags, seq, len, ack, wnd, options }: SegmentSpec): void {
    if (options !== 'any') for (const o of options) if (o.kind === 'TS') this.#lastTsVal = o.val;
    this.#to.out(flagsText(flags), seq, {
      len,
      ...(ack !== undefined && { ack }),
      ...(wnd !== undefined && { wnd }),
      options,
    });
  }
}

const LINGER: Value = {
  kind: 'struct',
  fields: [
    { name: 'onoff', value: { kind: 'number', n: 1 } },
    { name: 'linger', value: { kind: 'number', n: 0 } },
  ],
};
