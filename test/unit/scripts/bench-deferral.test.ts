import { expect, test } from 'vitest';
import { deferralLimit, freeDeferral } from '../../../scripts/bench/deferral.ts';

test('the limit of deferred frees is out of reach while traffic flows, and back afterwards, whatever came of it', async () => {
  const before = deferralLimit();
  let meanwhile: string | undefined;
  await freeDeferral(async () => {
    meanwhile = deferralLimit();
  });
  const isSet = process.getuid?.() === 0 && before !== undefined && before !== '0';
  expect(meanwhile).toBe(isSet ? '2147483647' : before);
  expect(deferralLimit()).toBe(before);
  await expect(freeDeferral(() => Promise.reject(new Error('no peer')))).rejects.toThrow('no peer');
  expect(deferralLimit()).toBe(before);
});
