/** Why a file is no capture, or stops being one; and what a file that never was one seems to be. */
export type PcapErrorCode =
  | 'pcap-unknown-format'
  | 'pcap-is-compressed'
  | 'pcap-is-json'
  | 'pcap-is-pcapng'
  | 'pcap-bad-version'
  | 'pcap-bad-length'
  | 'pcap-bad-compression'
  | 'pcap-truncated';

/** What is wrong with all of a file has no place in it. */
const WHOLE_FILE: readonly PcapErrorCode[] = ['pcap-unknown-format', 'pcap-is-compressed', 'pcap-is-json'];

/** A file that is no capture, or stops being one at `offset` (octets from its start, of what was in it where it was compressed). */
export class PcapError extends Error {
  readonly code: PcapErrorCode;
  readonly offset: number;

  constructor(code: PcapErrorCode, offset: number, message: string) {
    super(WHOLE_FILE.includes(code) && offset === 0 ? message : `${message} at octet ${offset}`);
    this.name = 'PcapError';
    this.code = code;
    this.offset = offset;
  }
}

/** What packs files, by their first octets as a number; gzip is not among them: see unpack.ts. */
const PACKERS: readonly (readonly [magic: number, bits: number, name: string, unpack: string])[] = [
  [0xfd377a58, 32, 'xz', 'xz -dk'],
  [0x28b52ffd, 32, 'zstd', 'zstd -dk'],
  [0x04224d18, 32, 'lz4', 'lz4 -dk'],
  [0x425a68, 24, 'bzip2', 'bzip2 -dk'],
  [0x504b0304, 32, 'zip', 'unzip'],
];

/** `magic`: the file's first four octets as a number, the first the highest. */
export function notACapture(magic: number): PcapError {
  const packer = PACKERS.find(([first, bits]) => magic >>> (32 - bits) === first);
  if (packer !== undefined) {
    const [, , name, unpack] = packer;
    return new PcapError(
      'pcap-is-compressed',
      0,
      `not a capture file: packed with ${name} (\`${unpack} FILE\` unpacks it)`,
    );
  }
  const text = magic.toString(16).padStart(8, '0');
  if (magic >>> 24 === 0x7b) return new PcapError('pcap-is-json', 0, 'not a capture file but JSON');
  return new PcapError('pcap-unknown-format', 0, `not a capture file: unknown magic number ${text}`);
}
