/** The controllers by name. */
import type { CongestionName } from '../config.ts';
import type { CongestionControl } from './controller.ts';
import { Reno } from './reno.ts';

/**
 * `smss` octets. `seed`: of what a controller draws at random, so that a trace replays. `paced`: segments are to be
 * spread over the round trip even where the controller could do without (sysctl tcp_pacing).
 */
export function newController(
  _name: CongestionName,
  smss: number,
  initialSegments: number,
  _seed: number,
  _paced = false,
): CongestionControl {
  return new Reno(smss, initialSegments);
}
