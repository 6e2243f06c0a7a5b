/** The scenarios that need a lab: a peer that plays its part, a path that loses and delays just the segments it is told to. */
import { type Micros, ms } from '../../base/time.ts';
import { mustConnect, type PeerEnd, readAndClose, readToEnd, type Scenario } from './scenario.ts';

const octets = (n: number): Uint8Array => new Uint8Array(n);

/** Enough that the congestion window has something to say. */
const BULK = 200_000;
const SMALL = 400;
/** So long that both ends' segments cross, however busy the machine is. */
const CROSSING: Micros = ms(150);

type LabScenario = Scenario & { readonly peer: 'lab' };
const inLab = (s: Omit<Scenario, 'peer' | 'complaint'> & Partial<Pick<Scenario, 'complaint'>>): LabScenario => ({
  complaint: mustConnect,
  ...s,
  peer: 'lab',
});

/** Connects, sends, waits, closes: what most of them do. */
const sending =
  (len: number): Scenario['converse'] =>
  async (talk) => {
    if (!(await talk.connected())) return;
    await talk.quiet();
    talk.send(len);
    await talk.quiet();
    await talk.finish();
  };

const closing: Scenario['converse'] = async (talk) => {
  if (!(await talk.connected())) return;
  await talk.quiet();
  await talk.finish();
};

const receiving =
  (len: number): Scenario['converse'] =>
  async (talk) => {
    if (!(await talk.connected())) return;
    await talk.received(len);
    await talk.quiet();
    await talk.finish();
  };

const sendAndClose = (len: number) => async (end: PeerEnd) => {
  const socket = await end.accept();
  await end.sleep(100);
  await socket.write(octets(len));
  await readToEnd(socket);
};

export const LAB_SCENARIOS: readonly Scenario[] = [
  inLab({
    name: 'peer-closes',
    summary: "the peer's FIN comes first, ours follows",
    async converse(talk) {
      if (!(await talk.connected())) return;
      await talk.peerEnds();
      await talk.wait(100);
      talk.end();
    },
    lab: {
      async serve(end) {
        const socket = await end.accept();
        await end.sleep(300);
        await socket.shutdown();
        await readToEnd(socket);
      },
    },
  }),
  inLab({
    name: 'both-ways',
    summary: 'both ends send at once, three segments and more',
    async converse(talk, meet) {
      if (!(await talk.connected())) return;
      await talk.quiet();
      await meet();
      talk.send(5000);
      await talk.received(5000);
      await talk.quiet();
      await talk.finish();
    },
    lab: {
      async serve(end, meet) {
        const socket = await end.accept();
        await meet();
        await socket.write(octets(5000));
        await readToEnd(socket);
      },
    },
  }),
  inLab({
    name: 'peer-aborts',
    summary: "the peer's RST ends a connection that has sent data",
    async converse(talk) {
      if (!(await talk.connected())) return;
      talk.send(SMALL);
      await talk.fails();
    },
    lab: {
      async serve(end) {
        const socket = await end.accept();
        await socket.read();
        await end.sleep(300);
        await socket.abort();
      },
    },
  }),
  inLab({
    name: 'silent',
    summary: 'nobody answers the SYN, nor any that follows',
    complaint: (o) => (o.error === 'ETIMEDOUT' ? undefined : `it ended with ${o.error ?? o.undone ?? 'a connection'}`),
    async converse(talk) {
      await talk.connected();
    },
    lab: { rules: [{ from: 'local', count: Number.POSITIVE_INFINITY, fate: 'drop' }], patience: 30_000 },
  }),
  inLab({
    name: 'falls-silent',
    summary: 'once connected nothing arrives any more: data is sent again and again, then given up',
    complaint: (o) => (o.error === 'ETIMEDOUT' ? undefined : `it ended with ${o.error ?? o.undone ?? 'a close'}`),
    async converse(talk) {
      if (!(await talk.connected())) return;
      await talk.quiet();
      talk.send(SMALL);
      await talk.fails();
    },
    lab: {
      serve: readAndClose,
      rules: [{ from: 'local', skip: 2, count: Number.POSITIVE_INFINITY, fate: 'drop' }],
      patience: 30_000,
    },
  }),
  inLab({
    name: 'lost-syn',
    summary: 'the first SYN is lost',
    converse: closing,
    lab: { serve: readAndClose, rules: [{ from: 'local', is: 'S', fate: 'drop' }] },
  }),
  inLab({
    name: 'lost-synack',
    summary: "the peer's SYN,ACK is lost",
    converse: closing,
    lab: { serve: readAndClose, rules: [{ from: 'peer', is: 'S.', fate: 'drop' }] },
  }),
  inLab({
    name: 'lost-ack',
    summary: 'the ACK that ends the handshake is lost: the SYN,ACK comes again',
    async converse(talk) {
      if (!(await talk.connected())) return;
      await talk.wait(1600);
      await talk.finish();
    },
    lab: { serve: readAndClose, rules: [{ from: 'local', is: '.', fate: 'drop' }] },
  }),
  inLab({
    name: 'lost-data',
    summary: 'a single segment of data is lost, with nothing behind it',
    async converse(talk) {
      if (!(await talk.connected())) return;
      await talk.quiet();
      talk.send(SMALL);
      await talk.wait(900);
      await talk.finish();
    },
    lab: { serve: readAndClose, rules: [{ from: 'local', payload: true, fate: 'drop' }] },
  }),
  inLab({
    name: 'lost-fin',
    summary: 'our FIN is lost',
    converse: closing,
    lab: { serve: readAndClose, rules: [{ from: 'local', has: 'F', fate: 'drop' }] },
  }),
  inLab({
    name: 'lost-last-ack',
    summary: "our ACK of the peer's FIN is lost: the FIN comes again, in TIME-WAIT",
    converse: closing,
    lab: {
      serve: readAndClose,
      // the handshake's comes first, then that of the FIN
      rules: [{ from: 'local', is: '.', skip: 1, fate: 'drop' }],
      quiet: 1200,
    },
  }),
  inLab({
    name: 'zero-window',
    summary: 'the peer stops reading until its window is shut, and goes on later',
    async converse(talk) {
      if (!(await talk.connected())) return;
      await talk.quiet();
      talk.send(30_000);
      await talk.wait(2500);
      await talk.finish();
    },
    lab: {
      async serve(end) {
        const socket = await end.accept();
        await end.sleep(2000);
        await readToEnd(socket);
      },
      options: { SO_RCVBUF: 8192 },
    },
  }),
  inLab({
    name: 'bulk',
    summary: `${BULK} octets out, nothing lost`,
    converse: sending(BULK),
    lab: { serve: readAndClose },
  }),
  inLab({
    name: 'bulk-in',
    summary: `${BULK} octets in, nothing lost`,
    converse: receiving(BULK),
    lab: { serve: sendAndClose(BULK) },
  }),
  inLab({
    name: 'bulk-loss',
    summary: `${BULK} octets out, the 16th segment lost: found by what comes after it`,
    converse: sending(BULK),
    lab: { serve: readAndClose, rules: [{ from: 'local', payload: true, skip: 15, fate: 'drop' }] },
  }),
  inLab({
    name: 'bulk-in-loss',
    summary: `${BULK} octets in, the 16th segment lost: what we say about the gap`,
    converse: receiving(BULK),
    lab: { serve: sendAndClose(BULK), rules: [{ from: 'peer', payload: true, skip: 15, fate: 'drop' }] },
  }),
  inLab({
    name: 'reordering',
    summary: `${BULK} octets out, the 16th segment overtaken by those behind it: nothing is to be sent again`,
    converse: sending(BULK),
    lab: { serve: readAndClose, rules: [{ from: 'local', payload: true, skip: 15, fate: { delay: ms(4) } }] },
  }),
  inLab({
    name: 'reordering-in',
    summary: `${BULK} octets in, the 16th segment overtaken by those behind it`,
    converse: receiving(BULK),
    lab: { serve: sendAndClose(BULK), rules: [{ from: 'peer', payload: true, skip: 15, fate: { delay: ms(4) } }] },
  }),
  inLab({
    name: 'keep-alive',
    summary: 'an idle connection asks each second whether the peer is still there',
    async converse(talk) {
      if (!(await talk.connected())) return;
      talk.keepAlive();
      await talk.wait(3600);
      await talk.finish();
    },
    lab: { serve: readAndClose },
  }),
  inLab({
    name: 'simultaneous-open',
    summary: 'both ends send a SYN, and the SYNs cross',
    converse: closing,
    lab: {
      connects: true,
      async serve(end) {
        await readToEnd(await end.connect());
      },
      rules: [
        { from: 'local', is: 'S', fate: { delay: CROSSING } },
        { from: 'peer', is: 'S', fate: { delay: CROSSING } },
      ],
    },
  }),
  inLab({
    name: 'simultaneous-close',
    summary: 'both ends send a FIN, and the FINs cross',
    async converse(talk, meet) {
      if (!(await talk.connected())) return;
      await talk.quiet();
      await meet();
      await talk.finish();
    },
    lab: {
      async serve(end, meet) {
        const socket = await end.accept();
        await meet();
        await socket.shutdown();
        await readToEnd(socket);
      },
      rules: [
        { from: 'local', has: 'F', fate: { delay: CROSSING } },
        { from: 'peer', has: 'F', fate: { delay: CROSSING } },
      ],
    },
  }),
  inLab({
    name: 'same-ports',
    summary: 'a RST, then the same ports again: where the next initial sequence number begins',
    async converse(talk) {
      if (!(await talk.connected())) return;
      await talk.quiet();
      talk.abort();
    },
    lab: {
      connectsAgain: true,
      async serve(end) {
        await readToEnd(await end.accept()).catch(() => {});
      },
    },
  }),
  inLab({
    name: 'time-wait',
    summary: 'a close from our side, until TIME-WAIT is over (60 s)',
    converse: closing,
    lab: { serve: readAndClose, staysInTimeWait: true, slow: true },
  }),
];
