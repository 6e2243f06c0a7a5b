/** Checks that only read: capabilities, native parts, the interface and its settings, limits. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { loadAddon } from '../../link/native.ts';
import type { Interface } from '../../link/route.ts';
import { Capability, type CapabilitySets, hasCapability } from '../capabilities.ts';
import { type Check, failure, failureOf, ok, warning } from './check.ts';

export const NODE_NEEDED = [20, 11] as const;

export function nodeCheck(version = process.versions.node): Check {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [least, leastMinor] = NODE_NEEDED;
  return major > least || (major === least && minor >= leastMinor)
    ? ok('node', version)
    : failure('node', `${version} is too old`, `install Node ${least}.${leastMinor} or later`);
}

export function capabilityCheck(sets: CapabilitySets): Check {
  const name = 'capabilities';
  if (hasCapability(sets.effective, Capability.NET_RAW)) {
    return ok(
      name,
      hasCapability(sets.effective, Capability.NET_ADMIN)
        ? 'CAP_NET_RAW, and CAP_NET_ADMIN for --guard nft'
        : 'CAP_NET_RAW; not CAP_NET_ADMIN, which only --guard nft needs',
    );
  }
  if (!hasCapability(sets.bounding, Capability.NET_RAW))
    return failure(
      name,
      'CAP_NET_RAW is not to be had here: it is outside the bounding set',
      'in Docker: docker run --cap-add NET_RAW; in systemd: CapabilityBoundingSet',
      'not permitted',
    );
  return failure(
    name,
    'CAP_NET_RAW is missing',
    'run it as root (sudo), or with setpriv --inh-caps +net_raw --ambient-caps +net_raw',
    'not permitted',
  );
}

const require = createRequire(import.meta.url);

/** Each native part, loaded. Nothing goes without the addon; with it, the other two are one of two ways to the wire. */
export function partChecks(): readonly Check[] {
  return [
    partCheck('addon', 'guards the port, asks the kernel, --driver packet', loadAddon, ''),
    optionalPart(
      'raw-socket',
      'sends packets for --driver raw',
      () => require('raw-socket'),
      'apt-get install python3 make g++ && npm rebuild raw-socket',
    ),
    optionalPart(
      'cap',
      'receives packets for --driver raw',
      () => require('cap'),
      'apt-get install libpcap-dev python3 make g++ && npm rebuild cap',
    ),
  ];
}

function partCheck(name: string, purpose: string, load: () => unknown, remedy: string): Check {
  try {
    load();
    return ok(name, `built; ${purpose}`);
  } catch (error) {
    const found = failureOf(name, error);
    return {
      ...found,
      detail: `not built: ${found.detail.replace(/^the addon is not built: /, '')}`,
      ...(remedy !== '' && { remedy }),
    };
  }
}

function optionalPart(name: string, purpose: string, load: () => unknown, remedy: string): Check {
  const found = partCheck(name, purpose, load, remedy);
  return found.status === 'ok' ? found : warning(name, `${found.detail}; it ${purpose}`, remedy);
}

export function interfaceCheck(i: Interface, address: string | undefined): Check {
  const name = 'interface';
  if (!i.up) return failure(name, `${i.name} is down`, `ip link set ${i.name} up`);
  if (address === undefined)
    return warning(
      name,
      `${i.name} has no IPv4 address`,
      `ip address add ADDR/LEN dev ${i.name}, or one of our own with --ip`,
    );
  return ok(name, `${i.name} is up, ${address}`);
}

export function mtuCheck(i: Interface): Check {
  if (i.mtu < 576)
    return warning('MTU', `${i.mtu} octets: less than the 576 that every host takes`, `ip link set ${i.name} mtu 1500`);
  return ok('MTU', `${i.mtu} octets`);
}

/** `text`: what `ethtool -k` prints; undefined when that is not to be had. */
export function offloadCheck(i: Interface, text = ethtool(i.name)): Check {
  const name = 'offloads';
  if (text === undefined) return ok(name, 'not known: no ethtool here; tcpx takes merged segments either way');
  const is = (feature: string): boolean => new RegExp(`^${feature}: on`, 'm').test(text);
  const found = [
    ['generic-receive-offload', 'GRO'],
    ['tcp-segmentation-offload', 'TSO'],
    ['large-receive-offload', 'LRO'],
  ].map(([feature, short]) => `${short} ${is(feature!) ? 'on' : 'off'}`);
  const detail = `${found.join(', ')}; merged segments and left checksums are recognised`;
  // Unlike GRO it forgets how the segments were, and merges what differs.
  if (is('large-receive-offload'))
    return warning(name, detail, `ethtool -K ${i.name} lro off, where captures are to show what was on the wire`);
  return ok(name, detail);
}

function ethtool(name: string): string | undefined {
  const done = spawnSync('ethtool', ['-k', name], { encoding: 'utf8', env: toolEnv() });
  return done.error === undefined && done.status === 0 ? done.stdout : undefined;
}

/** An ordinary user's PATH may lack where such tools are. */
export const toolEnv = (): NodeJS.ProcessEnv => ({
  ...process.env,
  LC_ALL: 'C',
  PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
});

/** The kernel takes the stricter of the interface's and everybody's. */
export function rpFilterCheck(i: Interface, read = readSetting): Check {
  const value = Math.max(read(`conf/all/rp_filter`) ?? 0, read(`conf/${i.name}/rp_filter`) ?? 0);
  const kind = ['off', 'strict', 'loose'][value] ?? String(value);
  return ok('rp_filter', `${kind}${value === 0 ? '' : '; packets are seen before it'}`);
}

function readSetting(path: string): number | undefined {
  try {
    return Number(readFileSync(`/proc/sys/net/ipv4/${path}`, 'utf8'));
  } catch {
    return undefined;
  }
}

/** For a handful of sockets; Node raises it to the hard limit when it starts. */
export function fileLimitCheck(limits = readFileSync('/proc/self/limits', 'utf8')): Check {
  const soft = /^Max open files\s+(\S+)/m.exec(limits)?.[1] ?? 'unknown';
  if (Number(soft) < 256) return warning('NOFILE', `${soft} open files`, 'ulimit -n 1024');
  return ok('NOFILE', `${soft} open files`);
}
