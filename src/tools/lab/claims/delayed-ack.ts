/** A receiver with nothing to say holds its ACK back: it saves segments, and with Nagle's algorithm can cost latency. */

import { setTimeout as sleep } from 'node:timers/promises';
import { type Claim, text } from '../claim.ts';
import type { Stage } from '../stage.ts';
import { type Opened, opened } from './closing.ts';

const ROUNDS = 12;

export const delayedAck: Claim = {
  name: 'delayed-ack',
  group: 'between',
  title: text('delayed acknowledgment: what it saves and what it costs', '延迟确认：省了什么，费了什么'),
  claim: text(
    'A receiver with nothing to say holds its ACK back for a short time and lets it ride on data. It saves segments; with Nagle on the other side, which waits for that ACK, it costs latency.',
    '没有数据要发的接收方会把 ACK 稍作保留，让它搭数据的便车。这节省报文段；但若对方用 Nagle 算法在等这个 ACK，就会增加时延。',
  ),
  written: ['RFC 9293 §3.8.6.3', 'RFC 9293 §3.7.4', 'RFC 896', 'RFC 1122 §4.2.3.2'],
  seconds: 5,
  timed: true,
  sabotage: { rules: [{ from: 'local', is: '.', payload: false, skip: 1, count: 9999, fate: 'drop' }] },
  async run(stage) {
    await stage.say(
      `The kernel asks, tcpx answers, ${ROUNDS} times: first with every ACK sent at once (TCP_QUICKACK), then with delayed ones.`,
      `内核提问，tcpx 回答，共 ${ROUNDS} 次：先是每个 ACK 立即发出（TCP_QUICKACK），然后是延迟确认。`,
    );
    const quick = await answering(stage, 80, true);
    const delayed = await answering(stage, 81, false);
    stage.check(
      quick.pure >= ROUNDS && delayed.pure < quick.pure / 2,
      `pure ACKs of tcpx: ${quick.pure} at once, ${delayed.pure} delayed; the others rode on the answers`,
      `tcpx 的纯 ACK：立即确认 ${quick.pure} 个，延迟确认 ${delayed.pure} 个；其余搭了回答的便车`,
    );
    await stage.say(
      'The cost: tcpx writes a request in two pieces; Nagle keeps the second back until the first is acknowledged, and the kernel delays that.',
      '代价：tcpx 把请求分两次写出；Nagle 在第一块得到确认前扣住第二块，而内核在延迟这个确认。',
    );
    const nagle = await twoPieces(stage, 82, false);
    const noDelay = await twoPieces(stage, 83, true);
    stage.check(
      nagle > 30 && noDelay < nagle / 2,
      `a request in two pieces takes ${nagle.toFixed(1)} ms with Nagle, ${noDelay.toFixed(1)} ms with TCP_NODELAY`,
      `分两次写出的请求：用 Nagle 需 ${nagle.toFixed(1)} ms，用 TCP_NODELAY 需 ${noDelay.toFixed(1)} ms`,
    );
    stage.show(
      `${ROUNDS} answers: ${quick.pure} pure ACKs at once, ${delayed.pure} delayed (${quick.all} and ${delayed.all} segments); two-piece request: ${nagle.toFixed(1)} ms with Nagle against ${noDelay.toFixed(1)} without`,
      `${ROUNDS} 次回答：立即确认 ${quick.pure} 个纯 ACK，延迟确认 ${delayed.pure} 个（共 ${quick.all} 与 ${delayed.all} 个报文段）；分块请求：Nagle ${nagle.toFixed(1)} ms，不用则 ${noDelay.toFixed(1)} ms`,
    );
  },
};

/** Pure ACKs that tcpx sends while it answers, a moment after it was asked. */
async function answering(stage: Stage, port: number, quick: boolean) {
  const { client, server } = await opened(stage, port, { options: { TCP_QUICKACK: quick, TCP_NODELAY: true } });
  await oneRound({ client, server });
  const from = stage.lab.path.seen.length;
  for (let i = 0; i < ROUNDS; i++) await oneRound({ client, server });
  await stage.settle();
  const seen = stage.lab.path.seen.slice(from).filter((p) => p.segment !== undefined);
  client.abort();
  return { pure: seen.filter((p) => p.from === 'local' && p.segment?.len === 0).length, all: seen.length };
}

async function oneRound({ client, server }: Opened): Promise<void> {
  await server.write('question');
  await client.read(8);
  // What an answer takes to make.
  await sleep(3);
  client.write('answer');
  await server.readAll(6);
}

/** Milliseconds for a request in two pieces and its answer, the least of several. */
async function twoPieces(stage: Stage, port: number, noDelay: boolean): Promise<number> {
  const { client, server } = await opened(stage, port, { options: { TCP_NODELAY: noDelay } });
  let least = Number.POSITIVE_INFINITY;
  // The first ones are acknowledged at once by a kernel that does not know its peer yet.
  for (let i = 0; i < ROUNDS; i++) {
    const startedAt = performance.now();
    const answer = server.readAll(200).then(() => server.write('answer'));
    client.write('a'.repeat(100));
    await sleep(0);
    client.write('b'.repeat(100));
    await answer;
    await client.read(6);
    if (i >= ROUNDS / 2) least = Math.min(least, performance.now() - startedAt);
  }
  client.abort();
  return least;
}
