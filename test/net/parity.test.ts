/**
 * Each member, event and option of `net`, first on `net`, then on tcpx, both ends in this process: the records are to be
 * equal. docs/net-parity.md is printed from this; `UPDATE_DOCS=1` writes it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { afterAll, describe, expect, test } from 'vitest';
import { netOver } from '../../src/socket/net-api.ts';
import { turnNetwork } from '../support/turn-network.ts';
import { cases } from './cases.ts';
import { netMembers } from './members.ts';
import { parityDocument } from './parity-document.ts';
import { type Net, runCase } from './trial.ts';

const DOCUMENT = new URL('../../docs/net-parity.md', import.meta.url);
const { network, close } = turnNetwork();
// the same names, which is what is shown here
const tcpx = netOver(network) as unknown as Net;

afterAll(close);

describe('on net and on tcpx alike:', () => {
  for (const c of cases.filter(({ inNamespace }) => inNamespace !== true)) {
    test(c.name, async () => {
      const onNet = await runCase(c, net);
      const onTcpx = await runCase(c, tcpx);
      expect(onTcpx).toEqual(c.differs?.record(onNet) ?? onNet);
      expect(Object.keys(onNet).length).toBeGreaterThan(0);
    });
  }
});

test('every member, event and option has a case, and every case is about what there is', () => {
  const members = netMembers();
  const covered = new Set(cases.flatMap((c) => [...c.covers, ...(c.differs?.members ?? [])]));
  expect(members.filter((name) => !covered.has(name))).toEqual([]);
  expect([...covered].filter((name) => !members.includes(name))).toEqual([]);
});

test('docs/net-parity.md is current', () => {
  const text = parityDocument(netMembers(), cases);
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(DOCUMENT, text);
  expect(readFileSync(DOCUMENT, 'utf8')).toBe(text);
});
