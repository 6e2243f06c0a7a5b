import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Reply, replyOf, Socks5Handshake, type SocksStep, socksReply } from '../../../../src/tools/proxy/socks5.ts';
import { parseIpv4 } from '../../../../src/wire/ipv4.ts';

const octets = (...parts: readonly (number | string | readonly number[])[]): Uint8Array =>
  Buffer.concat(parts.map((p) => (typeof p === 'string' ? Buffer.from(p, 'latin1') : Buffer.from([p].flat()))));
const NO_LOGIN = octets(5, 1, 0);
const request = (...address: readonly (number | string | readonly number[])[]): Uint8Array =>
  octets(5, 1, 0, ...address, [0x1f, 0x90]);
const answered = (step: SocksStep): number[] => [...(step.answer ?? [])];

/** Greeting and request in one piece. */
function asked(...address: readonly (number | string | readonly number[])[]): SocksStep {
  return new Socks5Handshake().take(octets([...NO_LOGIN], [...request(...address)]));
}

test('a client that asks for an address is connected, and what it sent ahead is kept', () => {
  const handshake = new Socks5Handshake();
  expect(answered(handshake.take(NO_LOGIN))).toEqual([5, 0]);
  const step = handshake.take(octets([...request(1, [192, 0, 2, 7])], 'GET /'));
  expect(step).toMatchObject({ want: 'connect', host: '192.0.2.7', port: 8080 });
  expect(step.want === 'connect' && Buffer.from(step.rest).toString()).toBe('GET /');
});

test('a name is left to be resolved, and an IPv4 address in IPv6 clothes is one', () => {
  expect(asked(3, 11, 'example.com')).toMatchObject({ want: 'connect', host: 'example.com' });
  const mapped = [...new Array<number>(10).fill(0), 255, 255, 10, 0, 0, 9];
  expect(asked(4, mapped)).toMatchObject({ want: 'connect', host: '10.0.0.9' });
});

test.each([
  ['IPv6', octets(5, 1, 0, 4, [0x20, 1, ...new Array<number>(14).fill(1)], [0, 80]), Reply.ADDRESS_TYPE_NOT_SUPPORTED],
  ['an address of no known type', octets(5, 1, 0, 9, [1, 2, 3, 4], [0, 80]), Reply.ADDRESS_TYPE_NOT_SUPPORTED],
  ['BIND', octets(5, 2, 0, 1, [1, 2, 3, 4], [0, 80]), Reply.COMMAND_NOT_SUPPORTED],
  ['UDP ASSOCIATE', octets(5, 3, 0, 1, [1, 2, 3, 4], [0, 80]), Reply.COMMAND_NOT_SUPPORTED],
  ['port 0', octets(5, 1, 0, 1, [1, 2, 3, 4], [0, 0]), Reply.GENERAL_FAILURE],
  ['a name with a NUL in it', octets(5, 1, 0, 3, 3, 'a\0b', [0, 80]), Reply.GENERAL_FAILURE],
  ['an empty name', octets(5, 1, 0, 3, 0, [0, 80]), Reply.GENERAL_FAILURE],
])('%s gets the reply that RFC 1928 has for it', (_, what, reply) => {
  const handshake = new Socks5Handshake();
  handshake.take(NO_LOGIN);
  const step = handshake.take(what);
  expect(step.want).toBe('end');
  expect(answered(step)).toEqual([5, reply, 0, 1, 0, 0, 0, 0, 0, 0]);
});

test('whoever speaks something else is told apart from who speaks SOCKS5', () => {
  const why = (text: Uint8Array): string => {
    const step = new Socks5Handshake().take(text);
    return step.want === 'end' && step.answer === undefined ? step.why : '';
  };
  expect(why(octets(4, 1, 0, 80, [1, 2, 3, 4], 0))).toContain('SOCKS4');
  expect(why(octets('CONNECT example.com:443 HTTP/1.1\r\n'))).toContain('HTTP');
  expect(why(octets(0x16, 3, 1))).toContain('does not speak SOCKS5');
});

describe('with user and password', () => {
  const login = (user: string, password: string): Uint8Array => octets(1, user.length, user, password.length, password);
  const begun = (): Socks5Handshake => {
    const handshake = new Socks5Handshake({ user: 'me', password: 'secret' });
    expect(answered(handshake.take(octets(5, 2, 0, 2)))).toEqual([5, 2]);
    return handshake;
  };

  test('the right ones are let in', () => {
    const handshake = begun();
    expect(answered(handshake.take(login('me', 'secret')))).toEqual([1, 0]);
    expect(handshake.take(request(1, [10, 0, 0, 1]))).toMatchObject({ want: 'connect' });
  });

  test.each([
    ['me', 'Secret'],
    ['you', 'secret'],
    ['', ''],
  ])('%s:%s is not', (user, password) => {
    const step = begun().take(login(user, password));
    expect([step.want, answered(step)]).toEqual(['end', [1, 1]]);
  });

  test('whoever offers none is refused', () => {
    const step = new Socks5Handshake({ user: 'me', password: 'secret' }).take(NO_LOGIN);
    expect([step.want, answered(step)]).toEqual(['end', [5, 0xff]]);
  });
});

test('it makes no difference in which pieces the octets come', () => {
  const whole = octets([...NO_LOGIN], [...request(3, 11, 'example.com')], 'rest');
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 8 })), (lens) => {
      const handshake = new Socks5Handshake();
      const answers: number[] = [];
      let at = 0;
      for (const len of [...lens, whole.length]) {
        const step = handshake.take(whole.subarray(at, Math.min(whole.length, at + len)));
        at = Math.min(whole.length, at + len);
        answers.push(...answered(step));
        if (step.want === 'more') continue;
        expect(step).toMatchObject({ want: 'connect', host: 'example.com', port: 8080 });
        const rest = step.want === 'connect' ? Buffer.from(step.rest).toString() : '';
        expect(rest + Buffer.from(whole.subarray(at)).toString()).toBe('rest');
        break;
      }
      expect(answers).toEqual([5, 0]);
    }),
  );
});

test('nothing that a client sends makes it throw', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 })), fc.boolean(), (pieces, withLogin) => {
      const handshake = new Socks5Handshake(withLogin ? { user: 'a', password: 'b' } : undefined);
      for (const piece of [octets(5, 2, 0, 2), ...pieces]) if (handshake.take(piece).want !== 'more') return;
    }),
  );
});

test('a reply says where the far connection is bound', () => {
  expect([...socksReply(Reply.SUCCEEDED, parseIpv4('192.0.2.200')!, 40_001)]).toEqual([
    5, 0, 0, 1, 192, 0, 2, 200, 0x9c, 0x41,
  ]);
});

test.each([
  ['ECONNREFUSED', 5],
  ['EHOSTUNREACH', 4],
  ['ENOTFOUND', 4],
  ['ENETUNREACH', 3],
  ['ETIMEDOUT', 6],
  ['EAFNOSUPPORT', 8],
  ['EACCES', 2],
  ['EADDRNOTAVAIL', 1],
])('%s is reply %i', (code, reply) => {
  expect(replyOf(code)).toBe(reply);
});
