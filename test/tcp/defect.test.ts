import { expect, test } from 'vitest';
import {
  memoryLink,
  ms,
  parseIpv4,
  Stack,
  seededRandom,
  type TraceRecord,
  VirtualTime,
} from '../../src/stack/index.ts';

test('a bug of ours ends its own connection by RST, is traced, and leaves the others alone', () => {
  const time = new VirtualTime();
  const [a, b] = memoryLink(time, { delay: ms(1) });
  const records: TraceRecord[] = [];
  let armed = false;
  const client = new Stack({
    clock: time.clock(),
    random: seededRandom(1),
    link: a,
    address: parseIpv4('10.0.0.1')!,
    tracer: {
      enabled: true,
      open: () => {},
      // Thrown from the middle of the core's work on a segment: the stand-in for a bug.
      record: (r) => {
        if (armed && r.conn === 1 && r.type === 'segment' && r.dir === 'in') {
          armed = false;
          throw new Error('a bug');
        }
        records.push(r);
      },
    },
  });
  const server = new Stack({ clock: time.clock(), random: seededRandom(2), link: b, address: parseIpv4('10.0.0.2')! });
  const listener = server.listen({ port: 80 });
  const to = { address: parseIpv4('10.0.0.2')!, port: 80 };
  const broken = client.connect(to);
  const sound = client.connect(to);
  time.runUntil(ms(10));
  const [first, second] = [listener.accept()!, listener.accept()!];

  armed = true;
  first.send(new Uint8Array(100));
  time.runUntil(ms(20));

  expect([broken.state, broken.error, broken.connection.defect?.message]).toEqual(['CLOSED', 'EPROTO', 'a bug']);
  expect(records).toContainEqual({ t: ms(11), conn: 1, type: 'error', code: 'EPROTO', message: 'a bug' });
  expect(client.counters.defects).toBe(1);
  expect([first.state, first.error]).toEqual(['CLOSED', 'ECONNRESET']);

  second.send(new Uint8Array(7));
  time.runUntil(ms(30));
  expect(sound.receive()).toEqual(new Uint8Array(7));
});
