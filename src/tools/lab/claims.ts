/** All claims, in the order in which a connection lives through them. */
import type { Claim } from './claim.ts';
import { dataOnThird } from './claims/data-on-third.ts';
import { delayedAck } from './claims/delayed-ack.ts';
import { diagram } from './claims/diagram.ts';
import { fastOpen } from './claims/fast-open.ts';
import { finWait2Timeout } from './claims/fin-wait-2-timeout.ts';
import { flags } from './claims/flags.ts';
import { halfClose } from './claims/half-close.ts';
import { halfOpenTimeout } from './claims/half-open-timeout.ts';
import { handshake } from './claims/handshake.ts';
import { isn } from './claims/isn.ts';
import { keepAlive } from './claims/keep-alive.ts';
import { lastAckLost } from './claims/last-ack-lost.ts';
import { lateFin } from './claims/late-fin.ts';
import { lostAck } from './claims/lost-ack.ts';
import { lostSyn } from './claims/lost-syn.ts';
import { lostSynack } from './claims/lost-synack.ts';
import { noTimeWait } from './claims/no-time-wait.ts';
import { noWaitServerError } from './claims/no-wait-server-error.ts';
import { oldDuplicateSyn } from './claims/old-duplicate-syn.ts';
import { oldSynAfterClose } from './claims/old-syn-after-close.ts';
import { portExhaustion } from './claims/port-exhaustion.ts';
import { refused } from './claims/refused.ts';
import { resources } from './claims/resources.ts';
import { rst } from './claims/rst.ts';
import { simultaneousClose } from './claims/simultaneous-close.ts';
import { simultaneousOpen } from './claims/simultaneous-open.ts';
import { synFlood } from './claims/syn-flood.ts';
import { teardown } from './claims/teardown.ts';
import { teardownThree } from './claims/teardown-three.ts';
import { timeWait } from './claims/time-wait.ts';
import { tupleInUse } from './claims/tuple-in-use.ts';
import { twoRtt } from './claims/two-rtt.ts';
import { wrongAck } from './claims/wrong-ack.ts';

export const CLAIMS: readonly Claim[] = [
  handshake,
  dataOnThird,
  oldDuplicateSyn,
  wrongAck,
  lostSyn,
  lostSynack,
  lostAck,
  refused,
  oldSynAfterClose,
  resources,
  halfOpenTimeout,
  simultaneousOpen,
  synFlood,
  isn,
  fastOpen,
  teardown,
  teardownThree,
  halfClose,
  simultaneousClose,
  timeWait,
  lateFin,
  noWaitServerError,
  tupleInUse,
  lastAckLost,
  noTimeWait,
  portExhaustion,
  finWait2Timeout,
  rst,
  delayedAck,
  flags,
  keepAlive,
  twoRtt,
  diagram,
];
