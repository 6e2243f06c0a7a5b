/** Traces the capture named on the command line in a process of its own, and says how long that took and what memory: `{seconds, cpuSeconds, before, maxRss, segments, connections}`. */

import { traceFile } from '../../src/tools/trace/run.ts';
import { Trace } from '../../src/tools/trace/trace.ts';

const trace = new Trace({ segment: () => {}, retired: () => {} });
// What the loader of sources took is not what is measured.
const before = process.memoryUsage.rss();
const begin = performance.now();
const cpuBefore = process.cpuUsage();
await traceFile(process.argv[2]!, trace);
const { readings, connections } = trace.counts;
const cpu = process.cpuUsage(cpuBefore);
process.stdout.write(
  `${JSON.stringify({
    seconds: (performance.now() - begin) / 1000,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    before,
    maxRss: process.resourceUsage().maxRSS * 1024,
    segments: readings.tcp,
    connections,
  })}\n`,
);
