/** Two stacks say hello to each other in virtual time: no network, no timer, no clock but the one given. */
import { memoryLink, ms, parseIpv4, Stack, seededRandom, VirtualTime } from '../../src/stack/index.ts';

/** Returns what happened, a line each. */
export function example(): readonly string[] {
  const lines: string[] = [];
  const time = new VirtualTime();
  const note = (who: string, what: string): unknown => lines.push(`${(time.now / 1e6).toFixed(3)} ${who} ${what}`);

  const [wireA, wireB] = memoryLink(time, { delay: ms(20) });
  const a = new Stack({ clock: time.clock(), random: seededRandom(1), link: wireA, address: parseIpv4('10.0.0.1')! });
  const b = new Stack({ clock: time.clock(), random: seededRandom(2), link: wireB, address: parseIpv4('10.0.0.2')! });

  // B echoes: whatever it reads it sends back, and when A is done, so is B.
  const listener = b.listen({ port: 7 });
  listener.onConnection = () => {
    const peer = listener.accept()!;
    peer.onEvent = () => {
      for (let octets = peer.receive(); octets !== 'empty'; octets = peer.receive()) {
        if (octets === 'end') return peer.shutdown();
        peer.send(octets);
      }
    };
  };

  // A sends a greeting, prints the echo, and closes. Calls take effect at once; `onEvent` says that something changed.
  const connection = a.connect({ address: b.address, port: 7 });
  connection.send(new TextEncoder().encode('hello'));
  let state = connection.state;
  connection.onEvent = () => {
    const octets = connection.receive();
    if (typeof octets !== 'string') {
      note('A', `reads ${new TextDecoder().decode(octets)}, round trip ${connection.info().rtt} µs`);
      connection.shutdown();
    }
    if (connection.state !== state) note('A', `${state} -> ${connection.state}`);
    state = connection.state;
  };

  // A minute passes in no time: the handshake, the echo, both FINs, and TIME-WAIT to its end.
  while (time.step());
  return lines;
}
