/** Holds a guard until its input ends: `KIND ADDRESS PORT`. Says {"event":"ready",…} or {"event":"failure","code",…}. */
import { LinkFailure } from '../../src/link/failure.ts';
import { type GuardOptions, guardPort } from '../../src/link/guard.ts';
import { parseIpv4 } from '../../src/wire/ipv4.ts';

const say = (record: object): void => console.log(JSON.stringify(record));
const [kind, address, port] = process.argv.slice(2);
try {
  // the test writes the arguments
  const guard = guardPort({
    kind: kind as GuardOptions['kind'],
    address: parseIpv4(address!)!,
    port: Number(port),
  });
  say({ event: 'ready', kind: guard.kind, port: guard.port, note: guard.note });
  process.stdin.resume().on('end', () => guard.close());
} catch (error) {
  if (!(error instanceof LinkFailure)) throw error;
  say({ event: 'failure', code: error.code, message: error.message, hint: error.hint });
}
