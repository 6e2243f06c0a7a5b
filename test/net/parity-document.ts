/** docs/net-parity.md, from the cases. */
import type { Case } from './trial.ts';

const GROUPS: readonly (readonly [title: string, has: (name: string) => boolean])[] = [
  ['The module', (name) => name.startsWith('net.')],
  ['Socket', (name) => /^Socket(\.|$|\[)/.test(name)],
  ['Events of a Socket', (name) => name.startsWith('Socket event ')],
  ['Options of a Socket', (name) => name.startsWith('Socket option ')],
  ['Options of connect', (name) => name.startsWith('connect option ') || name.startsWith('OnReadOpts.')],
  ['Server', (name) => /^Server(\.|$|\[)/.test(name)],
  ['Events of a Server', (name) => name.startsWith('Server event ')],
  ['Options of a Server', (name) => name.startsWith('Server option ')],
  ['Options of listen', (name) => name.startsWith('listen option ')],
  ['What is handed over', (name) => /^(AddressInfo|DropArgument)\./.test(name)],
];

export function parityDocument(members: readonly string[], cases: readonly Case[]): string {
  const lines = [
    '# `net` and tcpx',
    '',
    'Each member, event and option of Node’s `net`, as @types/node lists them, with what shows it: a program that runs on',
    '`net` first and then on tcpx, and whose records of what it saw (values, events in their order, errors with all their',
    'properties) are compared. Printed by `test/net/parity.test.ts`, which runs them in one process;',
    '`test/interop/net-parity.test.ts` runs them on real packets, on loopback and with another namespace between the ends. **=** is:',
    'the same record.',
  ];
  const left = new Set(members);
  for (const [title, has] of GROUPS) {
    const here = members.filter((name) => has(name));
    lines.push('', `## ${title}`, '', '| | tcpx | shown by |', '|---|---|---|');
    for (const name of here) {
      left.delete(name);
      lines.push(row(name, cases));
    }
  }
  if (left.size > 0) throw new Error(`in no group: ${[...left].join(', ')}`);
  return `${[...lines, ...afterwords()].join('\n')}\n`;
}

function row(name: string, cases: readonly Case[]): string {
  const about = cases.filter((c) => c.covers.includes(name) || c.differs?.members.includes(name));
  const reasons = about.filter((c) => c.differs?.members.includes(name)).map((c) => c.differs?.reason ?? '');
  const same = about.some((c) => c.differs === undefined) ? '=' : '';
  const verdict = [same, ...reasons].filter((text) => text !== '').join('; but: ');
  const shown = about.map((c) => c.name).slice(0, MOST_SHOWN);
  if (about.length > MOST_SHOWN) shown.push(`and ${about.length - MOST_SHOWN} more`);
  return `| ${SHORT(name)} | ${verdict} | ${shown.join('; ')} |`;
}

const MOST_SHOWN = 3;
const SHORT = (name: string): string => `\`${name.replace(/^.* (event|option) /, '')}\``;

/** What no case can be about. */
const afterwords = (): readonly string[] => [
  '',
  '## What differs otherwise',
  '',
  '- **IPv4 only.** Of what a name has of IPv6 is passed over; an IPv6 address is EAFNOSUPPORT. `::` to listen on is 0.0.0.0.',
  '- **A server on every address** has those that the interfaces list; of 127.0.0.0/8 that is 127.0.0.1, others must be named.',
  '- **A connection that was reset before it was accepted** is handed over, and fails then, as with Linux; but it still says whose it',
  '  was, where `remoteAddress` of `net` is undefined.',
  '- **AsyncLocalStorage**: listeners of a socket run outside the context in which the socket was made.',
  '- **No handle.** There is no `_handle`, no descriptor, and nothing to send to another process; of a cluster’s processes each',
  '  would have the port to itself.',
  '- **A paused socket keeps the process** until it is closed or `unref`ed; with `net` one that neither reads nor writes does not.',
  '- **The process stays for what it has sent:** until the peer has acknowledged our FIN, at most 30 s after the last socket has',
  '  gone. A kernel does that on its own. With `process.exit` the FIN leaves, and is not sent again.',
  '- **setKeepAlive** without a delay leaves Linux’s two hours, as `net` does; with one the probes come each second, ten at most.',
  '- **Errors of the machine** that a kernel’s socket can’t have: `EPERM` (CAP_NET_RAW), `ENOTBUILT` (the addon); the message says what',
  '  to do, and so does `hint`.',
  '- **By `tcpx/register`** all of a program’s `net`, http, https, tls, http2 and fetch are tcpx’s. What is not: Unix sockets and',
  '  descriptors, classes that extend `net.Socket` (a warning says so), a cluster’s shared ports; `instanceof net.Socket` does',
  '  not hold for its sockets.',
  '- **Beyond `net`:** `socket.tcpInfo()`, `socket.setCongestionControl(name)`, `socket.setTypeOfService(tos)` and `getTypeOfService()` (of later Nodes), the event `transition`, `netOver(network)`.',
];
