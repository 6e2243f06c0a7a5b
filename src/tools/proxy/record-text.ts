/** A proxied connection that is over, as one line for people and as one of NDJSON. */
import { octetsText } from '../perf/text.ts';
import type { ProxyEnding, ProxyRecord } from './proxied.ts';

/** `c7 127.0.0.1:50412 -> example.com:80 (192.0.2.7:80 from 10.0.0.1:40312)  78 B out, 1.26 kB in, 0.214 s: closed`. */
export function recordText(r: ProxyRecord): string {
  const target = r.target ?? '?';
  const far = r.remote === undefined ? '' : ` (${r.remote === target ? '' : `${r.remote} `}from ${r.local})`;
  const passed = `${octetsText(r.octetsOut)} out, ${octetsText(r.octetsIn)} in, ${r.seconds.toFixed(3)} s`;
  return `c${r.id} ${r.client} -> ${target}${far}  ${passed}: ${endingText(r.ending)}`;
}

export function endingText(ending: ProxyEnding): string {
  switch (ending.how) {
    case 'closed':
      return 'closed';
    case 'failed':
      return `${FAILURES[ending.code] ?? ending.code} ${ending.side === 'inside' ? 'by the client' : 'by the target'}`;
    case 'idle':
      return 'nothing passed for too long';
    case 'stopped':
      return 'stopped';
    case 'client left':
      return 'the client left';
    case 'not served':
      return ending.message;
    case 'not connected':
      return `${ending.message}${ending.reply === undefined ? '' : ` (reply ${ending.reply})`}`;
  }
}

const FAILURES: Readonly<Record<string, string>> = {
  ECONNRESET: 'reset',
  EPIPE: 'reset',
  ETIMEDOUT: 'timed out',
};

export function recordJson(r: ProxyRecord): Readonly<Record<string, unknown>> {
  const { ending, seconds, ...facts } = r;
  return { type: 'connection', ...facts, seconds: Number(seconds.toFixed(6)), ending };
}
