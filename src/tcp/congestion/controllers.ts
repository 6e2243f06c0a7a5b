/** The controllers by name. */
import type { CongestionName } from '../config.ts';
import { Bbr } from './bbr.ts';
import type { CongestionControl } from './controller.ts';
import { Cubic } from './cubic.ts';
import { Reno } from './reno.ts';

/**
 * `smss` octets. `seed`: of what a controller draws at random, so that a trace replays. `paced`: segments are to be
 * spread over the round trip even where the controller could do without (sysctl tcp_pacing).
 */
export function newController(
  name: CongestionName,
  smss: number,
  initialSegments: number,
  seed: number,
  paced = false,
): CongestionControl {
  switch (name) {
    case 'reno':
      return new Reno(smss, initialSegments, paced);
    case 'bbr':
      return new Bbr(smss, initialSegments, seed);
    default:
      return new Cubic(smss, initialSegments, paced);
  }
}
