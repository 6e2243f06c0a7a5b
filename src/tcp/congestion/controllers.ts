/** The controllers by name, as Linux's TCP_CONGESTION spells them. */
import type { CongestionControl } from './controller.ts';
import { Reno } from './reno.ts';

export type CongestionName = 'cubic' | 'reno' | 'bbr';

export const CONGESTION_NAMES: readonly CongestionName[] = ['cubic', 'reno', 'bbr'];

/** `seed`: of what a controller draws at random, so that a trace replays. */
export function newController(
  _name: CongestionName,
  smss: number,
  initialSegments: number,
  _seed: number,
): CongestionControl {
  return new Reno(smss, initialSegments);
}
