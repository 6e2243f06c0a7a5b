import { describe, expect, test } from 'vitest';
import { compare, countedAt, countedBetween, median, quantile } from '../../../scripts/bench/statistics.ts';

describe('medians', () => {
  test('the middle one, or the mean of the middle two, in whatever order they come', () => {
    expect(median([30, 1, 2])).toBe(2);
    expect(median([10, 1, 2, 4])).toBe(3);
    expect(median([])).toBeNaN();
  });

  test('numbers are not ordered as text', () => {
    expect(median([9, 10, 100])).toBe(10);
  });

  test('a quantile is the smallest value that so many do not exceed', () => {
    const values = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect(quantile(values, 0)).toBe(1);
    expect(quantile(values, 0.5)).toBe(51);
    expect(quantile(values, 1)).toBe(100);
  });
});

test("a ratio is the median of the pairs', whatever the machine did between pairs; its spread theirs", () => {
  const pairs = [
    { tcpx: 10, net: 10 },
    { tcpx: 30, net: 10 },
    { tcpx: 20, net: 5 },
  ];
  expect(compare(pairs)).toEqual({ tcpx: 20, net: 10, ratio: 3, spread: [1, 4] });
});

describe('what the peer counted', () => {
  const samples = [100, 0, 200, 1000, 400, 2000];

  test('between two samples it grew evenly', () => {
    expect(countedAt(samples, 150)).toBe(500);
    expect(countedAt(samples, 200)).toBe(1000);
    expect(countedAt(samples, 300)).toBe(1500);
    expect(countedBetween(samples, 150, 300)).toBe(1000);
  });

  test('before the first sample and after the last nothing grows', () => {
    expect(countedAt(samples, 0)).toBe(0);
    expect(countedAt(samples, 1e9)).toBe(2000);
    expect(countedAt([], 5)).toBe(0);
  });
});
