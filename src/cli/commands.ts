/** All commands, in the order `tcpx --help` shows them. */
import type { CliCommand } from './command.ts';
import { compare } from './compare.ts';
import { completion } from './completion.ts';
import { conform } from './conform.ts';
import { connect } from './connect.ts';
import { doctor } from './doctor.ts';
import { forward } from './forward.ts';
import { impair } from './impair.ts';
import { lab } from './lab.ts';
import { ladder } from './ladder.ts';
import { listen } from './listen.ts';
import { man } from './man.ts';
import { perf } from './perf.ts';
import { ping } from './ping.ts';
import { probe } from './probe.ts';
import { replay } from './replay.ts';
import { report } from './report.ts';
import { serve } from './serve.ts';
import { socks } from './socks.ts';
import { ss } from './ss.ts';
import { trace } from './trace.ts';

export const COMMANDS: readonly CliCommand[] = [
  connect,
  listen,
  perf,
  ping,
  compare,
  probe,
  lab,
  conform,
  impair,
  trace,
  ladder,
  report,
  replay,
  socks,
  forward,
  serve,
  ss,
  doctor,
  completion,
  man,
];
