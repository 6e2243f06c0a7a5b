/** What a file holds, by the end of its name: what browsers show or run, and what people keep beside it. */

const TYPES: Readonly<Record<string, string>> = {
  ...of('text/html', 'html', 'htm'),
  ...of('text/css', 'css'),
  ...of('text/javascript', 'js', 'mjs', 'cjs'),
  ...of('text/plain', 'txt', 'log', 'conf', 'ini', 'ts', 'c', 'h', 'cc', 'cpp', 'py', 'rs', 'go', 'java', 'sh', 'pkt'),
  ...of('text/markdown', 'md', 'markdown'),
  ...of('text/csv', 'csv'),
  ...of('text/vtt', 'vtt'),
  ...of('text/calendar', 'ics'),
  ...of('text/yaml', 'yaml', 'yml'),
  ...of('application/json', 'json', 'map'),
  ...of('application/x-ndjson', 'ndjson', 'jsonl'),
  ...of('application/manifest+json', 'webmanifest'),
  ...of('application/xml', 'xml', 'xsl'),
  ...of('application/xhtml+xml', 'xhtml'),
  ...of('application/atom+xml', 'atom'),
  ...of('application/rss+xml', 'rss'),
  ...of('application/wasm', 'wasm'),
  ...of('application/pdf', 'pdf'),
  ...of('application/zip', 'zip'),
  ...of('application/gzip', 'gz', 'tgz'),
  ...of('application/x-xz', 'xz'),
  ...of('application/x-bzip2', 'bz2'),
  ...of('application/zstd', 'zst'),
  ...of('application/x-7z-compressed', '7z'),
  ...of('application/x-tar', 'tar'),
  ...of('application/vnd.tcpdump.pcap', 'pcap', 'pcapng', 'cap'),
  ...of('application/epub+zip', 'epub'),
  ...of('image/png', 'png'),
  ...of('image/apng', 'apng'),
  ...of('image/jpeg', 'jpg', 'jpeg'),
  ...of('image/gif', 'gif'),
  ...of('image/webp', 'webp'),
  ...of('image/avif', 'avif'),
  ...of('image/svg+xml', 'svg'),
  ...of('image/bmp', 'bmp'),
  ...of('image/x-icon', 'ico'),
  ...of('image/tiff', 'tif', 'tiff'),
  ...of('audio/mpeg', 'mp3'),
  ...of('audio/mp4', 'm4a'),
  ...of('audio/ogg', 'ogg', 'oga', 'opus'),
  ...of('audio/wav', 'wav'),
  ...of('audio/flac', 'flac'),
  ...of('video/mp4', 'mp4', 'm4v'),
  ...of('video/webm', 'webm'),
  ...of('video/ogg', 'ogv'),
  ...of('video/quicktime', 'mov'),
  ...of('video/x-matroska', 'mkv'),
  ...of('font/woff', 'woff'),
  ...of('font/woff2', 'woff2'),
  ...of('font/ttf', 'ttf'),
  ...of('font/otf', 'otf'),
};

/** Sent with a charset: these are read as text. */
const TEXT = /^text\/|^application\/(json|x-ndjson|manifest\+json|xml|.*\+xml)$|\+xml$/;

/** The Content-Type of a file; octets of no known kind are offered for saving. */
export function contentType(name: string): string {
  const dot = name.lastIndexOf('.');
  const type = dot < 0 ? undefined : TYPES[name.slice(dot + 1).toLowerCase()];
  if (type === undefined) return 'application/octet-stream';
  return TEXT.test(type) ? `${type}; charset=utf-8` : type;
}

function of(type: string, ...ends: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(ends.map((end) => [end, type]));
}
