/**
 * The log for machines: one record a line, header first, summary last. Reading checks what the readers rely on and says
 * where and what it missed; the whole contract is the JSON Schema.
 */
import { StringDecoder } from 'node:string_decoder';
import { LOG_SCHEMA, type LogRecord, type LogSink } from './log-record.ts';

export class NdjsonLog implements LogSink {
  readonly #out: (line: string) => void;

  /** `out` gets one line at a time, without the newline. */
  constructor(out: (line: string) => void) {
    this.#out = out;
  }

  write(record: LogRecord): void {
    this.#out(JSON.stringify(record));
  }

  flush(): void {}
}

/** A log that is none, or not whole. `line` counts from 1. */
export class LogFormatError extends Error {
  override readonly name = 'LogFormatError';
  readonly line: number;
  /** It is a log as far as it goes. */
  readonly cutOff: boolean;

  constructor(line: number, message: string, cutOff = false) {
    super(`line ${line}: ${message}`);
    this.line = line;
    this.cutOff = cutOff;
  }
}

export interface LogLine {
  readonly line: number;
  readonly record: LogRecord;
}

/** Longest line taken for a record, characters: a file that is no log may have no newline at all. */
const MAX_LINE = 1 << 20;

/** The records of a log in order. Throws LogFormatError where it stops being one; a log without a summary is not whole. */
export async function* readLog(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<LogLine, void> {
  let line = 0;
  let last: LogRecord['type'] | undefined;
  for await (const { text, whole } of linesOf(chunks)) {
    line++;
    if (last === 'summary')
      throw new LogFormatError(line, 'the log ended with the summary on the line before; expected nothing more');
    const record = whole || line === 1 ? parseRecord(text, line) : parseCutRecord(text, line);
    last = record.type;
    yield { line, record };
  }
  if (line === 0) throw new LogFormatError(1, `the file is empty; expected the header of a ${LOG_SCHEMA} log`);
  if (last !== 'summary')
    throw new LogFormatError(line, 'the log ends here; expected more records and a summary as the last', true);
}

function parseCutRecord(text: string, line: number): LogRecord {
  try {
    return parseRecord(text, line);
  } catch {
    throw new LogFormatError(
      line,
      'the log is cut off in the middle of this record; expected a whole line of JSON',
      true,
    );
  }
}

function parseRecord(text: string, line: number): LogRecord {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new LogFormatError(
      line,
      line === 1 ? `not JSON; expected the header of a ${LOG_SCHEMA} log` : 'not JSON; expected one record',
    );
  }
  const wrong = line === 1 ? wrongHeader(value) : wrongRecord(value);
  if (wrong !== undefined) throw new LogFormatError(line, wrong);
  // JSON boundary: the fields that readers use have been checked.
  return value as LogRecord;
}

type Kind = 'string' | 'number' | 'boolean' | 'object';

/** Per type, the fields a reader can't do without. */
const FIELDS: Readonly<Record<Exclude<LogRecord['type'], 'header'>, Readonly<Record<string, Kind>>>> = {
  open: { conn: 'number', local: 'string', localPort: 'number', remote: 'string', remotePort: 'number' },
  call: { conn: 'number', call: 'string' },
  state: { conn: 'number', from: 'string', event: 'string', to: 'string', cause: 'string', rule: 'string' },
  segment: { conn: 'number', dir: 'string', seg: 'object' },
  timer: { conn: 'number', timer: 'string' },
  congestion: { conn: 'number', why: 'string', cwnd: 'number', ssthresh: 'number' },
  rtt: { conn: 'number', rtt: 'number', srtt: 'number', rttvar: 'number', rto: 'number' },
  drop: { conn: 'number', reason: 'string' },
  icmp: { conn: 'number', error: 'string', args: 'object' },
  error: { conn: 'number', code: 'string' },
  link: { code: 'string', message: 'string', fatal: 'boolean' },
  note: { text: 'string' },
  listen: { local: 'string', localPort: 'number', interface: 'string' },
  failure: { message: 'string', exitCode: 'number' },
  summary: {
    state: 'string',
    segmentsOut: 'number',
    segmentsIn: 'number',
    octetsOut: 'number',
    octetsIn: 'number',
    retransmissions: 'number',
  },
};
const SEGMENT_FIELDS: Readonly<Record<string, Kind>> = {
  seq: 'number',
  ack: 'number',
  flags: 'string',
  wnd: 'number',
  len: 'number',
};

function wrongHeader(value: unknown): string | undefined {
  const expected = `expected the header of a ${LOG_SCHEMA} log`;
  if (!isObject(value)) return `no JSON object; ${expected}`;
  if (value['type'] !== 'header') return `${describe(value['type'])} record; ${expected}`;
  if (value['schema'] !== LOG_SCHEMA) return `schema ${describe(value['schema'])}; ${expected}`;
  return undefined;
}

function wrongRecord(value: unknown): string | undefined {
  if (!isObject(value)) return 'no JSON object; expected one record';
  const { type } = value;
  const fields =
    typeof type === 'string' && Object.hasOwn(FIELDS, type) ? FIELDS[type as keyof typeof FIELDS] : undefined;
  if (fields === undefined) return `type ${describe(type)}; expected one of ${Object.keys(FIELDS).join(', ')}`;
  const missing = missingField(value, { t: 'number', ...fields });
  if (missing !== undefined) return `a ${String(type)} record without ${missing}`;
  const { seg } = value;
  if (type === 'segment' && isObject(seg)) {
    const inside = missingField(seg, SEGMENT_FIELDS);
    if (inside !== undefined) return `a segment without ${inside}`;
  }
  return undefined;
}

function missingField(
  value: Readonly<Record<string, unknown>>,
  fields: Readonly<Record<string, Kind>>,
): string | undefined {
  for (const [name, kind] of Object.entries(fields)) {
    const field = value[name];
    // An infinite deadline is null in JSON.
    if (typeof field !== kind || (kind === 'object' && field === null))
      return `${name} (expected a ${kind}, found ${describe(field)})`;
  }
  return undefined;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const describe = (value: unknown): string =>
  value === undefined ? 'nothing' : (JSON.stringify(value) ?? 'nothing').slice(0, 40);

/** `whole`: the line's newline was there. */
async function* linesOf(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<{ text: string; whole: boolean }, void> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  let line = 1;
  for await (const chunk of chunks) {
    const parts = (rest + decoder.write(chunk)).split('\n');
    rest = parts.pop() ?? '';
    for (const text of parts) {
      line++;
      yield { text, whole: true };
    }
    if (rest.length > MAX_LINE)
      throw new LogFormatError(line, `no newline within ${MAX_LINE} characters; expected one record a line`);
  }
  rest += decoder.end();
  if (rest !== '') yield { text: rest, whole: false };
}
