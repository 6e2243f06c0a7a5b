import { expect, test } from 'vitest';
import { ms } from '../../../../src/base/time.ts';
import { ANY, list, name, type ScenarioBuilder, scenario } from '../../../../src/tools/scenario/builder.ts';
import type { Scenario } from '../../../../src/tools/scenario/model.ts';
import { parseScenario } from '../../../../src/tools/scenario/parse.ts';
import { planScenario } from '../../../../src/tools/scenario/plan.ts';
import { type OpenTarget, openTcpx, playOn } from '../../../../src/tools/scenario/play.ts';
import { failureLines, type Played } from '../../../../src/tools/scenario/report.ts';

const LISTEN = `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
`;
const ESTABLISHED = `${LISTEN}+0 < S 0:0(0) win 32792 <mss 1000>
+0 > S. 0:0(0) ack 1 <mss 1460>
+0 < . 1:1(0) ack 1 win 32792
+0 accept(3, ..., ...) = 4
`;

const play = (s: Scenario): Promise<Played> => playOn(planScenario(s), 'tcpx', openTcpx);
const playText = (text: string): Promise<Played> => play(parseScenario(text, 'a.pkt'));

/** Why it fails: the message and what differs; 'passes' when it does. */
async function outcome(text: string): Promise<string> {
  const { failure } = await playText(text);
  return failure === undefined
    ? 'passes'
    : [`line ${failure.place.line}: ${failure.message}`, ...failure.details].join('; ');
}

test('a scenario that says what happens passes', async () => {
  expect(await outcome(ESTABLISHED)).toBe('passes');
});

test.each([
  ['flags', '+0 > S 0:0(0) <mss 1460>', 'flags: expected S, was S.'],
  ['acknowledgment', '+0 > S. 0:0(0) ack 2 <mss 1460>', 'ack: expected 2, was 1'],
  ['window', '+0 > S. 0:0(0) ack 1 win 1 <mss 1460>', 'win: expected 1, was 64240'],
  ['an option', '+0 > S. 0:0(0) ack 1 <mss 1461>', 'options: expected <mss 1461>, was <mss 1460>'],
  ['options at all', '+0 > S. 0:0(0) ack 1', 'options: expected <>, was <mss 1460>'],
  ['time to live', '+0 > [ttl 63] S. 0:0(0) ack 1 <...>', 'ttl: expected 63, was 64'],
  ['ECN', '+0 > [ce] S. 0:0(0) ack 1 <...>', 'ecn: expected ce, was noecn'],
  ['time', '+.1 > S. 0:0(0) ack 1 <...>', 'time: expected 0.100000, was 0.000000'],
  ['connection', '+0 > [conn 2] S. 0:0(0) ack 1 <...>', 'it belongs to connection 1, expected 2'],
])('a segment with another %s than the one expected fails it', async (_, line, said) => {
  expect(await outcome(`${LISTEN}+0 < S 0:0(0) win 32792 <mss 1000>\n${line}`)).toBe(
    `line 5: ${line.startsWith('+.1') ? 'it left at another time' : 'another segment left'}; ${said}`,
  );
});

test('a stack that throws fails its scenario, where it does, and the others can be played', async () => {
  const broken: OpenTarget = async (plan) => {
    const target = await openTcpx(plan);
    target.inject = () => {
      throw new RangeError('no such octet');
    };
    return target;
  };
  const plan = planScenario(parseScenario(ESTABLISHED, 'a.pkt'));
  const { verdict, failure } = await playOn(plan, 'tcpx', broken);
  expect(verdict).toBe('fail');
  expect(failure).toMatchObject({ place: { line: 4 }, message: 'tcpx itself failed: this is a bug in it' });
  expect(failure?.details[0]).toBe('RangeError: no such octet');
});

test('what never leaves fails it, at the time by which it should have', async () => {
  const { failure } = await playText(`${LISTEN}+.5 > S. 0:0(0) ack 1`);
  expect(failure).toMatchObject({ message: 'nothing left', expected: expect.stringContaining('by 0.500000') });
});

test('what leaves and is not listed fails a scenario that lists all', async () => {
  const text = `${LISTEN}+0 < S 0:0(0) win 32792 <mss 1000>\n+.5 \`true\``;
  expect(await outcome(text)).toBe('passes');
  expect(await outcome(`//! exact\n${text}`)).toBe('line 6: a segment left that nobody expected');
});

test('a call that comes to something else fails it', async () => {
  expect(await outcome(`${ESTABLISHED}+0 write(4, ..., 100) = 99`)).toBe(
    'line 8: write(4, 100) came to something else; expected 99, was 100',
  );
  expect(await outcome(`${ESTABLISHED}+0 connect(4, ..., ...) = -1 EALREADY`)).toContain(
    'expected EALREADY, was -1 EISCONN',
  );
  expect(await outcome(`${ESTABLISHED}+0 getsockopt(4, IPPROTO_TCP, TCP_NODELAY, [1], [4]) = 0`)).toContain(
    'value: expected 1, was 0',
  );
});

test('a call that blocks has to say so, and to return in time', async () => {
  expect(await outcome(`${ESTABLISHED}+0 read(4, ..., 100) = 100`)).toBe(
    'line 8: read(4, 100) has not returned: it blocks',
  );
  const blocked = (until: string): string =>
    `${ESTABLISHED}+0...${until} read(4, ..., 100) = 50\n+.1 < P. 1:51(50) ack 1 win 9\n* > . 1:1(0) ack 51`;
  expect(await outcome(blocked('0.1'))).toBe('passes');
  expect(await outcome(blocked('0.2'))).toContain('it returned at 0.100000, expected at 0.200000');
});

test('an assertion that does not hold fails it, with the values of its names', async () => {
  expect(await outcome(`${ESTABLISHED}+0 %{ assert tcpi_snd_mss == 1000, tcpi_snd_mss }%`)).toBe('passes');
  expect(await outcome(`${ESTABLISHED}+0 %{ assert tcpi_snd_mss > 1000 and True }%`)).toBe(
    'line 8: assert tcpi_snd_mss > 1000 and True: tcpi_snd_mss = 1000',
  );
});

test('what leaves in several segments may be expected in one', async () => {
  const written = `${ESTABLISHED}+0 setsockopt(4, IPPROTO_TCP, TCP_NODELAY, [1], 4) = 0\n+0 write(4, ..., 2500) = 2500\n`;
  expect(await outcome(`${written}+0 > P. 1:2501(2500) ack 1`)).toBe('passes');
  expect(await outcome(`${written}+0 > . 1:1001(1000) ack 1\n+0 > P. 1001:2501(1500) ack 1`)).toBe('passes');
  expect(await outcome(`${written}+0 > P. 1:2502(2501) ack 1`)).toContain('length: expected 2501, was 2500');
});

test('a failure shows the line, both sides in the notation of tcpdump, and what happened since the step before', async () => {
  const { scenario: s, failure } = await playText(
    `${LISTEN}+.1 < S 0:0(0) win 32792 <mss 1000>\n+0 > R. 0:0(0) ack 1\n`,
  );
  expect(failureLines(s, failure!)).toEqual([
    'a.pkt:5: another segment left',
    '  +0 > R. 0:0(0) ack 1',
    '  expected 0.100000  > Flags [R.], seq 0, ack 1, length 0',
    '  was      0.100000  > Flags [S.], seq 0, ack 1, win 64240, options [mss 1460], length 0',
    '  flags: expected R., was S.',
    '  options: expected <>, was <mss 1460>',
    '  since the step before:',
    expect.stringMatching(/^ {4}0\.100000 {2}CLOSED +-> LISTEN/),
    expect.stringMatching(/^ {4}0\.100000 {2}LISTEN +-> SYN-RECEIVED {2}rcv SYN .*< Flags \[S\]/),
    expect.stringMatching(/^ {4}0\.100000 {2}> Flags \[S\.\], seq 0, ack 1, win 64240/),
  ]);
});

test('settings in front of the first step are the stack’s; one that tcpx does not have skips the scenario', async () => {
  const syn = '+0 < S 0:0(0) win 9 <mss 1000,sackOK,TS val 1 ecr 0>\n';
  expect(
    await outcome(
      `\`sysctl -q net.ipv4.tcp_timestamps=0 net.ipv4.tcp_sack=0\`\n${LISTEN}${syn}+0 > S. 0:0(0) ack 1 <mss 1460>`,
    ),
  ).toBe('passes');
  expect(await playText(`\`sysctl -q net.ipv4.tcp_no_such_thing=7\`\n${LISTEN}`)).toMatchObject({
    verdict: 'skip',
    note: 'tcpx has no such setting: tcp_no_such_thing=7',
  });
});

test('the same scenario in TypeScript is the same model, and its text reads back', async () => {
  const listen = (to: ScenarioBuilder): unknown =>
    to
      .call('socket', [ANY, name('SOCK_STREAM'), name('IPPROTO_TCP')], 3)
      .call('bind', [3, ANY, ANY], 0)
      .call('listen', [3, 1], 0);
  const built = scenario('a handshake', { covers: ['EV-LISTEN-3'] })
    .include(listen)
    .after(ms(100))
    .in('S', 0, { wnd: 9000, options: [{ kind: 'mss', n: 1000 }] })
    .out('S.', 0, { ack: 1, options: 'any' })
    .after(ms(100))
    .in('.', 1, { ack: 1, wnd: 9000 })
    .call('accept', [3, ANY, ANY], 4)
    .call('setsockopt', [4, name('IPPROTO_TCP'), name('TCP_NODELAY'), list(1), 4], 0)
    .code('assert tcpi_state == TCP_ESTABLISHED');
  expect((await play(built.build())).failure).toBeUndefined();
  expect(built.text()).toContain('+0.1 < S 0:0(0) win 9000 <mss 1000>\n+0 > S. 0:0(0) ack 1 <...>\n');
  expect((await playText(built.text())).failure).toBeUndefined();
});

test('ioctl tells what is unread, what is unacknowledged, and what of it has not been sent', async () => {
  const text = `${ESTABLISHED}+.1 write(4, ..., 40000) = 40000
+0 ioctl(4, SIOCOUTQ, [40000]) = 0
+0 ioctl(4, SIOCOUTQNSD, [30000]) = 0
+0 < P. 1:101(100) ack 1 win 32792
+0 ioctl(4, SIOCINQ, [100]) = 0
`;
  expect(await outcome(text)).toBe('passes');
  expect(await outcome(text.replace('[30000]', '[29999]'))).toContain('ioctl');
});
