/** All of them. */
import { connectCases } from './cases-connect.ts';
import { serverCases } from './cases-server.ts';
import { socketCases } from './cases-socket.ts';
import type { Case } from './trial.ts';

export const cases: readonly Case[] = [...connectCases, ...socketCases, ...serverCases];
