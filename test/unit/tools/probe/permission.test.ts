/** Who may be probed without --yes, and names that were nearly right. */
import { expect, test } from 'vitest';
import { nearestName } from '../../../../src/cli/nearest.ts';
import { isForFree } from '../../../../src/tools/probe/permission.ts';
import { parseIpv4 } from '../../../../src/wire/ipv4.ts';

const GATEWAY = parseIpv4('10.0.0.254')!;
const NEAR = { loopback: false, gateway: undefined };
const FAR = { loopback: false, gateway: GATEWAY };
const OWN = { loopback: true, gateway: undefined };

test.each([
  ['127.0.0.1', OWN, true, true],
  ['203.0.113.9', OWN, true, true],
  ['169.254.1.2', NEAR, true, true],
  ['10.1.2.3', NEAR, false, true],
  ['172.31.0.1', NEAR, false, true],
  ['192.168.7.7', NEAR, false, true],
  ['10.1.2.3', NEAR, true, false],
  ['10.1.2.3', FAR, false, false],
  ['169.254.1.2', FAR, false, false],
  ['172.32.0.1', NEAR, false, false],
  ['203.0.113.9', NEAR, false, false],
  ['8.8.8.8', FAR, true, false],
] as const)('%s by %j, routes beyond: %s: for free is %s', (address, route, leadsElsewhere, free) => {
  expect(isForFree(parseIpv4(address)!, route, leadsElsewhere)).toBe(free);
});

test('the nearest name is a slip of the finger away, or begins like it', () => {
  const names = ['sack', 'dsack', 'rto', 'synack-retries', 'time-wait'];
  expect(nearestName('sakc', names)).toBe('sack');
  expect(nearestName('synack', names)).toBe('synack-retries');
  expect(nearestName('TIME-WAIT', names)).toBe('time-wait');
  expect(nearestName('bandwidth', names)).toBeUndefined();
});
