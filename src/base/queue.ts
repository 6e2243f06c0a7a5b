/** First in, first out, in a circle that grows: no element is ever moved, and taking leaves no garbage. */
export class Queue<T> {
  #slots: (T | undefined)[] = new Array<T | undefined>(16).fill(undefined);
  #first = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** The next that `shift` gives; undefined when there is none. */
  get first(): T | undefined {
    return this.#slots[this.#first];
  }

  push(item: T): void {
    if (this.#count === this.#slots.length) this.#grow();
    this.#slots[(this.#first + this.#count++) & (this.#slots.length - 1)] = item;
  }

  /** Puts `item` in front of all. */
  unshift(item: T): void {
    if (this.#count === this.#slots.length) this.#grow();
    this.#first = (this.#first - 1) & (this.#slots.length - 1);
    this.#slots[this.#first] = item;
    this.#count++;
  }

  shift(): T | undefined {
    const item = this.#slots[this.#first];
    if (item === undefined) return undefined;
    this.#slots[this.#first] = undefined;
    this.#first = (this.#first + 1) & (this.#slots.length - 1);
    this.#count--;
    return item;
  }

  clear(): void {
    this.#slots.fill(undefined);
    this.#first = 0;
    this.#count = 0;
  }

  #grow(): void {
    const old = this.#slots;
    const slots = new Array<T | undefined>(old.length * 2).fill(undefined);
    for (let i = 0; i < this.#count; i++) slots[i] = old[(this.#first + i) & (old.length - 1)];
    this.#slots = slots;
    this.#first = 0;
  }
}
