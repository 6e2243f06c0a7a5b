/** tcpx in virtual time, a stack of its own for every cell. */
import type { Micros } from '../../src/base/time.ts';
import type { Profile } from '../../src/tcp/config.ts';
import type { State } from '../../src/tcp/machine.ts';
import { scenario } from '../../src/tools/scenario/builder.ts';
import type { CallRequest, CallResult } from '../../src/tools/scenario/calls.ts';
import { patternOctets } from '../../src/tools/scenario/pattern-octets.ts';
import { type Plan, planScenario } from '../../src/tools/scenario/plan.ts';
import { PEER, SUT } from '../../src/tools/scenario/run.ts';
import type { Target } from '../../src/tools/scenario/target.ts';
import { openVirtualTarget } from '../../src/tools/scenario/virtual-target.ts';
import { type Line, SETTINGS } from './line.ts';
import type { Addresses } from './peer.ts';

const planOf = (profile: Profile): Plan =>
  planScenario(
    scenario('a cell of the sweep', { profile })
      .command(`sysctl -w ${SETTINGS.join(' ')}`)
      .build(),
  );
const PLANS: Readonly<Record<Profile, Plan>> = { linux: planOf('linux'), rfc: planOf('rfc') };

export function openTcpxLine(profile: Profile): Line {
  const states = new Map<number, State>();
  const target = openVirtualTarget({
    plan: PLANS[profile],
    sut: SUT,
    peer: PEER,
    isSilent: true,
    onRecord: (record) => {
      if (record.type === 'state') states.set(record.conn, record.to);
    },
  });
  return new TcpxLine(target, states);
}

class TcpxLine implements Line {
  readonly addresses: Addresses = { sut: SUT, peer: PEER, sutPort: 8080, peerPort: 50_001 };
  readonly #target: Target;
  /** By the core's numbers; a connection that follows another has a number of its own. */
  readonly #states: ReadonlyMap<number, State>;

  constructor(target: Target, states: ReadonlyMap<number, State>) {
    this.#target = target;
    this.#states = states;
  }

  get sent(): Target['sent'] {
    return this.#target.sent;
  }

  now(): number {
    return this.#target.now();
  }

  pass(us: number, ready?: () => boolean): Promise<boolean> {
    return this.#target.pass((this.now() + us) as Micros, ready);
  }

  async call(request: CallRequest, octets = 0): Promise<CallResult> {
    const { result } = this.#target.call(request, patternOctets(0, octets), undefined);
    if (result === undefined) throw new Error(`${request.call} blocks`);
    return result;
  }

  send(packet: Uint8Array): void {
    this.#target.inject(packet, false);
  }

  async state(): Promise<State | undefined> {
    const alive = [...this.#states.values()].filter((state) => state !== 'CLOSED' && state !== 'LISTEN');
    return alive.at(-1);
  }

  close(): Promise<void> {
    return this.#target.close();
  }
}
