/**
 * Many clients of a SOCKS5 proxy, so many at once: each asks for one connection, has its octets echoed, and closes.
 * --proxy PORT --target ADDR:PORT --count N --at-once N [--octets N] [--vanish SHARE: that share resets instead]
 * Prints one line of NDJSON when all are over: {"event":"done","intact","failed":{why: count},"seconds"}.
 */
import { connect } from 'node:net';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    proxy: { type: 'string' },
    target: { type: 'string' },
    count: { type: 'string' },
    'at-once': { type: 'string', default: '32' },
    octets: { type: 'string', default: '1000' },
    vanish: { type: 'string', default: '0' },
  },
});
const [address, targetPort] = values.target.split(':');
const count = Number(values.count);
const payload = Buffer.alloc(Number(values.octets), 'tcpx');
const vanishes = Number(values.vanish);
const request = Buffer.from([5, 1, 0, 1, ...address.split('.').map(Number), targetPort >> 8, targetPort & 255]);

let begun = 0;
let over = 0;
let intact = 0;
const failed = {};
const beganAt = performance.now();

function next() {
  if (begun === count) return;
  const number = begun++;
  one(number, (outcome) => {
    if (outcome === 'intact') intact++;
    else failed[outcome] = (failed[outcome] ?? 0) + 1;
    if (++over < count) next();
    else {
      const seconds = (performance.now() - beganAt) / 1000;
      process.stdout.write(`${JSON.stringify({ event: 'done', intact, failed, seconds })}\n`);
    }
  });
}

function one(number, done) {
  const socket = connect(Number(values.proxy), '127.0.0.1');
  const isVanishing = number % 1000 < vanishes * 1000;
  let octets = Buffer.alloc(0);
  let asks = 'method';
  let outcome = 'ended early';
  socket.on('connect', () => socket.write(Buffer.of(5, 1, 0)));
  socket.on('data', (more) => {
    octets = Buffer.concat([octets, more]);
    if (asks === 'method' && octets.length >= 2) {
      octets = octets.subarray(2);
      asks = 'reply';
      socket.write(request);
    }
    if (asks === 'reply' && octets.length >= 10) {
      if (octets[1] !== 0) {
        outcome = `reply ${octets[1]}`;
        socket.destroy();
        return;
      }
      octets = octets.subarray(10);
      asks = 'echo';
      socket.write(payload);
      if (isVanishing) {
        outcome = 'intact';
        socket.resetAndDestroy();
      }
    }
    if (asks === 'echo' && octets.length >= payload.length) {
      outcome = octets.equals(payload) ? 'intact' : 'wrong octets';
      asks = 'end';
      socket.end();
    }
  });
  socket.on('error', (error) => {
    outcome = error.code;
  });
  socket.on('close', () => done(outcome));
}

for (let i = 0; i < Number(values['at-once']); i++) next();
