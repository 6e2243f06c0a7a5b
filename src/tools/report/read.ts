/**
 * Files for a report: what each is, and what it holds. A log or a capture that is cut off or damaged is used up to that place.
 */
import { createReadStream } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Micros, micros } from '../../base/time.ts';
import { PcapError } from '../../pcap/pcap-error.ts';
import { LogFormatError, readLog } from '../log-ndjson.ts';
import { traceFile } from '../trace/run.ts';
import { Trace } from '../trace/trace.ts';
import type { ReportComparison } from './compared.ts';
import { ComparisonFormatError, documentComparisons, documentConnections } from './from-compare.ts';
import { LogCollector } from './from-log.ts';
import { CaptureCollector } from './from-trace.ts';
import type { ReportConnection, ReportSection } from './model.ts';

export interface ReportPart {
  readonly about: readonly ReportSection[];
  readonly connections: readonly ReportConnection[];
  readonly comparisons: readonly ReportComparison[];
  /** What is not in it though the file has it, or is lost with the file's end. */
  readonly remarks: readonly string[];
  /** The file breaks off; what is there is in it. */
  readonly broken: boolean;
}

export interface ReadOptions {
  /** Only the connection of that number. */
  readonly connection?: number | undefined;
  /** Titles say which file they are from. */
  readonly named: boolean;
  readonly onProgress?: (octets: number, of: number | undefined) => void;
}

/** The file holds nothing that a report is made of. */
export class ReportInputError extends Error {
  override readonly name = 'ReportInputError';
  readonly hint: string;

  constructor(message: string, hint: string, o: { readonly cause?: unknown } = {}) {
    super(message, o);
    this.hint = hint;
  }
}

/** A page is for looking at; more than these make it slow to load. */
export const MOST_CONNECTIONS = 200;
export const MOST_RECORDS = 400_000;
/** Octets from which it can be told what a file is. */
const HEAD = 4096;
const KINDS_HINT = 'give a log of `--json-file`, a capture of `-w` or tcpdump, or what `tcpx compare --json` printed';

/** Rejects with ReportInputError, or as `fs` does. */
export async function readReportPart(path: string, o: ReadOptions): Promise<ReportPart> {
  const head = await headOf(path);
  const schema = /^\uFEFF?\s*[{[]/.test(head)
    ? (/"schema"\s*:\s*"tcpx\.(\w+)\/\d+"/.exec(head)?.[1] ?? 'none')
    : undefined;
  const name = o.named ? basename(path) : undefined;
  switch (schema) {
    case undefined:
      return capturePart(path, name, o);
    case 'log':
      return logPart(path, name, o);
    case 'compare':
      return comparisonPart(path);
    case 'trace':
      throw new ReportInputError(`${path} is what \`tcpx trace --json\` printed`, 'give the capture itself');
    default:
      throw new ReportInputError(`${path} is neither a log, a capture nor a comparison`, KINDS_HINT);
  }
}

async function headOf(path: string): Promise<string> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD), 0, HEAD);
    if (bytesRead === 0) throw new ReportInputError(`${path} is empty`, KINDS_HINT);
    return buffer.subarray(0, bytesRead).toString('utf8');
  } finally {
    await file.close();
  }
}

async function logPart(path: string, name: string | undefined, o: ReadOptions): Promise<ReportPart> {
  const collector = new LogCollector({
    conn: o.connection,
    most: MOST_CONNECTIONS,
    mostRecords: MOST_RECORDS,
    ...(name !== undefined && { name }),
  });
  const remarks: string[] = [];
  let broken = false;
  try {
    for await (const { record } of readLog(createReadStream(path))) collector.add(record);
  } catch (error) {
    if (!(error instanceof LogFormatError)) throw error;
    if (!error.cutOff)
      throw new ReportInputError(`${path}: ${error.message}`, '`tcpx connect --json-file FILE` records one', {
        cause: error,
      });
    broken = true;
    remarks.push(`${path}: ${error.message}; what is there is used`);
  }
  const connections = collector.connections();
  if (connections.length === 0) throw noConnection(path, o.connection, 'it was recorded before anything was sent');
  if (o.connection === undefined && collector.ignored > 0) remarks.push(leftOut(path, collector.ignored));
  return { about: collector.about(), connections, comparisons: [], remarks, broken };
}

async function capturePart(path: string, name: string | undefined, o: ReadOptions): Promise<ReportPart> {
  let zero: Micros | undefined;
  const collector = new CaptureCollector({ zero: () => zero ?? micros(0), ...(name !== undefined && { name }) });
  const trace = new Trace(
    {
      segment: (c, seg, note, t) => {
        zero ??= trace.counts.firstAt;
        collector.segment(c, seg, note, t);
      },
      retired: (c) => collector.retired(c),
    },
    { wants: (c) => (o.connection === undefined ? c.number <= MOST_CONNECTIONS : c.number === o.connection) },
  );
  const outcome = await traceFile(path, trace, o.onProgress).catch((error: unknown) => {
    if (!(error instanceof PcapError)) throw error;
    throw new ReportInputError(`${path} is neither a log, a capture nor a comparison: ${error.message}`, KINDS_HINT, {
      cause: error,
    });
  });
  const { counts } = trace;
  const connections = collector.connections();
  if (counts.readings.tcp === 0)
    throw new ReportInputError(
      `${path}: no TCP in it (${counts.packets} packets)`,
      'was it captured where the traffic passes, and without a filter that leaves TCP out?',
    );
  if (connections.length === 0)
    throw noConnection(path, o.connection, `\`tcpx trace ${path}\` lists the ${counts.connections} there are`);
  const remarks: string[] = [];
  if (o.connection === undefined && counts.connections > MOST_CONNECTIONS)
    remarks.push(leftOut(path, counts.connections - MOST_CONNECTIONS));
  if (outcome.broken !== undefined)
    remarks.push(
      `${path}: stopped at record ${outcome.broken.record}: ${outcome.broken.message}; what is whole is used`,
    );
  const line = `${basename(path)}: ${outcome.format}, ${counts.packets} packets, ${counts.readings.tcp} TCP segments, ${counts.connections} connections`;
  return { about: [{ lines: [line] }], connections, comparisons: [], remarks, broken: outcome.broken !== undefined };
}

async function comparisonPart(path: string): Promise<ReportPart> {
  let document: unknown;
  try {
    document = JSON.parse(await readFile(path, 'utf8'));
    const comparisons = documentComparisons(document);
    const connections = documentConnections(document);
    return { about: documentAbout(document), connections, comparisons, remarks: [], broken: false };
  } catch (error) {
    if (!(error instanceof ComparisonFormatError) && !(error instanceof SyntaxError)) throw error;
    throw new ReportInputError(`${path} is no whole comparison: ${error.message}`, 'run `tcpx compare --json` again', {
      cause: error,
    });
  }
}

/** Who was compared where. */
function documentAbout(document: unknown): readonly ReportSection[] {
  // JSON boundary: read for its text alone.
  const facts = document as Readonly<Record<string, unknown>>;
  const known = ['target', 'interface', 'kernel', 'tcpx', 'node', 'driver'].flatMap((name) =>
    facts[name] === undefined || facts[name] === null ? [] : [`${name} ${String(facts[name])}`],
  );
  return known.length === 0 ? [] : [{ lines: [known.join(', ')] }];
}

const leftOut = (path: string, n: number): string =>
  `${path}: ${n} connections after the first ${MOST_CONNECTIONS} are left out; --connection picks one`;

const noConnection = (path: string, connection: number | undefined, hint: string): ReportInputError =>
  new ReportInputError(`${path} holds no connection${connection === undefined ? '' : ` ${connection}`}`, hint);
