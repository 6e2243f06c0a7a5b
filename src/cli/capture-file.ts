/**
 * `-w FILE`: what was on the wire. `FILE.pcapng` holds a comment with each packet, made from the trace; any other name is a
 * classic pcap.
 */
import { release } from 'node:os';
import { type Micros, micros } from '../base/time.ts';
import type { CaptureSink } from '../link/taps/capture.ts';
import { pcapngInterface, pcapngPacket, pcapngSection, pcapngStatistics } from '../pcap/pcapng-writer.ts';
import type { StackTracer } from '../stack/stack-options.ts';
import { Annotator } from '../tools/annotate.ts';
import type { CliFailure } from './exit.ts';
import { OutFile } from './out-file.ts';
import { PcapFile } from './pcap-file.ts';
import { tcpxVersion } from './version.ts';

export interface CaptureFile {
  /** Takes one packet; bound, to be handed to a capture tap. */
  readonly packet: CaptureSink;
  readonly failure: CliFailure | undefined;
  /** A tracer that tells the capture what it tells `tracer`. */
  tracing(tracer: StackTracer): StackTracer;
  /** Says anew when the clock was 0, where it was made after the file. */
  zeroAt(wall: Date): void;
  /** Where packets come and go: to be told before the first. */
  onInterfaces(names: readonly string[]): void;
  /** Packets that the kernel lost before they could be captured; undefined when nobody knows. */
  dropped(count: number | undefined): void;
  close(): void;
}

type Env = Readonly<Record<string, string | undefined>>;

/** Throws CliFailure when the file can't be written. */
export function openCaptureFile(path: string, env: Env, wall: Date): CaptureFile {
  return path.endsWith('.pcapng') ? new PcapngFile(path, env, wall) : new ClassicFile(path, env, wall);
}

class ClassicFile extends PcapFile implements CaptureFile {
  tracing(tracer: StackTracer): StackTracer {
    return tracer;
  }

  onInterfaces(): void {}

  dropped(): void {}
}

class PcapngFile implements CaptureFile {
  readonly #file: OutFile;
  readonly #annotator = new Annotator((p) => this.#write(p.t, p.dir, p.octets, p.comments));
  /** Microseconds since 1970 at the clock's zero. */
  #zero: number;
  #interface: string | undefined;
  #described = false;
  #last: Micros = micros(0);
  #received = 0;
  #dropped: number | undefined;
  #flush: NodeJS.Immediate | undefined;

  constructor(path: string, env: Env, wall: Date) {
    this.#file = new OutFile(path, env);
    this.#zero = wall.getTime() * 1000;
    this.#file.append(pcapngSection({ application: `tcpx ${tcpxVersion()}`, os: `Linux ${release()}` }));
  }

  get failure(): CliFailure | undefined {
    return this.#file.failure;
  }

  readonly packet: CaptureSink = (t, dir, octets) => {
    this.#annotator.packet(t, dir, octets);
    if (dir === 'in') this.#received++;
    this.#flush ??= setImmediate(this.#onImmediate);
  };

  tracing(tracer: StackTracer): StackTracer {
    const annotator = this.#annotator;
    return {
      get enabled() {
        return tracer.enabled;
      },
      open(conn, endpoint, t) {
        annotator.open(conn, endpoint);
        tracer.open(conn, endpoint, t);
      },
      record(record) {
        annotator.record(record);
        tracer.record(record);
      },
    };
  }

  zeroAt(wall: Date): void {
    this.#zero = wall.getTime() * 1000;
  }

  /** Several ways in are one in the file: a capture doesn't say by which of them a packet came. */
  onInterfaces(names: readonly string[]): void {
    this.#interface = [...new Set(names)].join('+');
  }

  dropped(count: number | undefined): void {
    this.#dropped = count;
  }

  close(): void {
    clearImmediate(this.#flush);
    this.#annotator.close();
    this.#describe();
    this.#file.append(
      pcapngStatistics(micros(this.#zero + this.#last), {
        startedAt: micros(this.#zero),
        received: this.#received,
        ...(this.#dropped !== undefined && { systemDrops: this.#dropped }),
      }),
    );
    this.#file.close();
  }

  /** What a packet did is known when the event loop has come round. */
  readonly #onImmediate = (): void => {
    this.#flush = undefined;
    this.#annotator.flush();
  };

  #write(t: Micros, dir: 'in' | 'out', octets: Uint8Array, comments: readonly string[]): void {
    this.#describe();
    this.#last = t;
    this.#file.append(pcapngPacket(micros(this.#zero + t), octets, { dir, comments }));
  }

  #describe(): void {
    if (this.#described) return;
    this.#described = true;
    this.#file.append(pcapngInterface({ name: this.#interface ?? 'any' }));
  }
}
