/** How everything begins: with nothing counted, measured, owed or under way, but for what is said here. */
import { describe, expect, test } from 'vitest';
import { DEFAULT_SOCKET_OPTIONS, profileSysctl } from '../../../src/tcp/config.ts';
import { emptySample } from '../../../src/tcp/congestion/controller.ts';
import { newController } from '../../../src/tcp/congestion/controllers.ts';
import { Tcb } from '../../../src/tcp/tcb.ts';
import { TIMER_NAMES } from '../../../src/tcp/timers.ts';
import { NO_TRACE } from '../../../src/tcp/trace.ts';
import { type Innards, innards } from '../../support/innards.ts';

const CONFIG = {
  profile: 'linux',
  sysctl: profileSysctl('linux'),
  options: DEFAULT_SOCKET_OPTIONS,
  path: { receiveMss: 1460, sendMss: 1400, defaultMss: 536, maxGsoPayload: 0 },
} as const;

/** Every number that is not 0 and every flag that is on, by its path. */
function begun(object: object, leave: readonly string[] = []): Record<string, string> {
  const found: Record<string, string> = {};
  const visit = (of: Innards, path: string): void => {
    if (typeof of !== 'string') for (const [name, inner] of Object.entries(of)) visit(inner, `${path}${name}.`);
    else if (/^(number|boolean) (?!0$|false$)/.test(of)) found[path.slice(0, -1)] = of.slice(of.indexOf(' ') + 1);
  };
  visit(innards(object, leave), '');
  return found;
}

test('a connection that has not begun has no past', () => {
  const tcb = new Tcb(0, CONFIG, NO_TRACE);
  expect(begun(tcb, ['config', 'options', 'tracer', 'machine', 'congestion', 'timers'])).toEqual({
    // What one may assume of a peer that has said nothing (RFC 9293 MUST-15).
    peerMss: '536',
    smss: '536',
    'ackPolicy.rcvMss': '536',
    'pathMtu.mss': '1400',
    'pathMtu.#low': '1400',
    'pathMtu.#high': '1400',
    'pathMtu.#most': '1400',
    'pathMtu.#nextProbeAt': 'Infinity',
    // RFC 6298 §2.1.
    'rtt.#rto': '1000000',
    'rtt.#floor': '200000',
    'rtt.#ceiling': '120000000',
    rcvWscale: '7',
    'receiveBuffer.capacity': '65536',
    'receiveBuffer.#most': '6291456',
    'board.#free': '-1',
    'board.#oldest': '-1',
    'board.#newest': '-1',
    'rack.reordering': '3',
    'rack.#steps': '1',
    lastInvalidAckAt: '-Infinity',
  });
  expect(TIMER_NAMES.filter((_, timer) => tcb.timers.isSet(timer as 0))).toEqual([]);
});

describe('a controller begins with the initial window, no threshold and no past', () => {
  const begins = { cwnd: '10000', ssthresh: 'Infinity', '#smss': '1000', '#initial': '10' };
  const never = 'Infinity';

  test.each([
    ['reno' as const, begins],
    [
      'cubic' as const,
      {
        '#state.cwnd': '10000',
        '#state.ssthresh': never,
        '#state.epochStart': '-Infinity',
        '#prior.ssthresh': never,
        '#prior.epochStart': '-Infinity',
        '#hystart.#windowEnd': '-1',
        '#hystart.#lastRoundMinRtt': never,
        '#hystart.#currentRoundMinRtt': never,
        '#hystart.#cssBaselineMinRtt': never,
        '#smss': '1000',
        '#initial': '10',
      },
    ],
    [
      'bbr' as const,
      {
        ...begins,
        ownsRecovery: 'true',
        // 2.77 windows in the millisecond that a round trip is taken for.
        pacingRate: '27700000',
        '#model.bwShortterm': never,
        '#model.inflightShortterm': never,
        '#model.inflightLongterm': never,
        '#model.minRtt': never,
        '#model.#probeRttMinDelay': never,
        '#isFresh': 'true',
        '#ackedPerIncrement': never,
      },
    ],
  ])('%s', (name, state) => {
    const found = begun(newController(name, 1000, 10, 1, false));
    // How long a list is, is none of its numbers.
    expect(Object.fromEntries(Object.entries(found).filter(([path]) => !path.endsWith('.length')))).toEqual(state);
  });
});

test('a sample tells nothing until it is filled', () => {
  expect(begun(emptySample())).toEqual({});
});
