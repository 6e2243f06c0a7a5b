/** Rules for known differences: each is shown once where it holds, and once where it nearly does. */
import { expect, test } from 'vitest';
import { parseScenario } from '../../../src/tools/scenario/parse.ts';
import { type Difference, differences } from './compare.ts';
import { judge } from './judge.ts';
import { KNOWN, knownAs } from './known.ts';
import type { Played, Sent } from './play.ts';
import type { Script, ScriptStep, UserCall } from './script.ts';

/** Steps in packetdrill's words, `write 100`, or the name of what is done. */
function script(...steps: readonly string[]): Script {
  return { number: 0, family: 1, steps: steps.map(stepOf) };
}

function stepOf(text: string): ScriptStep {
  if (text.startsWith('<')) {
    const step = parseScenario(`+0 ${text}\n`, 'step').steps[0]!;
    if (step.kind !== 'in' || step.packet.kind !== 'segment') throw new Error(`'${text}' is no segment`);
    return { do: 'in', packet: step.packet };
  }
  const [call, len] = text.split(' ') as [string, string | undefined];
  if (call === 'listen' || call === 'connect' || call === 'accept') return { do: call };
  return { do: 'user', user: (len === undefined ? { call } : { call, len: Number(len) }) as UserCall };
}

/** `sent`: step, then what left after it. */
const played = (...sent: readonly (readonly [step: number, text: string])[]): Played => ({
  sent: sent.map(([step, text]): Sent => ({ step, text, at: step * 30_000, spec: SPEC })),
  calls: [],
  faults: [],
});
const SPEC = { kind: 'segment', ip: {}, flags: 0, seq: 0, len: 0, options: [] } as const;

type Left = readonly (readonly [step: number, text: string])[];

/** What both sent, then what each did alone. */
function nameOf(of: Script, both: Left, tcpx: Left, kernel: Left): string | undefined {
  const d = differences(played(...both, ...tcpx), played(...both, ...kernel)).next().value as Difference;
  return knownAs(d, of)?.name;
}

const SYN = '< S 0:0(0) win 32768 <mss 1000>';
const SYN_ACK: Left[number] = [1, 'S. 0:0(0) ack 1 win >0 <mss 1460>'];
const HANDSHAKE = ['listen', SYN, '< . 1:1(0) ack 1 win 257', 'accept'] as const;
const CONNECT = ['connect', '< S. 0:0(0) ack 1 win 32768 <mss 1000>'] as const;
const CONNECTED: Left = [
  [0, 'S 0:0(0) win >0 <mss 1460>'],
  [1, '. 1:1(0) ack 1 win >0'],
];

test('SYN with FIN: as the first of all, and not one that a connection has challenged', () => {
  const answer: Left = [[4, '. 1:1(0) ack 1 win >0']];
  expect(nameOf(script('listen', '< SF 0:0(0) win 257'), [], [[1, 'S. 0:0(0) ack 1 win >0']], [])).toBe('SYN with FIN');
  expect(nameOf(script(...HANDSHAKE, '< SF 1:1(0) win 257'), [SYN_ACK], answer, [])).toBeUndefined();
  const later = script(...HANDSHAKE, '< SF 1:1(0) win 257', '< . 1:2(1) ack 1 win 257');
  expect(nameOf(later, [SYN_ACK, ...answer], [[5, '. 1:1(0) ack 2 win >0']], [])).toBeUndefined();
});

test('ACK before SEQ in SYN-RECEIVED: where both are wrong, and not one of them', () => {
  const answer: Left = [[2, '. 1:1(0) ack 1 win >0']];
  const name = (packet: string): string | undefined =>
    nameOf(script('listen', SYN, packet), [SYN_ACK], answer, [[2, 'R 2:2(0)']]);
  expect(name('< . 3000001:3000001(0) ack 2 win 257')).toBe('ACK before SEQ in SYN-RECEIVED');
  expect(name('< . 3000001:3000001(0) ack 1 win 257')).toBeUndefined();
  expect(name('< . 1:1(0) ack 2 win 257')).toBeUndefined();
});

test('D-SACK that Linux forgets: with a FIN that is taken now, and not one that was taken before', () => {
  const early = script(...HANDSHAKE, '< F. 2:12(10) ack 1 win 257', '< . 0:5(5) ack 1 win 257');
  const reports = (ack: number): Left => [[5, `. 1:1(0) ack ${ack} win >0 <sack 0:1>`]];
  expect(nameOf(early, [SYN_ACK], reports(13), [[5, '. 1:1(0) ack 13 win >0']])).toBe('D-SACK that Linux forgets');
  const before = script(...HANDSHAKE, '< F. 1:2(1) ack 1 win 257', ...Array(3).fill('< . 1:2(1) ack 1 win 257'));
  const both: Left = [SYN_ACK, [4, '. 1:1(0) ack 3 win >0']];
  expect(
    nameOf(before, both, [[7, '. 1:1(0) ack 3 win >0 <sack 5:6>']], [[7, '. 1:1(0) ack 3 win >0']]),
  ).toBeUndefined();
});

test('SYN in SYN-RECEIVED: before the handshake is over, and not after it', () => {
  const reset: Left = [[2, 'R. any(0) ack 6']];
  expect(nameOf(script('listen', SYN, '< S 5:5(0) win 257'), [SYN_ACK], [], reset)).toBe('SYN in SYN-RECEIVED');
  expect(
    nameOf(script(...HANDSHAKE, '< S 5:5(0) win 257'), [SYN_ACK], [[4, '. 1:1(0) ack 1 win >0']], [[4, 'R 1:1(0)']]),
  ).toBeUndefined();
});

test('no ACK bit: out of the window, and not in it, nor where the kernel answers and tcpx does not', () => {
  const answer: Left = [[4, '. 1:1(0) ack 1 win >0']];
  const old = script(...HANDSHAKE, '< P 4294967000:4294967010(10) win 257', '< P 3000001:3000001(0) win 257');
  expect(nameOf(old, [SYN_ACK], [[5, '. 1:1(0) ack 1 win >0']], [])).toBe('no ACK bit');
  expect(nameOf(script(...HANDSHAKE, '< P 1:1(0) win 257'), [SYN_ACK], answer, [])).toBeUndefined();
  expect(nameOf(old, [SYN_ACK], [], [[5, '. 1:1(0) ack 1 win >0']])).not.toBe('no ACK bit');
});

test('RST one before RCV.NXT: behind a FIN, and not elsewhere', () => {
  const at = (seq: number) =>
    script(...HANDSHAKE, '< F. 1:11(10) ack 1 win 257', `< R ${seq}:${seq}(0) win 0`, 'write 1');
  const both: Left = [SYN_ACK, [4, '. 1:1(0) ack 12 win >0']];
  const written: Left = [[6, '. 1:2(1) ack 12 win >0']];
  expect(nameOf(at(11), both, written, [])).toBe('RST one before RCV.NXT');
  expect(nameOf(at(5), both, written, [])).toBeUndefined();
});

test('octets with an ACK that is too old: the kernel takes them; and not tcpx', () => {
  const of = script(...HANDSHAKE, '< . 1:2(1) ack 4294867297 win 257');
  const without: Left = [[4, '. 1:1(0) ack 1 win >0']];
  const taken: Left = [[4, '. 1:1(0) ack 2 win >0']];
  expect(nameOf(of, [SYN_ACK], without, taken)).toBe('octets with an ACK that is too old');
  expect(nameOf(of, [SYN_ACK], taken, without)).toBeUndefined();
  const old = script(...HANDSHAKE, 'write 10', '< . 1:1(0) ack 11 win 257', '< . 1:2(1) ack 5 win 257');
  const both: Left = [SYN_ACK, [4, '. 1:11(10) ack 1 win >0']];
  expect(nameOf(old, both, [[6, '. 11:11(0) ack 1 win >0']], [[6, '. 11:11(0) ack 2 win >0']])).toBeUndefined();
});

test('timestamp of what ends at RCV.NXT: of such a packet, and not of one beyond', () => {
  const of = (seq: number) =>
    script(...HANDSHAKE, `< . ${seq}:${seq + 1}(1) ack 1 win 257 <nop,nop,TS val 9 ecr 0>`, 'write 1');
  const [ours, theirs]: [Left, Left] = [
    [[5, '. 1:2(1) ack 1 win >0 <TS ecr 5>']],
    [[5, '. 1:2(1) ack 1 win >0 <TS ecr 9>']],
  ];
  expect(nameOf(of(0), [SYN_ACK], ours, theirs)).toBe('timestamp of what ends at RCV.NXT');
  expect(nameOf(of(500), [SYN_ACK], ours, theirs)).toBeUndefined();
});

test('challenges are limited by what ends where the last ACK was: after such a packet, and not after one at RCV.NXT', () => {
  const of = (seq: number) =>
    script(...HANDSHAKE, '< . 1:11(10) ack 1 win 257', `< . ${seq}:${seq}(0) ack 1 win 257`, '< S 0:0(0) win 257');
  const challenge: Left = [[6, '. 1:1(0) ack 11 win >0']];
  const both: Left = [SYN_ACK, [5, '. 1:1(0) ack 11 win >0']];
  expect(nameOf(of(5), both, [], challenge)).toBe('challenges are limited by what ends where the last ACK was');
  expect(nameOf(of(11), both, [], challenge)).toBeUndefined();
});

test('ACK at once after a delayed one: where the kernel was late before, and not where it was not', () => {
  const of = script(...HANDSHAKE, '< . 1:2(1) ack 1 win 257', '< . 2:3(1) ack 1 win 257');
  const ours = played(SYN_ACK, [4, '. 1:1(0) ack 2 win >0']);
  const theirs = played(SYN_ACK, [4, '. 1:1(0) ack 2 win >0'], [5, '. 1:1(0) ack 3 win >0']);
  const late = { ...theirs, sent: theirs.sent.map((s) => (s.step === 4 ? { ...s, at: s.at + 20_000 } : s)) };
  expect(judge(ours, late, of).known.map((k) => k.name)).toEqual(['ACK at once after a delayed one']);
  expect(judge(ours, theirs, of).unknown?.kernel).toBe('. 1:1(0) ack 3 win >0');
});

test('FIN in a SACK block: where the block ends with it, and not elsewhere', () => {
  const of = script(...HANDSHAKE, '< F. 11:21(10) ack 1 win 257');
  const ours: Left = [[4, '. 1:1(0) ack 1 win >0 <sack 11:21>']];
  expect(nameOf(of, [SYN_ACK], ours, [[4, '. 1:1(0) ack 1 win >0 <sack 11:22>']])).toBe('FIN in a SACK block');
  expect(nameOf(of, [SYN_ACK], ours, [[4, '. 1:1(0) ack 1 win >0 <sack 11:20>']])).not.toBe('FIN in a SACK block');
});

test('form of the RST for data that nobody will read: SEQ is that ACK, and no other number', () => {
  const of = script(...HANDSHAKE, 'close', '< . 1:11(10) ack 2 win 257');
  const both: Left = [SYN_ACK, [4, 'F. 1:1(0) ack 1 win >0']];
  const ours: Left = [[5, 'R. 2:2(0) ack 1']];
  const name = 'form of the RST for data that nobody will read';
  expect(nameOf(of, both, ours, [[5, 'R 2:2(0)']])).toBe(name);
  expect(nameOf(of, both, ours, [[5, 'R 7:7(0)']])).toBeUndefined();
  expect(nameOf(of, both, ours, [[5, 'R. 9:9(0) ack 1']])).toBeUndefined();
});

test('data beyond a FIN: as it comes, and not long after it', () => {
  const later = ['< . 2:2(0) ack 1 win 257', '< . 2:2(0) ack 1 win 257'];
  const of = (...more: readonly string[]) =>
    script(...HANDSHAKE, '< F. 1:1(0) ack 1 win 257', '< . 2:12(10) ack 1 win 257', ...more);
  const both: Left = [SYN_ACK, [4, '. 1:1(0) ack 2 win >0']];
  expect(nameOf(of(), both, [], [[5, 'R 1:1(0)']])).toBe('data beyond a FIN');
  expect(nameOf(of(...later), both, [], [[7, 'R 1:1(0)']])).toBeUndefined();
});

test('SEQ of a RST beyond a window that was shrunk: where one was, and not else', () => {
  const of = (wnd: number) => script(...HANDSHAKE, 'write 100', `< . 1:1(0) ack 1 win ${wnd}`, 'abort');
  const both: Left = [SYN_ACK, [4, '. 1:101(100) ack 1 win >0']];
  const ours: Left = [[6, 'R. 101:101(0) ack 1']];
  const theirs: Left = [[6, 'R. 1:1(0) ack 1']];
  const name = 'SEQ of a RST beyond a window that was shrunk';
  expect(nameOf(of(0), both, ours, theirs)).toBe(name);
  const same = script('listen', SYN.replace('32768', '257'), ...HANDSHAKE.slice(2), 'write 100', 'abort');
  expect(nameOf(same, both, [[5, ours[0]![1]]], [[5, theirs[0]![1]]])).toBeUndefined();
  expect(nameOf(of(0), both, theirs, ours)).toBeUndefined();
});

test('echo in SYN-RECEIVED: that of the SYN, and no other', () => {
  const ts = (val: number) => `<nop,nop,TS val ${val} ecr 0>`;
  const of = script(
    'listen',
    `< S 0:0(0) win 32768 <nop,nop,TS val 7 ecr 0>`,
    `< . 3000001:3000001(0) ack 1 win 257 ${ts(8)}`,
    `< . 1:2(1) ack 1 win 257 ${ts(9)}`,
  );
  const both: Left = [SYN_ACK, [2, '. 1:1(0) ack 1 win >0 <TS ecr 7>']];
  const ours: Left = [[3, '. 1:1(0) ack 2 win >0 <TS ecr 9>']];
  expect(nameOf(of, both, ours, [[3, '. 1:1(0) ack 1 win >0 <TS ecr 7>']])).toBe('echo in SYN-RECEIVED');
  expect(nameOf(of, both, ours, [[3, '. 1:1(0) ack 1 win >0 <TS ecr 8>']])).toBeUndefined();
});

test('octets unread where both have closed: unread, and not read', () => {
  const of = (...read: readonly string[]) =>
    script(...HANDSHAKE, '< F. 1:11(10) ack 1 win 257', ...read, 'shutdown', 'close');
  const both = (step: number): Left => [SYN_ACK, [4, '. 1:1(0) ack 12 win >0'], [step, 'F. 1:1(0) ack 12 win >0']];
  const name = 'octets unread where both have closed';
  expect(nameOf(of(), both(5), [], [[6, 'R. 2:2(0) ack 12']])).toBe(name);
  expect(nameOf(of('read'), both(6), [], [[7, 'R. 2:2(0) ack 12']])).toBeUndefined();
});

test('simultaneous open: one ACK more, and nothing else', () => {
  const of = script('connect', SYN, '< S. 0:0(0) ack 1 win 257', 'write 1');
  const both: Left = [
    [0, 'S 0:0(0) win >0'],
    [1, 'S. 0:0(0) ack 1 win >0'],
  ];
  expect(nameOf(of, both, [], [[2, '. 1:1(0) ack 1 win >0']])).toBe('simultaneous open');
  expect(nameOf(of, both, [[3, '. 1:2(1) ack 1 win >0']], [])).toBeUndefined();
});

test('CLOSE in a simultaneous open: a FIN of tcpx, and not where the handshake was an ordinary one', () => {
  const fin: Left = [[2, 'F. 1:1(0) ack 1 win >0']];
  expect(nameOf(script('connect', SYN, 'shutdown'), [CONNECTED[0]!], fin, [])).toBe('CLOSE in a simultaneous open');
  expect(nameOf(script(...CONNECT, 'shutdown'), CONNECTED, fin, [])).toBeUndefined();
});

test('ABORT in TIME-WAIT: what comes after it, and not where our FIN was not acknowledged', () => {
  const of = (ack: number) =>
    script(...HANDSHAKE, 'shutdown', `< F. 1:1(0) ack ${ack} win 257`, 'abort', '< . 2:2(0) ack 2 win 257');
  const both: Left = [SYN_ACK, [4, 'F. 1:1(0) ack 1 win >0'], [5, '. 2:2(0) ack 2 win >0']];
  expect(nameOf(of(2), both, [[7, 'R 2:2(0)']], [])).toBe('ABORT in TIME-WAIT');
  expect(nameOf(of(1), both, [[7, 'R 2:2(0)']], []), 'CLOSING').toBeUndefined();
  expect(nameOf(of(2), both, [[6, 'R. 2:2(0) ack 2']], []), 'of the abort').toBeUndefined();
});

test('initial window in segments: after ten, and not after nine, nor once an ACK has come', () => {
  const writes = (n: number) => Array.from({ length: n }, () => 'write 10');
  const sent = (n: number, at: number): Left =>
    Array.from({ length: n }, (_, i) => [at + i, `. ${1 + 10 * i}:${11 + 10 * i}(10) ack 1 win >0`]);
  const next = (n: number, step: number): Left => [[step, `. ${1 + 10 * n}:${11 + 10 * n}(10) ack 1 win >0`]];
  const name = 'initial window in segments';
  expect(nameOf(script(...HANDSHAKE, ...writes(11)), [SYN_ACK, ...sent(10, 4)], next(10, 14), [])).toBe(name);
  expect(nameOf(script(...HANDSHAKE, ...writes(10)), [SYN_ACK, ...sent(9, 4)], next(9, 13), [])).toBeUndefined();
  const acked = script(...HANDSHAKE, ...writes(10), '< . 1:1(0) ack 101 win 257', 'write 10');
  expect(nameOf(acked, [SYN_ACK, ...sent(10, 4)], next(10, 15), [])).toBeUndefined();
});

test('D-SACK of a part: of octets that came, and of no others', () => {
  const of = script(...HANDSHAKE, '< . 11:21(10) ack 1 win 257', '< . 1:16(15) ack 1 win 257');
  const both: Left = [SYN_ACK, [4, '. 1:1(0) ack 1 win >0 <sack 11:21>']];
  const ours: Left = [[5, '. 1:1(0) ack 21 win >0']];
  expect(nameOf(of, both, ours, [[5, '. 1:1(0) ack 21 win >0 <sack 11:16>']])).toBe('D-SACK of a part');
  expect(nameOf(of, both, ours, [[5, '. 1:1(0) ack 21 win >0 <sack 40:50>']])).toBeUndefined();
  expect(nameOf(of, both, [[5, '. 1:1(0) ack 21 win >0 <sack 11:16>']], ours), 'forgotten').toBeUndefined();
});

test('options in a simultaneous open: those of the own SYN, and no others', () => {
  const ours: Left = [[1, 'S. 0:0(0) ack 1 win >0 <mss 1460>']];
  const of = script('connect', SYN);
  const both: Left = [[0, 'S 0:0(0) win >0 <mss 1460,sackOK,wscale>']];
  const name = 'options in a simultaneous open';
  expect(nameOf(of, both, ours, [[1, 'S. 0:0(0) ack 1 win >0 <mss 1460,sackOK,wscale>']])).toBe(name);
  expect(nameOf(of, both, ours, [[1, 'S. 0:0(0) ack 1 win >0 <mss 536>']])).toBeUndefined();
});

test('timestamp with an old ACK: tcpx echoes it, and not the kernel', () => {
  const of = (ack: number) =>
    script(
      ...HANDSHAKE,
      'write 10',
      '< . 1:1(0) ack 11 win 257',
      `< . 1:2(1) ack ${ack} win 257 <nop,nop,TS val 9 ecr 0>`,
    );
  const both: Left = [SYN_ACK, [4, '. 1:11(10) ack 1 win >0 <TS ecr 5>']];
  const recorded: Left = [[6, '. 11:11(0) ack 2 win >0 <TS ecr 9>']];
  const not: Left = [[6, '. 11:11(0) ack 2 win >0 <TS ecr 5>']];
  expect(nameOf(of(5), both, recorded, not)).toBe('timestamp with an old ACK');
  expect(nameOf(of(11), both, recorded, not)).toBeUndefined();
});

test('each known difference has a name of its own and a reason that says whose rule it is', () => {
  expect(new Set(KNOWN.map((k) => k.name)).size).toBe(KNOWN.length);
  for (const { reason } of KNOWN) expect(reason).toMatch(/^RFC [0-9]+/);
});
