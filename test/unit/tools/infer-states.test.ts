import { describe, expect, test } from 'vitest';
import type { State } from '../../../src/tcp/machine.ts';
import { type SeenSegment, StateFollower } from '../../../src/tools/infer-states.ts';

/** `> S 0`, `< S. 0 ack 1`, `> P. 1:19 ack 1`: a segment as an onlooker of the left end sees it. */
function seen(line: string): { readonly out: boolean; readonly seg: SeenSegment } {
  const match = /^([<>]) (\S+) (\d+)(?::(\d+))?(?: ack (\d+))?$/.exec(line);
  if (match === null) throw new Error(`not a segment: ${line}`);
  const [, arrow, flags = '', from, to, ack] = match;
  const seq = Number(from);
  return {
    out: arrow === '>',
    seg: { flags, seq, len: to === undefined ? 0 : Number(to) - seq, ack: ack === undefined ? undefined : Number(ack) },
  };
}

function follow(start: 'CLOSED' | 'LISTEN', lines: readonly string[]): readonly State[] {
  const follower = new StateFollower(start);
  return lines.flatMap((line) => {
    const { out, seg } = seen(line);
    return out ? follower.sent(seg) : follower.received(seg);
  });
}

const HANDSHAKE = ['> S 0', '< S. 0 ack 1', '> . 1 ack 1'];
const SERVED = ['< S 0', '> S. 0 ack 1', '< . 1 ack 1'];

describe('states inferred from the segments of one end', () => {
  test('who closes first goes through FIN-WAIT-1 and FIN-WAIT-2 to TIME-WAIT', () => {
    expect(follow('CLOSED', [...HANDSHAKE, '> F. 1 ack 1', '< . 1 ack 2', '< F. 1 ack 2', '> . 2 ack 2'])).toEqual([
      'SYN-SENT',
      'ESTABLISHED',
      'FIN-WAIT-1',
      'FIN-WAIT-2',
      'TIME-WAIT',
    ]);
  });

  test('a FIN that acknowledges ours takes both steps at once', () => {
    const follower = new StateFollower('CLOSED');
    for (const line of [...HANDSHAKE, '> F. 1 ack 1']) {
      const { out, seg } = seen(line);
      if (out) follower.sent(seg);
      else follower.received(seg);
    }
    expect(follower.received(seen('< F. 1 ack 2').seg)).toEqual(['FIN-WAIT-2', 'TIME-WAIT']);
  });

  test('who closes second goes through CLOSE-WAIT and LAST-ACK to CLOSED', () => {
    expect(follow('CLOSED', [...HANDSHAKE, '< F. 1 ack 1', '> . 1 ack 2', '> F. 1 ack 2', '< . 2 ack 2'])).toEqual([
      'SYN-SENT',
      'ESTABLISHED',
      'CLOSE-WAIT',
      'LAST-ACK',
      'CLOSED',
    ]);
  });

  test('FINs that cross lead through CLOSING', () => {
    expect(follow('CLOSED', [...HANDSHAKE, '> F. 1 ack 1', '< F. 1 ack 1', '> . 2 ack 2', '< . 2 ack 2'])).toEqual([
      'SYN-SENT',
      'ESTABLISHED',
      'FIN-WAIT-1',
      'CLOSING',
      'TIME-WAIT',
    ]);
  });

  test('SYNs that cross lead through SYN-RECEIVED', () => {
    expect(follow('CLOSED', ['> S 0', '< S 0', '> S. 0 ack 1', '< S. 0 ack 1', '> . 1 ack 1', '< . 1 ack 1'])).toEqual([
      'SYN-SENT',
      'SYN-RECEIVED',
      'ESTABLISHED',
    ]);
  });

  test('an end that listens is in SYN-RECEIVED until its SYN is acknowledged', () => {
    expect(follow('LISTEN', SERVED)).toEqual(['SYN-RECEIVED', 'ESTABLISHED']);
  });

  test('an RST before the handshake is over sends a listener back to LISTEN', () => {
    expect(follow('LISTEN', ['< S 0', '> S. 0 ack 1', '< R 1'])).toEqual(['SYN-RECEIVED', 'LISTEN']);
  });

  test('a refusal closes', () => {
    expect(follow('CLOSED', ['> S 0', '< R. 0 ack 1'])).toEqual(['SYN-SENT', 'CLOSED']);
  });

  test('an RST that acknowledges something else than our SYN refuses nothing', () => {
    expect(follow('CLOSED', ['> S 0', '< R. 0 ack 7'])).toEqual(['SYN-SENT']);
  });

  test('an RST of our own closes a connection that stood', () => {
    expect(follow('CLOSED', [...HANDSHAKE, '> R. 1 ack 1'])).toEqual(['SYN-SENT', 'ESTABLISHED', 'CLOSED']);
  });

  test('a SYN sent again is the same SYN', () => {
    expect(follow('CLOSED', ['> S 0', '> S 0', '> S 0', '< S. 0 ack 1'])).toEqual(['SYN-SENT', 'ESTABLISHED']);
  });

  test('a FIN that overtook data counts only once it is acknowledged', () => {
    const ahead = [...HANDSHAKE, '< F. 11 ack 1', '> . 1 ack 1'];
    expect(follow('CLOSED', ahead)).toEqual(['SYN-SENT', 'ESTABLISHED']);
    expect(follow('CLOSED', [...ahead, '< P. 1:11 ack 1', '> . 1 ack 12'])).toEqual([
      'SYN-SENT',
      'ESTABLISHED',
      'CLOSE-WAIT',
    ]);
  });

  test('an ACK of our data is no ACK of our FIN, across the wrap too', () => {
    const base = 2 ** 32 - 5;
    const follower = new StateFollower('CLOSED');
    follower.sent({ flags: 'S', seq: base, len: 0 });
    follower.received({ flags: 'S.', seq: 0, ack: base + 1, len: 0 });
    follower.sent({ flags: 'FP.', seq: base + 1, ack: 1, len: 10 });
    expect(follower.state).toBe('FIN-WAIT-1');
    expect(follower.received({ flags: '.', seq: 1, ack: 6, len: 0 })).toEqual([]);
    expect(follower.received({ flags: '.', seq: 1, ack: 7, len: 0 })).toEqual(['FIN-WAIT-2']);
  });
});
