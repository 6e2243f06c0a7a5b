/** All claims, in the order in which a connection lives through them. */
import type { Claim } from './claim.ts';
import { handshake } from './claims/handshake.ts';

export const CLAIMS: readonly Claim[] = [handshake];
