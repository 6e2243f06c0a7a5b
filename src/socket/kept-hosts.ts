/** What has stacks on it, by a key, and is closed when nothing has been there for a while: no connection, TIME-WAIT included, and no server. */
import type { Stack } from '../stack/stack.ts';

export interface Kept {
  readonly stacks: readonly Stack[];
  /** It is of use although there is no connection. */
  readonly isWanted?: () => boolean;
  /** Resets what is open. */
  close(): void;
}

/** How often it is looked in an idle time. */
const LOOKS = 3;

export class KeptHosts<K extends Kept> {
  readonly #idleTime: number;
  readonly #kept = new Map<string, K>();
  /** Looks in a row that found nothing. */
  readonly #idleLooks = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  /** `idleTime`: ms. */
  constructor(idleTime: number) {
    this.#idleTime = idleTime;
  }

  values(): IterableIterator<K> {
    return this.#kept.values();
  }

  /** It is about to be used. */
  get(key: string): K | undefined {
    this.#idleLooks.delete(key);
    return this.#kept.get(key);
  }

  add(key: string, kept: K): void {
    this.#kept.set(key, kept);
    this.#timer ??= setInterval(() => this.#look(), this.#idleTime / LOOKS).unref();
  }

  /** Closed and forgotten; only `kept` where it is given, and not what has taken its place. */
  drop(key: string, only?: K): void {
    const kept = this.#kept.get(key);
    if (kept === undefined || (only !== undefined && kept !== only)) return;
    this.#kept.delete(key);
    this.#idleLooks.delete(key);
    kept.close();
    if (this.#kept.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** All of them. */
  close(): void {
    for (const key of [...this.#kept.keys()]) this.drop(key);
  }

  #look(): void {
    for (const [key, kept] of this.#kept) {
      const looks = isUsed(kept) ? 0 : (this.#idleLooks.get(key) ?? 0) + 1;
      this.#idleLooks.set(key, looks);
      if (looks > LOOKS) this.drop(key);
    }
  }
}

export const isUsed = ({ stacks, isWanted }: Kept): boolean =>
  isWanted?.() === true || stacks.some((stack) => stack.endpoints().next().done !== true);
