import { Duplex, PassThrough } from 'node:stream';
import { describe, expect, test, vi } from 'vitest';
import { Relay, type RelayEnd } from '../../../../src/tools/proxy/relay.ts';

interface Pair {
  /** Given to the relay. */
  readonly end: RelayEnd & { wasReset: boolean };
  /** The far user's: what it writes comes out of `end`. */
  readonly user: Duplex;
}

function pair(highWaterMark = 1000): Pair {
  const nothing = (): void => {};
  // Duplex.from destroys what it is made of with an error.
  const toRelay = new PassThrough({ highWaterMark }).on('error', nothing);
  const fromRelay = new PassThrough({ highWaterMark }).on('error', nothing);
  const end = Object.assign(Duplex.from({ readable: toRelay, writable: fromRelay }), {
    wasReset: false,
    resetAndDestroy(this: RelayEnd & { wasReset: boolean }) {
      this.wasReset = true;
      return this.destroy();
    },
  });
  return { end, user: Duplex.from({ readable: fromRelay, writable: toRelay }).on('error', nothing) };
}

/** All of it up to the end; unlike `for await`, it leaves the stream as it is. */
const text = (stream: Duplex): Promise<string> =>
  new Promise((resolve) => {
    let all = '';
    stream
      .on('data', (piece) => {
        all += String(piece);
      })
      .once('end', () => resolve(all));
  });

test('octets go both ways, one side’s end is passed on while the other goes on, and all is counted', async () => {
  const [inside, outside] = [pair(), pair()];
  const relay = new Relay(inside.end, outside.end, undefined);
  inside.user.end('ask');
  expect(await text(outside.user)).toBe('ask');
  outside.user.write('ans');
  outside.user.end('wer');
  expect(await text(inside.user)).toBe('answer');
  expect(await relay.ended).toEqual({ ending: { how: 'closed' }, outward: 3, inward: 6 });
  expect([inside.end.wasReset, outside.end.wasReset]).toEqual([false, false]);
});

test('a side that does not take its octets stops the other', async () => {
  const [inside, outside] = [pair(), pair()];
  const relay = new Relay(inside.end, outside.end, undefined);
  let accepted = 0;
  for (let i = 0; i < 1000; i++) {
    if (inside.user.write(Buffer.alloc(1000))) accepted += 1000;
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(accepted).toBeLessThan(300_000);
  let came = 0;
  outside.user.on('data', (octets: Buffer) => {
    came += octets.length;
  });
  await vi.waitFor(() => expect(came).toBe(1_000_000));
  relay.stop();
});

describe('an abort is passed on', () => {
  test.each(['inside', 'outside'] as const)('from %s', async (side) => {
    const ends = { inside: pair(), outside: pair() };
    const relay = new Relay(ends.inside.end, ends.outside.end, undefined);
    ends[side].end.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
    expect((await relay.ended).ending).toEqual({ how: 'failed', side, code: 'ECONNRESET' });
    expect(ends[side === 'inside' ? 'outside' : 'inside'].end.wasReset).toBe(true);
  });
});

test('one that says nothing for too long is ended, and each octet puts that off', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    const [inside, outside] = [pair(), pair()];
    const relay = new Relay(inside.end, outside.end, 1000);
    let ended = false;
    void relay.ended.then(() => {
      ended = true;
    });
    for (let i = 0; i < 5; i++) {
      vi.advanceTimersByTime(900);
      inside.user.write('x');
      outside.user.read();
      for (let k = 0; k < 10; k++) await new Promise((resolve) => setImmediate(resolve));
      expect(relay.outward).toBe(i + 1);
    }
    expect(ended).toBe(false);
    vi.advanceTimersByTime(1001);
    expect((await relay.ended).ending).toEqual({ how: 'idle' });
    expect([inside.end.wasReset, outside.end.wasReset]).toEqual([true, true]);
  } finally {
    vi.useRealTimers();
  }
});
