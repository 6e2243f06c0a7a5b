/** `tcpx impair A B`: a bridge between two interfaces that loses, doubles, reorders, corrupts, delays and queues what passes. */
import { type Command, Option } from 'commander';
import { seededRandom } from '../base/random.ts';
import { LinkFailure } from '../link/failure.ts';
import type { FrameLink } from '../link/frames.ts';
import { type BridgeCounters, ImpairedBridge } from '../link/impaired-bridge.ts';
import type { LinkError } from '../link/link.ts';
import { openPacketSocket } from '../link/packet-socket.ts';
import { interfaceNamed } from '../link/route.ts';
import { fineClock } from '../socket/node-clock.ts';
import { countersText, faultsText, rateText } from '../tools/fault-text.ts';
import type { CliCommand } from './command.ts';
import { CliFailure, EXIT_CODES, Exit } from './exit.ts';
import { type FaultOptions, faultOptions, faultsIn, seedOf, type WireOptions, wireOptions } from './fault-options.ts';
import type { Io, Signal } from './io.ts';

/** From the first interface to the second, and back. */
const DIRECTIONS = ['ab', 'ba'] as const;
type Direction = (typeof DIRECTIONS)[number];

interface ImpairOptions extends FaultOptions, WireOptions {
  readonly verbose?: true;
  readonly quiet?: true;
  readonly json?: true;
  readonly yes?: true;
}

const HELP = `
Directions are ab (from the first interface to the second) and ba; a value without one is both directions'.
An interface with an address of its own answers for it beside the bridge: give it none.
What is merged or left to hardware between two kernels is made whole first, so that faults meet packets as a wire
carries them. They meet IPv4 only; other frames (ARP, IPv6) wait their turn and pass.

Example:
  # two namespaces with a path of 20 ms, 100 Mbit/s and 1% loss from here to there
  $ ip netns add here; ip netns add there; ip netns add path
  $ ip link add eth0 netns here type veth peer name p0 netns path
  $ ip link add eth0 netns there type veth peer name p1 netns path
  # addresses in here and there; all four interfaces up
  $ ip netns exec path tcpx impair p0 p1 --delay 10ms --rate 100mbit --loss 1%:ab

^C or SIGTERM ends it.

${EXIT_CODES}`;

export const impair: CliCommand = {
  name: 'impair',
  summary: 'join two interfaces by a path that loses, delays, reorders…, to test what runs over it',
  group: 'Experiments:',
  declare,
  // commander's options by the names and parsers of declare.
  run: (args, options, io) => run(args[0] ?? '', args[1] ?? '', options as unknown as ImpairOptions, io),
};

function declare(command: Command): void {
  command
    .usage('[options] INTERFACE INTERFACE')
    .argument('<a>', 'one interface: a veth or tap, as a rule in a namespace of its own')
    .argument('<b>', 'the other');
  command.optionsGroup('Path:');
  for (const option of [...faultOptions(DIRECTIONS), ...wireOptions(DIRECTIONS)]) command.addOption(option);
  command.optionsGroup('Options:');
  command
    .addOption(new Option('-v, --verbose', 'a line of what was done each second, where it moves'))
    .addOption(new Option('-q, --quiet', 'errors only').conflicts('verbose'))
    .addOption(new Option('--json', 'NDJSON on stdout: ready, each second with -v, a summary'))
    .addOption(new Option('--yes', 'bridge interfaces that are neither veth nor tap as well'));
  command.addHelpText('after', HELP);
}

async function run(a: string, b: string, o: ImpairOptions, io: Io): Promise<number> {
  checkInterfaces(a, b, o);
  const seed = seedOf(o);
  const faults = { ab: faultsIn(o, 'ab'), ba: faultsIn(o, 'ba') };
  const links = openBoth(a, b);
  const say = new Report(a, b, o, io);
  const bridge = new ImpairedBridge({
    a: links[0],
    b: links[1],
    ...faults,
    clock: fineClock(),
    random: seededRandom(seed),
    onError: (link, error) => say.linkError(link, error),
  });
  say.ready(seed, { ab: faultsText(faults.ab), ba: faultsText(faults.ba) }, links);
  try {
    return await say.untilEnded(bridge);
  } finally {
    say.summary(bridge);
    bridge.close();
  }
}

/** A bridge between the wrong interfaces can take a machine off its network, or make a loop in it. */
function checkInterfaces(a: string, b: string, o: ImpairOptions): void {
  if (a === b)
    throw new CliFailure(`${a} and ${b} are the same interface`, {
      exitCode: Exit.USAGE,
      hint: 'a bridge has two ends: name two interfaces',
    });
  for (const name of [a, b]) {
    const { kind, loopback } = interfaceNamed(name);
    if (loopback)
      throw new CliFailure('loopback has one end only', {
        exitCode: Exit.USAGE,
        hint: 'use two veth interfaces, see `tcpx impair --help`',
      });
    if (kind !== 'veth' && kind !== 'tun' && o.yes !== true)
      throw new CliFailure(`${name} is neither veth nor tap${kind === undefined ? '' : ` (it is a ${kind})`}`, {
        exitCode: Exit.USAGE,
        hint: 'a bridge could take this machine off its network; --yes says that you mean it',
      });
  }
}

function openBoth(a: string, b: string): readonly [FrameLink, FrameLink] {
  const open = (name: string): FrameLink =>
    openPacketSocket({ interface: name, promiscuous: true, gso: true, arrivals: true });
  const first = open(a);
  try {
    return [first, open(b)];
  } catch (error) {
    first.close();
    throw error;
  }
}

type Both<T> = Readonly<Record<Direction, T>>;

/** What the user sees: text on stderr, or NDJSON on stdout. */
class Report {
  readonly #names: Both<string>;
  readonly #o: ImpairOptions;
  readonly #io: Io;
  readonly #startedAt = performance.now();
  #before: Both<BridgeCounters> | undefined;
  #fail: ((failure: LinkFailure) => void) | undefined;

  constructor(a: string, b: string, o: ImpairOptions, io: Io) {
    this.#names = { ab: `${a} -> ${b}`, ba: `${b} -> ${a}` };
    this.#o = o;
    this.#io = io;
  }

  ready(seed: number, texts: Both<string>, links: readonly FrameLink[]): void {
    this.#json({
      type: 'ready',
      seed,
      interfaces: links.map((l) => l.interface),
      mtu: links.map((l) => l.mtu),
      ...texts,
    });
    const [mtuA, mtuB] = links.map((l) => l.mtu);
    if (mtuA !== mtuB) this.#line(`tcpx: MTUs differ (${mtuA}, ${mtuB}): larger packets are dropped`);
    for (const d of DIRECTIONS) this.#line(`tcpx: ${this.#names[d]}  ${texts[d] || 'as it is'}`);
    this.#line(`tcpx: seed ${seed}; ^C ends`);
  }

  /** Resolves with the exit code at ^C or SIGTERM; rejects when an interface is gone. */
  untilEnded(bridge: ImpairedBridge): Promise<number> {
    const undo: (() => void)[] = [];
    const watch = this.#o.verbose === true || (this.#io.stderr.isTTY === true && this.#o.json !== true);
    if (watch) {
      const timer = setInterval(() => this.#second(bridge), 1000);
      undo.push(() => clearInterval(timer));
    }
    return new Promise<number>((resolve, reject) => {
      // The first one is how it ends as a rule: no failure.
      for (const signal of ['SIGINT', 'SIGTERM'] satisfies Signal[])
        undo.push(this.#io.onSignal(signal, () => resolve(Exit.OK)));
      this.#fail = reject;
    }).finally(() => {
      for (const each of undo) each();
    });
  }

  linkError(link: FrameLink, error: LinkError): void {
    if (error.fatal)
      this.#fail?.(new LinkFailure(error.code, error.message, 'start it again when the interface is there'));
    this.#json({ type: 'link', interface: link.interface, code: error.code, message: error.message });
    // What ends the bridge is told as its failure.
    if (!error.fatal) this.#line(`tcpx: ${error.message}`);
  }

  summary(bridge: ImpairedBridge): void {
    const { ab, ba } = bridge;
    const seconds = (performance.now() - this.#startedAt) / 1000;
    this.#json({ type: 'summary', seconds: Number(seconds.toFixed(3)), ab, ba });
    for (const [d, c] of [
      ['ab', ab],
      ['ba', ba],
    ] as const) {
      const done = countersText(c);
      this.#line(
        `tcpx: ${this.#names[d]}: ${count(c.packets, 'packet')} (${count(c.frames, 'frame')}, ${count(c.octets, 'octet')})${done === '' ? '' : `: ${done}`}${troubleText(c)}`,
      );
    }
  }

  #second(bridge: ImpairedBridge): void {
    const { ab, ba } = bridge;
    const before = this.#before;
    this.#before = { ab, ba };
    const moved = (d: Direction): boolean => this.#before?.[d].packets !== (before?.[d].packets ?? 0);
    if (!moved('ab') && !moved('ba')) return;
    this.#json({ type: 'second', ab, ba });
    const parts = DIRECTIONS.map((d) => {
      const c = d === 'ab' ? ab : ba;
      const octets = c.octets - (before?.[d].octets ?? 0);
      return `${this.#names[d]} ${c.packets - (before?.[d].packets ?? 0)} packets ${rateText(octets)}, ${c.lost + c.overflowed} lost in all`;
    });
    this.#line(`tcpx: ${parts.join('   ')}`);
  }

  #line(text: string): void {
    if (this.#o.quiet !== true && this.#o.json !== true) this.#io.stderr.write(`${text}\n`);
  }

  #json(record: object): void {
    if (this.#o.json === true) this.#io.stdout.write(`${JSON.stringify(record)}\n`);
  }
}

const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;

/** What went wrong that nobody asked for. */
function troubleText(c: BridgeCounters): string {
  const parts: readonly (readonly [number, string])[] = [
    [c.tooLarge, 'too large for the other side'],
    [c.sendFailures, 'not sent for want of room'],
    [c.missed, 'missed: this machine was too slow'],
  ];
  const said = parts.filter(([n]) => n > 0).map(([n, what]) => `${n} ${what}`);
  return said.length === 0 ? '' : `; ${said.join(', ')}`;
}
