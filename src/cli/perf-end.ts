/** What the end of a measurement means to its user: nothing to say, or a failure with its remedy and exit code. */
import type { PerfMode } from '../tools/perf/model.ts';
import type { PerfResult } from '../tools/perf/run.ts';
import type { Trouble } from '../tools/perf/stream.ts';
import { octetsText } from '../tools/perf/text.ts';
import { CliFailure, codeOf, Exit, exitOfCode, failureFrom } from './exit.ts';
import type { Signal } from './io.ts';

const SERVER: Readonly<Record<PerfMode, string>> = {
  send: '--send wants a peer that reads for as long as we write, for example `tcpx listen -k --discard PORT` there',
  receive: '--receive wants a peer that sends for as long as we read, for example `tcpx listen -k --source PORT` there',
  echo: '--echo wants a peer that sends back what it gets, for example `tcpx listen -k --echo PORT` there',
};

/** A connection that did not come about. `peer` is how the user knows it. */
export function connectFailure(error: unknown, peer: string, timeout: number | undefined): CliFailure {
  const say = (what: string, exitCode: number, hint: string): CliFailure =>
    new CliFailure(`connect ${peer}: ${what}`, { exitCode, hint, cause: error });
  switch (codeOf(error)) {
    case 'ECONNREFUSED':
      return say('connection refused', Exit.REFUSED, 'nothing listens on that port; check it, or start a server there');
    case 'ETIMEDOUT':
      return say(
        error instanceof Error && 'ours' in error ? `no answer within ${timeout} s` : 'timed out',
        Exit.TIMED_OUT,
        'the host may be down or a firewall drops the segments; `tcpx connect -v` shows what was sent',
      );
    case 'ECONNRESET':
      return say('reset by the peer', Exit.RESET, 'the peer has closed before the measurement could begin');
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return say('unreachable', Exit.UNREACHABLE, '`ip route get` shows the way this machine would take');
    case 'EADDRNOTAVAIL':
      return say(
        'the source address is not one of this machine, or no port is left',
        Exit.FAILURE,
        '`ip -4 address` lists what there is',
      );
    default:
      return failureFrom(error);
  }
}

const timeText = (seconds: number): string =>
  seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`;

/** Undefined when it ended as it should. `signal`: the one that ended it. */
export function perfFailure(
  mode: PerfMode,
  { outcome, streams, seconds }: PerfResult,
  peer: string,
  signal: Signal | undefined,
): CliFailure | undefined {
  const after = `after ${timeText(seconds)}`;
  switch (outcome.how) {
    case 'done':
      return undefined;
    case 'stopped':
      return new CliFailure(`${peer}: ended by ${signal === 'SIGTERM' ? 'SIGTERM' : '^C'} ${after}`, {
        exitCode: signal === 'SIGTERM' ? Exit.SIGTERM : Exit.SIGINT,
      });
    case 'silence':
      return new CliFailure(`${peer}: nothing ${mode === 'echo' ? 'came back' : 'came'} in ${timeText(seconds)}`, {
        hint: SERVER[mode],
      });
    case 'stalled':
      return new CliFailure(
        `${peer}: ${octetsText(outcome.octets)} ${mode === 'echo' ? 'did not come back' : 'were not acknowledged'} within ${outcome.seconds} s after the end`,
        {
          exitCode: Exit.TIMED_OUT,
          hint: mode === 'echo' ? SERVER.echo : 'the peer has stopped reading, or the path is gone',
        },
      );
    case 'failed': {
      const stream = streams.length > 1 ? `stream ${outcome.stream} ` : '';
      return troubleFailure(mode, outcome.trouble, peer, `${stream}${after}`);
    }
  }
}

function troubleFailure(mode: PerfMode, trouble: Trouble, peer: string, when: string): CliFailure {
  switch (trouble.why) {
    case 'peer closed':
      return new CliFailure(`${peer}: the peer closed its side ${when}, before the measurement was over`, {
        hint: SERVER[mode],
      });
    case 'echo differs':
      return new CliFailure(`${peer}: what came back is not what was sent, from octet ${trouble.at} on (${when})`, {
        hint: SERVER.echo,
      });
    case 'error':
      switch (trouble.code) {
        case 'ECONNRESET':
        case 'EPIPE':
          return new CliFailure(`${peer}: connection reset by the peer ${when}`, {
            exitCode: Exit.RESET,
            hint: SERVER[mode],
          });
        case 'ETIMEDOUT':
          return new CliFailure(`${peer}: the peer stopped answering ${when}`, {
            exitCode: Exit.TIMED_OUT,
            hint: 'the peer or the path is gone; `tcpx connect -v` shows each retransmission',
          });
        default:
          return new CliFailure(`${peer}: ${trouble.message} ${when}`, {
            exitCode: exitOfCode(trouble.code),
            hint: '`tcpx connect -v` shows the segments up to the end',
          });
      }
  }
}
