/** A process that does nothing, and says how late its event loop was all the same: what the machine itself makes one wait. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createInterface } from 'node:readline';

const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
let n = 0;
createInterface({ input: process.stdin }).on('line', (line) => {
  if (line === 'reset') delay.reset();
  else console.log(JSON.stringify({ event: 'delay', n: ++n, p99: delay.percentile(99) / 1e6, most: delay.max / 1e6 }));
});
console.log(JSON.stringify({ event: 'ready' }));
