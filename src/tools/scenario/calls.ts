/** Calls of a scenario as whoever plays them gets them: names resolved, what is not looked at left out. */
import { parseIpv4 } from '../../wire/ipv4.ts';
import { LEVELS, Msg, SOCKET_OPTIONS, VALUES } from './constants.ts';
import { type CallStep, ScenarioError, type Value } from './model.ts';

export interface Linger {
  readonly onoff: number;
  readonly linger: number;
}

export type CallRequest =
  | { readonly call: 'socket' }
  | { readonly call: 'bind'; readonly fd: number; readonly port: number | undefined }
  | { readonly call: 'listen'; readonly fd: number; readonly backlog: number }
  | { readonly call: 'accept'; readonly fd: number }
  | {
      readonly call: 'connect';
      readonly fd: number;
      readonly address: number | undefined;
      readonly port: number | undefined;
    }
  | { readonly call: 'read'; readonly fd: number; readonly len: number; readonly flags: number }
  | { readonly call: 'write'; readonly fd: number; readonly len: number; readonly flags: number }
  | { readonly call: 'shutdown'; readonly fd: number; readonly how: number }
  | { readonly call: 'close'; readonly fd: number }
  | {
      readonly call: 'setsockopt';
      readonly fd: number;
      readonly option: string;
      readonly value: number | string | Linger;
    }
  | { readonly call: 'getsockopt'; readonly fd: number; readonly option: string }
  | { readonly call: 'fcntl'; readonly fd: number; readonly command: 'F_GETFL' | 'F_SETFL'; readonly flags: number }
  | {
      readonly call: 'poll';
      readonly fds: readonly { readonly fd: number; readonly events: number }[];
      readonly timeout: number;
    }
  | { readonly call: 'ioctl'; readonly fd: number; readonly request: 'SIOCINQ' | 'SIOCOUTQ' | 'SIOCOUTQNSD' };

/** What a call came to. */
export interface CallResult {
  /** As the system call's: -1 with an errno. */
  readonly result: number;
  readonly errno?: string;
  /** What it read. */
  readonly octets?: Uint8Array;
  /** getsockopt's and ioctl's value, poll's events one by one. */
  readonly values?: readonly (number | string)[];
}

/** What the scenario says it comes to; what is undefined isn't looked at. */
export interface ExpectedResult {
  readonly result: number | undefined;
  readonly errno: string | undefined;
  readonly values: readonly (number | string | undefined)[] | undefined;
}

export interface PlannedCall {
  readonly request: CallRequest;
  readonly expected: ExpectedResult;
}

/** Throws ScenarioError on what is not known or not supported. */
export function planCall(step: CallStep): PlannedCall {
  const call = CALLS.get(step.name);
  if (call === undefined)
    throw new ScenarioError(
      step.place,
      `the call ${step.name} is not supported; these are: ${[...CALLS.keys()].join(', ')}`,
    );
  const args = new Args(step, call);
  const { request, values } = call.make(args);
  const result = step.result.kind === 'any' ? undefined : args.number(step.result, 'the result');
  return { request, expected: { result, errno: step.errno, values } };
}

/** The arguments of one call, by place. */
class Args {
  readonly #step: CallStep;

  /** Throws ScenarioError when they are not as many as the call takes. */
  constructor(step: CallStep, { least, most }: Call) {
    this.#step = step;
    const { length } = step.args;
    if (length >= least && length <= most) return;
    const takes = least === most ? String(most) : `${least} or ${most}`;
    throw this.wrong(
      `${step.name} takes ${takes} ${most === 1 ? 'argument' : 'arguments'}, not ${length}`,
      step.args[most],
    );
  }

  at(i: number): Value {
    return this.#step.args[i]!;
  }

  has(i: number): boolean {
    return i < this.#step.args.length;
  }

  fd(i = 0): number {
    return this.number(this.at(i), 'a descriptor');
  }

  number(value: Value, what: string): number {
    const n = numberOf(value);
    if (n === undefined)
      throw this.wrong(
        `${what} of ${this.#step.name} is a number, or a name that is known here${nameText(value)}`,
        value,
      );
    return n;
  }

  /** `at`: the value that is wrong, where it is one. */
  wrong(message: string, at?: Value): ScenarioError {
    return new ScenarioError(at?.place ?? this.#step.place, message);
  }
}

interface Made {
  readonly request: CallRequest;
  readonly values?: readonly (number | string | undefined)[];
}

/** A call that scenarios may make: how many arguments it takes, and what they ask for. */
interface Call {
  readonly least: number;
  readonly most: number;
  readonly make: (args: Args) => Made;
}

const taking = (name: string, count: number, make: Call['make'], least = count): readonly [string, Call] => [
  name,
  { least, most: count, make },
];

const CALLS: ReadonlyMap<string, Call> = new Map([
  taking('socket', 3, (args) => {
    checkDomain(args);
    for (const i of [1, 2]) checkSocketArg(args, i);
    return { request: { call: 'socket' } };
  }),
  taking('bind', 3, (args) => ({ request: { call: 'bind', fd: args.fd(), port: addressOf(args, 1)?.port } })),
  taking('listen', 2, (args) => ({
    request: { call: 'listen', fd: args.fd(), backlog: args.number(args.at(1), 'the backlog') },
  })),
  taking('accept', 3, (args) => ({ request: { call: 'accept', fd: args.fd() } })),
  taking('accept4', 4, (args) => ({ request: { call: 'accept', fd: args.fd() } })),
  taking('connect', 3, (args) => {
    const to = addressOf(args, 1);
    return { request: { call: 'connect', fd: args.fd(), address: to?.address, port: to?.port } };
  }),
  taking('read', 3, (args) => read(args, 0)),
  taking('recv', 4, (args) => read(args, flagsOf(args))),
  taking('recvfrom', 6, (args) => read(args, flagsOf(args))),
  taking('write', 3, (args) => write(args, 0)),
  taking('send', 4, (args) => write(args, flagsOf(args))),
  taking('sendto', 6, (args) => write(args, flagsOf(args))),
  taking('shutdown', 2, (args) => ({
    request: { call: 'shutdown', fd: args.fd(), how: args.number(args.at(1), 'how') },
  })),
  taking('close', 1, (args) => ({ request: { call: 'close', fd: args.fd() } })),
  taking('setsockopt', 5, (args) => {
    const option = optionOf(args);
    return { request: { call: 'setsockopt', fd: args.fd(), option, value: optionValue(args, option) } };
  }),
  taking('getsockopt', 5, (args) => {
    const option = optionOf(args);
    const value = args.at(3);
    const wanted = value.kind === 'any' ? undefined : value.kind === 'string' ? value.text : firstOf(args, value);
    return { request: { call: 'getsockopt', fd: args.fd(), option }, values: [wanted] };
  }),
  taking(
    'fcntl',
    3,
    (args) => {
      const command = args.at(1);
      if (command.kind !== 'name' || (command.name !== 'F_GETFL' && command.name !== 'F_SETFL'))
        throw args.wrong('fcntl knows F_GETFL and F_SETFL here', command);
      const flags = args.has(2) ? args.number(args.at(2), 'the flags') : 0;
      return { request: { call: 'fcntl', fd: args.fd(), command: command.name, flags } };
    },
    2,
  ),
  taking('ioctl', 3, (args) => {
    const request = args.at(1);
    const name = request.kind === 'name' ? (request.name === 'FIONREAD' ? 'SIOCINQ' : request.name) : '';
    if (name !== 'SIOCINQ' && name !== 'SIOCOUTQ' && name !== 'SIOCOUTQNSD')
      throw args.wrong('ioctl knows SIOCINQ, SIOCOUTQ and SIOCOUTQNSD here', request);
    const value = args.at(2);
    const wanted = value.kind === 'any' ? undefined : firstOf(args, value);
    return { request: { call: 'ioctl', fd: args.fd(), request: name }, values: [wanted] };
  }),
  taking('poll', 3, planPoll),
]);

function checkDomain(args: Args): void {
  const value = args.at(0);
  if (value.kind !== 'any' && !(value.kind === 'name' && /^[AP]F_INET$/.test(value.name)))
    throw args.wrong(`a socket is AF_INET here${nameText(value)}`, value);
}

function checkSocketArg(args: Args, i: number): void {
  const value = args.at(i);
  const allowed = i === 1 ? ['SOCK_STREAM'] : ['IPPROTO_TCP', 'IPPROTO_IP'];
  if (value.kind === 'any' || (value.kind === 'number' && value.n === 0)) return;
  if (value.kind !== 'name' || !allowed.includes(value.name))
    throw args.wrong(`a socket is SOCK_STREAM and IPPROTO_TCP here${nameText(value)}`, value);
}

function read(args: Args, flags: number): Made {
  return { request: { call: 'read', fd: args.fd(), len: args.number(args.at(2), 'the length'), flags } };
}

/** What is written is a pattern, checked wherever it arrives: a scenario can't choose octets. */
function write(args: Args, flags: number): Made {
  if (args.at(1).kind !== 'any') throw args.wrong('what is written is a pattern: write ... in its place', args.at(1));
  return { request: { call: 'write', fd: args.fd(), len: args.number(args.at(2), 'the length'), flags } };
}

const flagsOf = (args: Args): number => args.number(args.at(3), 'the flags');

function optionOf(args: Args): string {
  const level = args.number(args.at(1), 'the level');
  const name = args.at(2);
  const option =
    name.kind === 'name' && Object.hasOwn(SOCKET_OPTIONS, name.name) ? SOCKET_OPTIONS[name.name] : undefined;
  if (name.kind !== 'name' || option === undefined)
    throw args.wrong(`the socket option${nameText(name)} is not known here`, name);
  if (option.level !== level) {
    const right = Object.keys(LEVELS).find((l) => LEVELS[l] === option.level);
    throw args.wrong(`${name.name} is an option of ${right ?? 'another level'}`, args.at(1));
  }
  return name.name;
}

function optionValue(args: Args, option: string): number | string | Linger {
  const value = args.at(3);
  if (value.kind === 'string') return value.text;
  if (value.kind !== 'struct') return firstOf(args, value);
  const field = (name: string): number => {
    const found = value.fields.find((f) => f.name === name);
    if (found === undefined) throw args.wrong(`${option} needs ${name}=`, value);
    return args.number(found.value, name);
  };
  return { onoff: field('onoff'), linger: field('linger') };
}

function firstOf(args: Args, value: Value): number {
  const first = value.kind === 'list' ? value.items[0] : value;
  if (first === undefined) throw args.wrong('an empty list', value);
  return args.number(first, 'the value');
}

function planPoll(args: Args): Made {
  const list = args.at(0);
  if (list.kind !== 'list') throw args.wrong('poll takes a list, as in [{fd=4, events=POLLIN, revents=POLLIN}]', list);
  const fds: { fd: number; events: number }[] = [];
  const values: (number | undefined)[] = [];
  for (const item of list.items) {
    if (item.kind !== 'struct') throw args.wrong('each of poll is {fd=…, events=…, revents=…}', item);
    const field = (name: string): number | undefined => {
      const found = item.fields.find((f) => f.name === name)?.value;
      return found === undefined || found.kind === 'any' ? undefined : args.number(found, name);
    };
    fds.push({ fd: field('fd') ?? -1, events: field('events') ?? 0 });
    values.push(field('revents'));
  }
  return { request: { call: 'poll', fds, timeout: args.number(args.at(2), 'the timeout') }, values };
}

/** `{sa_family = AF_INET, sin_port = htons(8080), sin_addr = inet_addr("192.0.2.1")}`. */
function addressOf(
  args: Args,
  i: number,
): { readonly address: number | undefined; readonly port: number | undefined } | undefined {
  const value = args.at(i);
  if (value.kind === 'any') return undefined;
  if (value.kind !== 'struct') throw args.wrong('an address is ... or {sa_family=…, sin_port=…, sin_addr=…}', value);
  let address: number | undefined;
  let port: number | undefined;
  for (const { name, value: of } of value.fields) {
    const arg = of.kind === 'apply' ? of.args[0] : of;
    if (name === 'sin_port' && arg !== undefined && arg.kind !== 'any') port = args.number(arg, 'the port');
    if (name === 'sin_addr' && arg?.kind === 'string') {
      address = parseIpv4(arg.text);
      if (address === undefined) throw args.wrong(`'${arg.text}' is no IPv4 address`, arg);
    }
    if (name === 'sa_family' && of.kind === 'name' && of.name !== 'AF_INET')
      throw args.wrong(`${of.name} is not supported: IPv4 only`, of);
  }
  return { address, port };
}

function numberOf(value: Value): number | undefined {
  switch (value.kind) {
    case 'number':
      return value.n;
    case 'name':
      return Object.hasOwn(VALUES, value.name) ? VALUES[value.name] : undefined;
    case 'flags': {
      let all = 0;
      for (const of of value.of) {
        const n = numberOf(of);
        if (n === undefined) return undefined;
        all |= n;
      }
      return all;
    }
    case 'apply':
      return value.name === 'htons' && value.args[0] !== undefined ? numberOf(value.args[0]) : undefined;
    default:
      return undefined;
  }
}

const nameText = (value: Value): string => (value.kind === 'name' ? ` (${value.name})` : '');

/** The call as text, for messages. */
export function callText(r: CallRequest): string {
  switch (r.call) {
    case 'socket':
      return 'socket()';
    case 'poll':
      return `poll(${r.fds.map((f) => f.fd).join(', ')})`;
    case 'read':
    case 'write':
      return `${r.call}(${r.fd}, ${r.len}${r.flags & Msg.FASTOPEN ? ', MSG_FASTOPEN' : ''})`;
    case 'setsockopt':
    case 'getsockopt':
      return `${r.call}(${r.fd}, ${r.option})`;
    default:
      return `${r.call}(${r.fd})`;
  }
}
