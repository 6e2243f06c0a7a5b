/** What a session's end means to the user: nothing to say, or a failure with its remedy and exit code. */
import type { ConnectOptions } from './connect-options.ts';
import { CliFailure, Exit, exitOfCode } from './exit.ts';
import type { LogOutput } from './log-output.ts';
import type { SessionEnd } from './session.ts';

/** What the log knows of the connection. */
type Facts = ReturnType<LogOutput['statesOf']> & Pick<LogOutput, 'tally'>;
type Limits = { readonly [K in 'connectTimeout' | 'timeout']?: ConnectOptions[K] | undefined };

export const leavingTimeWait = (o: Pick<ConnectOptions, 'msl'>): string =>
  `TIME-WAIT: both sides have closed; not staying ${2 * (o.msl ?? 30)} s for late segments (--time-wait stays)`;

/** Undefined when it ended well. `peer` is how the user knows it. */
export function endFailure(end: SessionEnd, peer: string, o: Limits, facts: Facts): CliFailure | undefined {
  switch (end.how) {
    case 'closed':
    case 'time-wait':
      return undefined;
    case 'signal':
      return new CliFailure(`${peer}: aborted${facts.lastState?.from === 'SYN-SENT' ? '' : ' (RST)'}`, {
        exitCode: end.signal === 'SIGINT' ? Exit.SIGINT : Exit.SIGTERM,
      });
    case 'output gone':
      // Whoever read our output has had enough: not a failure of ours, and no news to them.
      return end.code === 'EPIPE'
        ? undefined
        : new CliFailure(`cannot write to stdout: ${end.code}`, { hint: 'check where the output goes' });
    case 'no answer':
      return new CliFailure(`connect ${peer}: no answer within ${o.connectTimeout} s`, {
        exitCode: Exit.TIMED_OUT,
        hint: 'the host may be down or a firewall drops the segments; -v shows what was sent',
      });
    case 'idle':
      return new CliFailure(`${peer}: no data for ${o.timeout} s`, {
        exitCode: Exit.TIMED_OUT,
        hint: 'a larger --timeout waits longer',
      });
    case 'failed':
      return failed(end, peer, facts);
  }
}

function failed(end: Extract<SessionEnd, { how: 'failed' }>, peer: string, facts: Facts): CliFailure {
  const last = facts.lastState;
  const began = facts.firstState?.t ?? 0;
  const spent = last === undefined ? '' : ` after ${durationText(last.t - began)}`;
  const state = last?.from ?? 'CLOSED';
  const by = last?.cause === 'icmp' ? 'ICMP' : 'RST';
  switch (end.code) {
    case 'ECONNREFUSED':
      return new CliFailure(`connect ${peer}: connection refused (${by} in ${state}${spent})`, {
        exitCode: Exit.REFUSED,
        hint: 'nothing listens on that port; check it, or start a server there',
      });
    case 'ECONNRESET':
      return new CliFailure(`${peer}: connection reset by the peer (${by} in ${state}${spent})`, {
        exitCode: Exit.RESET,
        hint: 'the peer closed with unread data, died, or refuses what it got; -v shows the last segments',
      });
    case 'ETIMEDOUT':
      return end.connected
        ? new CliFailure(`${peer}: timed out in ${state}: the peer stopped answering${spent}`, {
            exitCode: Exit.TIMED_OUT,
            hint: 'the peer or the path is gone; -v shows each retransmission and each question whether it is there',
          })
        : new CliFailure(`connect ${peer}: timed out: ${facts.tally.segmentsOut} SYNs unanswered${spent}`, {
            exitCode: Exit.TIMED_OUT,
            hint: 'the host may be down or a firewall drops the segments; --connect-timeout gives up sooner',
          });
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return new CliFailure(
        `${end.connected ? '' : 'connect '}${peer}: ${end.code === 'EHOSTUNREACH' ? 'host' : 'network'} unreachable${last?.cause === 'icmp' ? ` (ICMP${spent})` : ''}`,
        {
          exitCode: Exit.UNREACHABLE,
          hint: '`ip route get` shows the way this machine would take',
        },
      );
    default:
      return new CliFailure(`${peer}: ${end.message}`, {
        exitCode: exitOfCode(end.code),
        hint: '-v shows the segments up to the end',
      });
  }
}

/** Microseconds as people say them. */
function durationText(us: number): string {
  if (us < 1000) return `${(us / 1000).toFixed(2)} ms`;
  if (us < 1_000_000) return `${(us / 1000).toFixed(1)} ms`;
  return `${(us / 1_000_000).toFixed(1)} s`;
}
