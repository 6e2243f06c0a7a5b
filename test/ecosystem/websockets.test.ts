/** ws on tcpx in both roles, with ws on the kernel's TCP. */
import { expect, onTestFinished, test } from 'vitest';
import type { Child } from '../support/child.ts';
import { paths, resultsOf, type Size, setLoss, startProgram, useStage } from './stage.ts';

const stage = useStage(async () => {});

test.each(paths)('ws as client and as server on tcpx%s', async (_name, size, loses) => {
  setLoss(stage(), loses);
  await started('ws-peer', size, 'serve');
  const child = await started('ws', size);
  const { requests } = size;
  const outcome = [requests, requests, true, 'are you there', 1000, 1006];
  const user = startProgram(stage(), 'ws-peer', size, 'use');
  const { found } = await user.event('done', 600_000);
  expect(found, user.stderr).toEqual({ ws: outcome, wss: outcome });
  child.kill('SIGTERM');
  expect(await resultsOf(stage(), child)).toEqual({ ws: outcome, wss: outcome });
});

async function started(name: string, size: Size, ...peerArgs: readonly string[]): Promise<Child> {
  const child = startProgram(stage(), name, size, ...peerArgs);
  onTestFinished(() => child.kill('SIGKILL'));
  await child.event('ready', 60_000);
  return child;
}
