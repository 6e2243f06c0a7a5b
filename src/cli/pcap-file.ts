/** `-w FILE`: the packets that were on the wire, in a pcap that is whole when the process ends. */
import { type Micros, micros } from '../base/time.ts';
import type { CaptureSink } from '../link/taps/capture.ts';
import { pcapHeader, pcapRecord } from '../pcap/pcap-writer.ts';
import type { CliFailure } from './exit.ts';
import { OutFile } from './out-file.ts';

export class PcapFile {
  readonly #file: OutFile;
  /** Microseconds since 1970 at the clock's zero. */
  #zero: number;

  /** `wall`: when the clock that stamps the packets was 0. Throws CliFailure when the file can't be written. */
  constructor(path: string, env: Readonly<Record<string, string | undefined>>, wall: Date) {
    this.#file = new OutFile(path, env);
    this.#zero = wall.getTime() * 1000;
    this.#file.append(pcapHeader());
  }

  /** Says anew when the clock was 0, where it was made after the file. */
  zeroAt(wall: Date): void {
    this.#zero = wall.getTime() * 1000;
  }

  get failure(): CliFailure | undefined {
    return this.#file.failure;
  }

  /** Takes one packet; bound, to be handed to a capture tap. */
  readonly packet: CaptureSink = (t: Micros, _dir, octets) => {
    this.#file.append(pcapRecord(micros(this.#zero + t), octets));
  };

  close(): void {
    this.#file.close();
  }
}
