/** What a command that serves many connections writes: how it began, a line for each connection that is over, what it came to. */
import type { LinkError } from '../link/link.ts';
import { octetsText } from '../tools/perf/text.ts';
import type { ProxyRecord } from '../tools/proxy/proxied.ts';
import { recordJson, recordText } from '../tools/proxy/record-text.ts';
import type { Io } from './io.ts';
import { LineWriter } from './line-writer.ts';

export const PROXY_SCHEMA = 'tcpx.proxy/1';

export class ProxyOutput {
  readonly #io: Io;
  readonly #quiet: boolean;
  readonly #json: boolean;
  readonly #lines: LineWriter;
  readonly #linkErrors = new Set<string>();

  constructor(io: Io, o: { readonly quiet?: true; readonly json?: true }) {
    this.#io = io;
    this.#quiet = o.quiet === true;
    this.#json = o.json === true;
    this.#lines = new LineWriter(
      io.stderr,
      () => {},
      (count) => (this.#json ? JSON.stringify({ type: 'left out', lines: count }) : `tcpx: ${count} lines left out`),
    );
  }

  /** `facts` say the same to a program. */
  start(text: string, facts: Readonly<Record<string, unknown>>): void {
    this.#write(text, { type: 'start', schema: PROXY_SCHEMA, wall: this.#io.wallClock().toISOString(), ...facts });
  }

  /** Goes with a hint where there is something to be done. */
  remark(text: string, hint?: string): void {
    const more = hint === undefined ? '' : `\n  hint: ${hint}`;
    this.#write(`${text}${more}`, { type: 'note', text, ...(hint !== undefined && { hint }) });
  }

  record(record: ProxyRecord): void {
    if (this.#quiet) return;
    this.#lines.line(this.#json ? JSON.stringify(recordJson(record)) : `tcpx: ${recordText(record)}`);
  }

  /** For connections of another kind. */
  line(text: string, json: () => Readonly<Record<string, unknown>>): void {
    if (this.#quiet) return;
    this.#lines.line(this.#json ? JSON.stringify(json()) : `tcpx: ${text}`);
  }

  /** One that comes with every packet is told once. */
  linkError({ code, message }: LinkError): void {
    if (this.#linkErrors.has(code)) return;
    this.#linkErrors.add(code);
    this.remark(message);
  }

  end(t: { readonly connections: number; readonly octetsOut: number; readonly octetsIn: number }): void {
    const text = `${t.connections} connection${t.connections === 1 ? '' : 's'}, ${octetsText(t.octetsOut)} out, ${octetsText(t.octetsIn)} in`;
    this.#write(text, { type: 'end', ...t });
    this.#lines.flush();
  }

  #write(text: string, json: Readonly<Record<string, unknown>>): void {
    if (this.#quiet) return;
    this.#lines.line(this.#json ? JSON.stringify(json) : `tcpx: ${text}`);
  }
}
