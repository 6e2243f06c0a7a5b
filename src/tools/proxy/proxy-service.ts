/** All connections that a proxy serves, and what is to be told of them. */
import { type Client, Proxied, type ProxiedOptions, type ProxyRecord, type Request } from './proxied.ts';

export interface ProxyOptions extends ProxiedOptions {
  /** One is over. */
  readonly onRecord: (record: ProxyRecord) => void;
}

export class ProxyService {
  readonly #o: ProxyOptions;
  readonly #open = new Set<Proxied>();
  #count = 0;
  #octetsOut = 0;
  #octetsIn = 0;
  #whenIdle: (() => void)[] = [];

  constructor(o: ProxyOptions) {
    this.#o = o;
  }

  /** Connections that are being served. */
  get open(): number {
    return this.#open.size;
  }

  get totals(): { readonly connections: number; readonly octetsOut: number; readonly octetsIn: number } {
    return { connections: this.#count, octetsOut: this.#octetsOut, octetsIn: this.#octetsIn };
  }

  serve(client: Client, request: Request): void {
    const proxied = new Proxied(++this.#count, client, request, this.#o, (record) => {
      this.#open.delete(proxied);
      this.#octetsOut += record.octetsOut;
      this.#octetsIn += record.octetsIn;
      this.#o.onRecord(record);
      if (this.#open.size > 0) return;
      for (const tell of this.#whenIdle.splice(0)) tell();
    });
    this.#open.add(proxied);
  }

  /** Resolves when none is open. */
  async idle(): Promise<void> {
    if (this.#open.size > 0) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }

  /** RST to every end there is. */
  stop(): void {
    for (const proxied of [...this.#open]) proxied.stop();
  }
}
