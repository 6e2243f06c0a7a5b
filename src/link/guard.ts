/**
 * The port guard: what keeps this machine's kernel, which knows nothing of our connections, from answering their
 * segments with RST, and from giving our port to someone else.
 *
 * md5   a kernel socket listens on the port and ignores everything (see native/guard.c). Needs no privilege.
 * nft   a bound kernel socket keeps the port, a firewall rule drops what comes for it (see nft.ts). CAP_NET_ADMIN.
 * none  a bound kernel socket keeps the port; the kernel resets our connections unless something else prevents it.
 *
 * All of it ends with the process, however that ends.
 */
import { type Ipv4, ipv4Text } from '../wire/ipv4.ts';
import { LinkFailure } from './failure.ts';
import { type Addon, errnoOf, GuardWith, type Handle, loadAddon } from './native.ts';
import { dropIncoming } from './nft.ts';

export type GuardKind = 'md5' | 'nft' | 'none';

export interface PortGuard {
  readonly kind: GuardKind;
  readonly address: Ipv4;
  readonly port: number;
  /** What is in force, for people. */
  readonly note: string;
  /** Idempotent. From then on the kernel answers for the port again. */
  close(): void;
}

export interface GuardOptions {
  /** 'auto': md5, and nft where the kernel has no TCP-MD5. */
  readonly kind: 'auto' | GuardKind;
  /** One of this machine's. */
  readonly address: Ipv4;
  /** 0: the kernel chooses. */
  readonly port: number;
}

/** A guard that nobody refers to any more must go on guarding: collected as garbage it would close its sockets. */
const OPEN = new Set<PortGuard>();

/** Throws LinkFailure: EADDRINUSE, EADDRNOTAVAIL, EACCES (a port below 1024), ENOPROTOOPT (md5), EPERM (nft), ENOTBUILT. */
export function guardPort(o: GuardOptions, addon: Addon = loadAddon()): PortGuard {
  switch (o.kind) {
    case 'md5':
      return byListener(o, addon);
    case 'nft':
      return byFirewall(o, addon, '');
    case 'none':
      return guard(
        o,
        addon,
        'none',
        [bindPort(o, addon)],
        'no guard: the port is kept, but this kernel resets what comes for it',
      );
    case 'auto':
      try {
        return byListener(o, addon);
      } catch (error) {
        if (!(error instanceof MissingMd5)) throw error;
        return byFirewall(o, addon, `, since ${error.message}`);
      }
  }
}

/** This kernel can't do it, whatever the port. */
class MissingMd5 extends LinkFailure {
  constructor(code: string) {
    super(code, `this kernel refuses a TCP-MD5 key (${code})`, 'try --guard nft, which needs CAP_NET_ADMIN');
  }
}

function byListener(o: GuardOptions, addon: Addon): PortGuard {
  let handle: Handle;
  try {
    handle = addon.portListen(o.address, o.port, GuardWith.MD5 | GuardWith.MINTTL);
  } catch (error) {
    const syscall = error instanceof Error && 'syscall' in error ? String(error.syscall) : '';
    if (syscall.startsWith('setsockopt')) throw new MissingMd5(errnoOf(error) ?? 'EIO');
    throw portFailure(o, error);
  }
  return guard(o, addon, 'md5', [handle], 'md5: a kernel listener with a TCP-MD5 key for every peer and IP_MINTTL 255');
}

function byFirewall(o: GuardOptions, addon: Addon, why: string): PortGuard {
  const held = bindPort(o, addon);
  try {
    const rule = dropIncoming(o.address, addon.portOf(held), addon);
    return guard(
      o,
      addon,
      'nft',
      [held, rule],
      `nft: an nftables table of this process drops what comes for the port${why}`,
    );
  } catch (error) {
    addon.close(held);
    const code = errnoOf(error) ?? 'EIO';
    const isPermission = code === 'EPERM' || code === 'EACCES';
    throw new LinkFailure(
      code,
      `no nftables rule for the port: ${isPermission ? 'not permitted' : code}${why}`,
      isPermission
        ? 'it needs CAP_NET_ADMIN (docker run --cap-add NET_ADMIN); --guard md5 needs nothing'
        : 'it needs nftables with owned tables, Linux 5.12 or later',
    );
  }
}

function bindPort(o: GuardOptions, addon: Addon): Handle {
  try {
    return addon.portBind(o.address, o.port);
  } catch (error) {
    throw portFailure(o, error);
  }
}

function guard(o: GuardOptions, addon: Addon, kind: GuardKind, handles: readonly Handle[], note: string): PortGuard {
  const made: PortGuard = {
    kind,
    address: o.address,
    port: addon.portOf(handles[0]!),
    note,
    close() {
      OPEN.delete(made);
      for (const handle of handles) addon.close(handle);
    },
  };
  OPEN.add(made);
  return made;
}

function portFailure(o: GuardOptions, error: unknown): unknown {
  const code = errnoOf(error);
  const address = ipv4Text(o.address);
  switch (code) {
    case 'EADDRINUSE':
      return new LinkFailure(
        code,
        o.port === 0 ? `no port is free on ${address}` : `port ${o.port} of ${address} is in use`,
        o.port === 0
          ? 'see sysctl net.ipv4.ip_local_port_range'
          : `\`ss -tanp sport = :${o.port}\` shows by whom (TIME-WAIT lasts a minute); or choose another port`,
      );
    case 'EADDRNOTAVAIL':
      return new LinkFailure(
        code,
        `${address} is not an address of this machine`,
        '`ip -4 address` lists those it has',
      );
    case 'EACCES':
      return new LinkFailure(
        code,
        `port ${o.port} is below 1024, for which root or CAP_NET_BIND_SERVICE is needed`,
        'choose a port from 1024 on',
      );
    case 'EPERM':
      return new LinkFailure(
        code,
        `the kernel doesn't allow port ${o.port} of ${address}`,
        'a security policy (seccomp, SELinux) may forbid it',
      );
    default:
      return error;
  }
}
