/** What becomes of a cookie when the SYN that carried it comes to nothing (RFC 7413 §4.1.3.1). */
import { expect, test } from 'vitest';
import { toSeq } from '../../../src/base/seq.ts';
import { micros, seconds } from '../../../src/base/time.ts';
import { Connection } from '../../../src/tcp/connection.ts';
import { NO_TRACE } from '../../../src/tcp/trace.ts';
import { TcpSegment } from '../../../src/wire/tcp.ts';
import { configOf } from '../../support/harness.ts';

/** Data have gone on the SYN. */
function trying(): Connection {
  const c = new Connection(1, configOf({ mss: 1000, sysctl: { tcp_syn_retries: 0 } }), NO_TRACE);
  c.open('active', { iss: 0, tsOffset: 0, tfo: '0102030405060708', tfoMss: 1000 }, micros(0));
  c.send(new Uint8Array(10), micros(0));
  expect(c.emit(micros(0), new TcpSegment())).toBe(true);
  return c;
}

test.each([
  ['nobody answers', (c: Connection) => c.onTimeout(seconds(10)), true],
  ['a router says that nobody will', (c: Connection) => c.onIcmpError('EHOSTUNREACH', toSeq(0), micros(1)), true],
  ['its user gives it up', (c: Connection) => c.abort(micros(1)), false],
  ['its user closes', (c: Connection) => c.close(micros(1)), false],
] as const)('when %s', (_, ends, isRefused) => {
  const c = trying();
  ends(c);
  expect([c.state, c.fastOpenRefused]).toEqual(['CLOSED', isRefused]);
});
