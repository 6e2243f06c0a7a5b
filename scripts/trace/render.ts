/** The comparison as text for the terminal, and docs/trace.md. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { trace } from '../../src/cli/trace.ts';
import { pcapHeader, pcapRecord } from '../../src/pcap/pcap-writer.ts';
import { KINDS, Kind } from '../../src/tools/trace/kinds.ts';
import { CASES } from './cases.ts';
import { FIELDS } from './compare.ts';
import { REASONS } from './differences.ts';
import type { Measured } from './measure.ts';
import { share } from './tally.ts';

const percent = (n: number): string => `${(n * 100).toFixed(1)} %`;

export function agreementText({ tally, parts, recorded, explained, unexplained }: Measured): string {
  const row = (...cells: readonly string[]): string =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(26) : cell.padStart(10))).join('');
  const { precision, recall } = tally.overall;
  const lines = [
    `${parts.length} captures made and ${recorded.length} recorded, ${tally.segments} segments`,
    row('', 'both', 'ours', 'tshark', 'precision', 'recall'),
    ...tally.kinds.map((k) =>
      row(
        k.name,
        ...[k.both, k.ours, k.theirs].map(String),
        percent(share(k.both, k.ours)),
        percent(share(k.both, k.theirs)),
      ),
    ),
    row('all but rtt-sample', '', '', '', percent(precision), percent(recall)),
    '',
    ...REASONS.map((r, i) => `${String(explained[i]).padStart(6)}  ${r.title}`),
    `${String(unexplained.length).padStart(6)}  without a reason`,
  ];
  return `${lines.join('\n')}\n`;
}

/** The whole page. */
export async function docsText(measured: Measured): Promise<string> {
  const { tally, parts, recorded, explained } = measured;
  const { precision, recall } = tally.overall;
  const field = (bit: number): string => FIELDS.find(([b]) => b === bit)?.[1] ?? '';
  return `# tcpx trace

<!-- Written by npm run trace-agreement; not by hand. -->

\`tcpx trace FILE\` reads a capture (pcap with micro- or nanoseconds, pcapng; Ethernet with VLAN tags, Linux cooked, bare IP,
loopback; IPv4 and IPv6), finds its TCP connections, and says what went wrong in them. One connection is told in full, several
are a table; \`--segments\` shows every segment, \`--only KINDS\` those of some kinds, \`--connection N --ladder\` draws one,
\`--filter\` picks connections by address and port, \`--json\` is for programs. It is a stream: a file of any size takes the
same memory, some 100 MB. A file that is cut off or damaged is used up to that place, and the place is named.

${await example()}
## What a segment can be

| kind | means | tshark's field |
|---|---|---|
${KINDS.map((k) => `| \`${k.name}\` | ${k.meaning} | \`${field(k.bit)}\` |`).join('\n')}

Both ends' states are inferred with the transition table that tcpx itself follows (src/tcp/machine.ts). What takes sequence
space, a SYN or a FIN, has arrived when the other end acknowledges it; what takes none, when it is seen. When a FIN or a SYN,ACK
comes again, its ACK was lost, and the state that was inferred from it is taken back. A user's CLOSE shows when the FIN leaves;
the end of TIME-WAIT never does. Where the capture began later than the connection, both ends count as ESTABLISHED, and the one
with the higher port as the client.

What it doesn't look at: checksums (a capture on the sender has them before the card fills them in), and IP fragments, which are
counted.

## Agreement with tshark

Measured on ${parts.length} captures made for it and ${recorded.length} of real kernels, ${tally.segments} segments in all; tshark 4.0. Precision: of what tcpx notes,
so much tshark notes as well. Recall: of what tshark notes, so much tcpx notes.

| kind | both | tcpx alone | tshark alone | precision | recall |
|---|---|---|---|---|---|
${tally.kinds
  .filter((k) => k.bit !== Kind.RTT_SAMPLE)
  .map(
    (k) =>
      `| ${k.name} | ${k.both} | ${k.ours} | ${k.theirs} | ${percent(share(k.both, k.ours))} | ${percent(share(k.both, k.theirs))} |`,
  )
  .join('\n')}
| **all** | | | | **${percent(precision)}** | **${percent(recall)}** |

RTT samples are a measurement rather than a flag: ${rttText(measured)}

Every difference has one of these reasons, which is looked up in the capture by a search of its own (scripts/trace/differences.ts):

| differences | reason | who is right |
|---|---|---|
${REASONS.map((r, i) => `| ${explained[i]} | ${r.title} | ${r.why} |`).join('\n')}

## The captures

Made by tcpx in virtual time, or written by hand a line a segment; the same every time.

| capture | trouble | packets |
|---|---|---|
${parts.map((p) => `| ${p.name} | ${p.trouble} | ${p.count} |`).join('\n')}

Recorded between two Linux kernels over \`tcpx impair\` (scripts/trace/record.ts): ${recorded.map((name) => `\`${name}\``).join(', ')}.
`;
}

function rttText({ tally }: Measured): string {
  const k = tally.kinds.find(({ bit }) => bit === Kind.RTT_SAMPLE)!;
  return `${k.both} segments give one to both, ${k.ours} to tcpx alone, ${k.theirs} to tshark alone (recall ${percent(share(k.both, k.theirs))}).`;
}

/** The command's own output on one of the captures. */
async function example(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'tcpx-trace-'));
  try {
    const file = join(folder, 'run.pcap');
    const packets = CASES.find((c) => c.name === 'fast retransmission')!.packets();
    writeFileSync(file, Buffer.concat([pcapHeader(), ...packets.map((p) => pcapRecord(p.t, p.octets))]));
    const plain = await output(file, {});
    const segments = await output(file, { segments: true, only: Kind.DUPLICATE_ACK | Kind.FAST_RETRANSMISSION });
    const ladder = await output(file, { ladder: true, width: 110 });
    const block = (command: string, text: string): string => `\`\`\`\n$ ${command}\n${text}\`\`\`\n`;
    return [
      block('tcpx trace run.pcap', plain),
      block('tcpx trace run.pcap --only duplicate-ack,fast-retransmission', segments),
      block('tcpx trace run.pcap --ladder', ladder),
    ].join('\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function output(file: string, options: Readonly<Record<string, unknown>>): Promise<string> {
  let text = '';
  const stdout = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk);
      done();
    },
  });
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const io = { stdout, stderr: silent, env: {} };
  // Only these three are touched by a reader of files.
  await trace.run([file], { color: 'never', ...options }, io as unknown as Parameters<typeof trace.run>[2]);
  const details = text.indexOf('\nconnection ');
  return options['segments'] === true && details >= 0 ? text.slice(0, details + 1) : text;
}
