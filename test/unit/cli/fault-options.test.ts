import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { CliFailure } from '../../../src/cli/exit.ts';
import {
  type FaultOptions,
  faultOptions,
  faultsIn,
  linkFaultsOf,
  type WireOptions,
  wireOptions,
} from '../../../src/cli/fault-options.ts';
import { newFaultCounters } from '../../../src/link/faults.ts';
import { countersText, faultsText } from '../../../src/tools/fault-text.ts';

const AB = ['ab', 'ba'] as const;

function parse(...args: string[]): FaultOptions & WireOptions {
  const command = new Command().exitOverride();
  for (const option of [...faultOptions(AB), ...wireOptions(AB)]) command.addOption(option);
  return command.parse(args, { from: 'user' }).opts();
}

function failure(...args: string[]): string {
  try {
    parse(...args);
  } catch (error) {
    if (error instanceof CliFailure) return `${error.exitCode} ${error.message} | ${error.hint}`;
    throw error;
  }
  return 'none';
}

test('a value is both directions’ unless it names one; each may be given for itself', () => {
  expect(parse('--loss', '2%').loss).toEqual({ ab: 0.02, ba: 0.02 });
  expect(parse('--loss', '0.02:ab').loss).toEqual({ ab: 0.02 });
  expect(parse('--loss', '2%', '--loss', '5%:ba').loss).toEqual({ ab: 0.02, ba: 0.05 });
  expect(faultsIn(parse('--loss', '5%:ba'), 'ab')).toEqual({});
});

test('shares are percent or fractions, times carry a unit, rates are in bits, queues in packets or octets', () => {
  expect(parse('--dup', '100%').dup).toEqual({ ab: 1, ba: 1 });
  expect(parse('--corrupt', '.5').corrupt).toEqual({ ab: 0.5, ba: 0.5 });
  expect(parse('--delay', '20ms').delay?.['ab']).toBe(20_000);
  expect(parse('--delay', '1.5s:ab').delay?.['ab']).toBe(1_500_000);
  expect(parse('--jitter', '300us').jitter?.['ba']).toBe(300);
  expect(parse('--rate', '100mbit').rate?.['ab']).toBe(12_500_000);
  expect(parse('--rate', '1Gbit').rate?.['ab']).toBe(125_000_000);
  expect(parse('--queue', '100').queue?.['ab']).toEqual({ packets: 100 });
  expect(parse('--queue', '64KB').queue?.['ab']).toEqual({ octets: 64_000 });
  expect(parse('--queue', '64KiB').queue?.['ab']).toEqual({ octets: 65_536 });
});

describe('what is wrong is told with what would be right', () => {
  test.each([
    [['--loss', '2'], "2 --loss '2' is more than all packets; 2% is written with its sign | for example --loss 2%"],
    [['--loss', '101%'], "2 --loss '101%' is more than all packets | for example --loss 2%"],
    [['--loss', 'much'], "2 --loss 'much' is no share of the packets | for example --loss 2%"],
    [['--delay', '20'], "2 --delay '20' has no unit; us, ms and s are known | for example --delay 20ms"],
    [['--delay', '2min'], "2 --delay '2min' has a unit that is not known; us, ms and s are | for example --delay 20ms"],
    [['--delay', '61s'], "2 --delay '61s' is longer than 60 s | for example --delay 20ms"],
    [['--loss', '2%:in'], "2 --loss '2%:in' names no direction | directions are ab and ba, for example --loss 2%:ba"],
    [
      ['--rate', '100'],
      "2 --rate '100' has no unit that is known; kbit, mbit and gbit are (bits per second) | for example --rate 100mbit",
    ],
    [
      ['--queue', '5kg'],
      "2 --queue '5kg' has a unit that is not known; KB, MB, KiB and MiB are, none means packets | for example --queue 100",
    ],
    [['--seed', '-1'], "2 --seed '-1' is not a whole number from 0 to 4294967295 | for example --seed 1"],
  ])('%j', (args, text) => {
    expect(failure(...args)).toBe(text);
  });
});

test('no faults are no tap; with some there is a seed, chosen when not given', () => {
  expect(linkFaultsOf({})).toBeUndefined();
  expect(linkFaultsOf({ seed: 5 })).toBeUndefined();
  expect(linkFaultsOf({ loss: { in: 0.1 }, seed: 5 })?.record).toEqual({ seed: 5, in: { loss: 0.1 }, out: {} });
  expect(Number.isInteger(linkFaultsOf({ loss: { in: 0.1 } })?.seed)).toBe(true);
});

test('faults and what they did are said in words', () => {
  const o = parse('--loss', '2%', '--dup', '0.1%', '--delay', '20ms', '--jitter', '300us', '--rate', '100mbit');
  expect(faultsText(faultsIn(o, 'ab'))).toBe(
    '2% lost, 0.1% doubled, 20 ms later, up to 300 us of jitter, 100 Mbit/s, queue 100 packets',
  );
  expect(faultsText({})).toBe('');
  expect(countersText({ ...newFaultCounters(), packets: 9, lost: 1, overflowed: 2 })).toBe(
    '1 lost, 2 dropped at a full queue',
  );
});
