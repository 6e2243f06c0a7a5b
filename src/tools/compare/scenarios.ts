/** The scenarios that any peer will do for; lab-scenarios.ts has those that need one that plays along. */
import { LAB_SCENARIOS } from './lab-scenarios.ts';
import { mustConnect, readAndClose, readToEnd, type Scenario } from './scenario.ts';

const ANSWER_LEN = 300;

const handshake: Scenario = {
  name: 'handshake',
  summary: 'three-way handshake, then an orderly close from our side',
  peer: 'any',
  complaint: mustConnect,
  async converse(talk) {
    if (!(await talk.connected())) return;
    await talk.quiet();
    await talk.finish();
  },
  lab: { serve: readAndClose },
};

const request: Scenario = {
  name: 'request',
  summary: "a request line, the answer, a close: ours if the peer leaves its side open, else after the peer's",
  peer: 'any',
  complaint: mustConnect,
  async converse(talk) {
    if (!(await talk.connected())) return;
    talk.sendRequest();
    await talk.answered();
    await talk.quiet();
    await talk.finish();
  },
  lab: {
    async serve(end) {
      const socket = await end.accept();
      await socket.read();
      await socket.write(new Uint8Array(ANSWER_LEN));
      await socket.shutdown();
      await readToEnd(socket);
    },
  },
};

const halfClose: Scenario = {
  name: 'half-close',
  summary: 'a request and our FIN at once; the answer comes on the half that is left',
  peer: 'any',
  complaint: mustConnect,
  async converse(talk) {
    if (!(await talk.connected())) return;
    talk.sendRequest();
    await talk.finish();
  },
  lab: {
    async serve(end) {
      const socket = await end.accept();
      await socket.readAll();
      await socket.write(new Uint8Array(ANSWER_LEN));
      await socket.close();
    },
  },
};

const abort: Scenario = {
  name: 'abort',
  summary: 'a request, then a RST from our side',
  peer: 'any',
  complaint: mustConnect,
  async converse(talk) {
    if (!(await talk.connected())) return;
    talk.sendRequest();
    await talk.quiet();
    talk.abort();
  },
  lab: {
    async serve(end) {
      await (await end.accept()).readAll();
    },
  },
};

const refused: Scenario = {
  name: 'refused',
  summary: 'a SYN to a port where nothing listens',
  peer: 'closed',
  complaint: (outcome) =>
    outcome.error === 'ECONNREFUSED'
      ? undefined
      : `not refused (${outcome.connected ? 'something listens there' : (outcome.error ?? outcome.undone)})`,
  async converse(talk) {
    if (await talk.connected()) await talk.finish();
  },
};

/** Any peer will do for them. */
export const SCENARIOS: readonly Scenario[] = [handshake, request, halfClose, abort, refused];

/** In a lab. */
export const ALL_SCENARIOS: readonly Scenario[] = [...SCENARIOS, ...LAB_SCENARIOS];
