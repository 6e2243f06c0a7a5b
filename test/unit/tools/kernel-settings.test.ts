import { expect, test } from 'vitest';
import { kernelSettings } from '../../../src/tools/kernel-settings.ts';

const FILES: Readonly<Record<string, string>> = {
  tcp_syn_retries: '6\n',
  tcp_timestamps: '2\n',
  tcp_sack: '0\n',
  tcp_rmem: '4096\t131072\t33554432\n',
};

test('settings are read in our own terms: numbers, flags and sizes', () => {
  expect(kernelSettings((name) => FILES[name])).toEqual({
    tcp_syn_retries: 6,
    tcp_timestamps: true,
    tcp_sack: false,
    tcp_rmem: [4096, 131072, 33554432],
  });
});

test('this machine has them', () => {
  const found = kernelSettings();
  expect(found.tcp_rmem?.every((n) => n > 0)).toBe(true);
  expect(found.tcp_retries2).toBeGreaterThan(0);
});
