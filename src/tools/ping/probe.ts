/** One SYN, what came back for it, and how the connection it made is got rid of. */
import type { Stack } from '../../stack/stack.ts';
import type { SocketOptions } from '../../tcp/config.ts';
import type { Ipv4 } from '../../wire/ipv4.ts';
import type { Answer } from './statistics.ts';

/** After the SYN-ACK: a RST, which leaves nothing on either side, or a FIN, which the server takes for a client of its own. */
export type Leaving = 'reset' | 'close';

export interface ProbeOptions {
  readonly address: Ipv4;
  readonly port: number;
  readonly leaving: Leaving;
  /** Milliseconds; below the first RTO of a second no SYN is sent twice. */
  readonly wait: number;
  readonly options?: Partial<SocketOptions>;
}

/** The round trip is from when the SYN is made until the batch that brought its answer is looked at. */
export function probe(stack: Stack, o: ProbeOptions): Promise<Answer> {
  return new Promise((resolve) => {
    const beganAt = stack.now();
    const endpoint = stack.connect({
      address: o.address,
      port: o.port,
      ...(o.options !== undefined && { options: o.options }),
    });
    const settle = (answer: Answer): void => {
      clearTimeout(timer);
      endpoint.onEvent = undefined;
      resolve(answer);
    };
    const timer = setTimeout(() => {
      settle({ kind: 'lost' });
      endpoint.abort();
    }, o.wait);
    endpoint.onEvent = () => {
      const { state, error } = endpoint;
      if (state === 'SYN-SENT' || state === 'SYN-RECEIVED') return;
      const rtt = stack.now() - beganAt;
      if (error === 'ECONNREFUSED') settle({ kind: 'refused', rtt });
      else if (error !== undefined) settle({ kind: 'unreachable', code: error });
      else {
        settle({ kind: 'open', rtt });
        if (o.leaving === 'reset') endpoint.abort();
        else endpoint.close();
      }
    };
  });
}
