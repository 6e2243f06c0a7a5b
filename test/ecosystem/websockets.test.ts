/** ws on tcpx in both roles, with ws on the kernel's TCP. */
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { paths, resultsOf, setLoss, startProgram, useStage } from './stage.ts';

const PEER = fileURLToPath(new URL('./clients/ws-both.mjs', import.meta.url));
const stage = useStage(async () => {});

test.each(paths)('ws as client and as server on tcpx%s', async (_name, size, loses) => {
  const { server, certificate, clientAddress } = stage();
  const { requests, octets } = size;
  setLoss(stage(), loses);
  const { cert, key } = certificate;
  const peer = server.node(PEER, ['serve', cert, key, String(octets)]);
  onTestFinished(() => peer.kill('SIGKILL'));
  await peer.event('ready', 60_000);
  const child = startProgram(stage(), 'ws', size);
  onTestFinished(() => child.kill('SIGKILL'));
  await child.event('ready', 60_000);
  const user = server.node(PEER, ['use', clientAddress, cert, String(requests), String(octets)]);
  const outcome = [requests, requests, true, 'are you there', 1000, 1006];
  const found = (await user.event('done', 600_000))['found'];
  expect(found, user.stderr).toEqual({ ws: outcome, wss: outcome });
  child.kill('SIGTERM');
  expect(await resultsOf(stage(), child)).toEqual({ ws: outcome, wss: outcome });
});
