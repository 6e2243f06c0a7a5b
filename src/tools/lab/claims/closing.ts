/** What claims about the end of a connection have in common. */
import type { LabSocket } from '../peer.ts';
import type { Seen, Stage } from '../stage.ts';
import type { TcpxEnd } from '../tcpx-end.ts';

export interface Opened {
  readonly client: TcpxEnd;
  readonly server: LabSocket;
}

/** A connection of tcpx's to a kernel server on `port`, open at both ends. */
export async function opened(
  stage: Stage,
  port: number,
  o: Parameters<Stage['connect']>[1] = {},
  listening?: LabSocket,
): Promise<Opened> {
  const at = listening ?? (await stage.lab.peer.listen(port));
  const client = await stage.connect(port, o);
  stage.check(
    await client.reached('ESTABLISHED'),
    `a connection to port ${port} is open`,
    `到端口 ${port} 的连接已建立`,
  );
  return { client, server: await at.accept() };
}

/** Segments of a connection from its first FIN on. */
export function fromFin(segments: readonly Seen[]): readonly Seen[] {
  const first = segments.findIndex((s) => s.segment.flags.includes('F'));
  return first < 0 ? [] : segments.slice(first);
}
