/** Time as a value: integer microseconds, the unit of captures and logs. Nothing here reads a clock. */
declare const microsBrand: unique symbol;
/** Microseconds since the clock's arbitrary zero, always an integer. */
export type Micros = number & { readonly [microsBrand]: true };

/** A deadline that never comes. */
export const NEVER: Micros = Number.POSITIVE_INFINITY as Micros;
export const micros = (n: number): Micros => Math.trunc(n) as Micros;
export const ms = (n: number): Micros => micros(n * 1000);
export const seconds = (n: number): Micros => micros(n * 1_000_000);
/** `at` moved by `by`; NEVER stays NEVER. */
export const later = (at: Micros, by: Micros): Micros => (at + by) as Micros;

/** What a stack is given instead of a clock of its own. One alarm at a time: a new one replaces the old. */
export interface Clock {
  now(): Micros;
  /** Calls `wake` once, not before `at`; NEVER cancels. */
  wakeAt(at: Micros, wake: () => void): void;
  /** Calls `run` once what is being done now is done, in the same instant; absent where nothing else can be done in it. */
  soon?(run: () => void): void;
}
