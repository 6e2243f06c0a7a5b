/** The package pcap-parser, version 0.2.1, which carries no types: the part of it that pcap-reader.ts uses. */
declare module 'pcap-parser' {
  export interface GlobalHeader {
    readonly magicNumber: number;
    readonly majorVersion: number;
    readonly minorVersion: number;
    readonly gmtOffset: number;
    readonly timestampAccuracy: number;
    readonly snapshotLength: number;
    readonly linkLayerType: number;
  }

  export interface PacketHeader {
    readonly timestampSeconds: number;
    readonly timestampMicroseconds: number;
    readonly capturedLength: number;
    readonly originalLength: number;
  }

  export interface Packet {
    readonly header: PacketHeader;
    readonly data: Uint8Array;
  }

  /** What the parser asks of a stream: it is resumed on the next tick, and 'data', 'error' and 'end' are listened to. */
  export interface Input {
    pause(): unknown;
    resume(): unknown;
    on(event: string, listener: (data: Uint8Array) => void): unknown;
  }

  export interface Parser {
    on(event: 'globalHeader', listener: (header: GlobalHeader) => void): this;
    on(event: 'packet', listener: (packet: Packet) => void): this;
    on(event: 'error', listener: (error: Error) => void): this;
    on(event: 'end', listener: () => void): this;
  }

  /** A path is opened; a stream is read. */
  export function parse(input: string | Input): Parser;
}
