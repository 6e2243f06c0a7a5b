/** Which guard is taken when the kernel lacks one: the addon is a stand-in, since this kernel lacks none. */
import { expect, test } from 'vitest';
import { LinkFailure } from '../../../src/link/failure.ts';
import { guardPort } from '../../../src/link/guard.ts';
import type { Addon, Handle } from '../../../src/link/native.ts';
import { toIpv4 } from '../../../src/wire/ipv4.ts';

const ADDRESS = toIpv4(0x0a4d0001);

function failing(code: string, syscall: string): never {
  throw Object.assign(new Error(`${syscall}: ${code}`), { code, syscall });
}

/** An addon of which only what is given works; counts what is open. */
function standIn(calls: Partial<Addon>): Addon & { readonly open: Set<Handle> } {
  const open = new Set<Handle>();
  const handle = (): Handle => {
    const made = {} as Handle;
    open.add(made);
    return made;
  };
  const made: Partial<Addon> & { readonly open: Set<Handle> } = {
    open,
    portListen: handle,
    portBind: handle,
    portOf: () => 40000,
    netlinkOpen: handle,
    netlinkAsk: () => failing('EOPNOTSUPP', 'recv'),
    close: (closed) => open.delete(closed),
    ...calls,
  };
  // what the guard doesn't call is not there
  return made as Addon & { readonly open: Set<Handle> };
}

function failureOf(run: () => unknown): LinkFailure {
  try {
    run();
  } catch (error) {
    if (error instanceof LinkFailure) return error;
    throw error;
  }
  throw new Error('it should have failed');
}

test('a kernel without TCP-MD5: md5 says so, and names the other guard', () => {
  const addon = standIn({ portListen: () => failing('ENOPROTOOPT', 'setsockopt TCP_MD5SIG_EXT') });
  const failure = failureOf(() => guardPort({ kind: 'md5', address: ADDRESS, port: 0 }, addon));
  expect(failure).toMatchObject({ code: 'ENOPROTOOPT', hint: expect.stringContaining('--guard nft') });
});

test('a kernel with neither: auto fails with both reasons, and leaves no socket open', () => {
  const addon = standIn({
    portListen: () => failing('ENOPROTOOPT', 'setsockopt TCP_MD5SIG_EXT'),
    netlinkOpen: () => failing('EPERM', 'socket AF_NETLINK'),
  });
  const failure = failureOf(() => guardPort({ kind: 'auto', address: ADDRESS, port: 0 }, addon));
  expect(failure).toMatchObject({ code: 'EPERM', hint: expect.stringContaining('CAP_NET_ADMIN') });
  expect(failure.message).toMatch(/nftables.*not permitted.*TCP-MD5 key \(ENOPROTOOPT\)/);
  expect(addon.open.size).toBe(0);
});

test('a port in use is no reason for auto to try the other guard', () => {
  const addon = standIn({
    portListen: () => failing('EADDRINUSE', 'bind'),
    portBind: () => failing('EIO', 'not to be called'),
  });
  expect(failureOf(() => guardPort({ kind: 'auto', address: ADDRESS, port: 40000 }, addon))).toMatchObject({
    code: 'EADDRINUSE',
  });
});

test('a port below 1024 without the privilege says what it takes', () => {
  const addon = standIn({ portListen: () => failing('EACCES', 'bind') });
  expect(failureOf(() => guardPort({ kind: 'auto', address: ADDRESS, port: 80 }, addon)).hint).toContain('1024');
});

test('close is idempotent and closes all that was opened', () => {
  const addon = standIn({});
  const guard = guardPort({ kind: 'md5', address: ADDRESS, port: 0 }, addon);
  expect(addon.open.size).toBe(1);
  guard.close();
  guard.close();
  expect(addon.open.size).toBe(0);
});
