/** HTTP requests for the files of a tree, RFC 9110: GET and HEAD, conditions, one range. A listener for `http.createServer`. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream';
import { type ByteRange, byteRange } from './byte-range.ts';
import { contentType } from './content-types.ts';
import { directoryPage, errorPage } from './pages.ts';
import type { Found, Tree } from './tree.ts';

export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => void;

type FoundFile = Extract<Found, { what: 'file' }>;

const READ_LEN = 1 << 18;

export function staticHandler(tree: Tree): RequestHandler {
  return (request, response) => {
    handle(tree, request, response).catch(() => {
      if (response.headersSent) response.destroy();
      else sendPage(request, response, 500, 'Internal Server Error', 'Something went wrong here.');
    });
  };
}

async function handle(tree: Tree, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    sendPage(request, response, 405, 'Method Not Allowed', 'Files are read here, and nothing else.');
    return;
  }
  const path = pathOf(request.url ?? '/');
  const found = await tree.find(path);
  switch (found.what) {
    case 'file':
      await sendFile(request, response, found);
      return;
    case 'directory':
      sendText(request, response, 200, directoryPage(decodeURIComponent(path), found.entries));
      return;
    case 'moved':
      response.setHeader('Location', `${path.replace(/^\/+/, '/')}/`);
      sendPage(request, response, 301, 'Moved Permanently', 'It is a directory: its address ends with a slash.');
      return;
    case 'forbidden':
      sendPage(request, response, 403, 'Forbidden', 'This is not for everyone to read.');
      return;
    case 'bad':
      sendPage(request, response, 400, 'Bad Request', 'That address is none.');
      return;
    case 'nothing':
      sendPage(request, response, 404, 'Not Found', 'There is nothing at this address.');
  }
}

/** Without query and fragment; of an absolute URL (RFC 9112 §3.2.2) what follows the host. */
function pathOf(url: string): string {
  const path = url.replace(/^https?:\/\/[^/?#]*/i, '').replace(/[?#].*$/s, '');
  return path === '' ? '/' : path;
}

async function sendFile(request: IncomingMessage, response: ServerResponse, file: FoundFile): Promise<void> {
  const { handle: fd, name, size, modified } = file;
  const tag = `"${size.toString(36)}-${modified.getTime().toString(36)}"`;
  response.setHeader('ETag', tag);
  response.setHeader('Last-Modified', modified.toUTCString());
  response.setHeader('Cache-Control', 'no-cache');
  response.setHeader('Accept-Ranges', 'bytes');
  response.setHeader('X-Content-Type-Options', 'nosniff');
  if (isUnchanged(request, tag, modified)) {
    await fd.close();
    response.writeHead(304).end();
    return;
  }
  const range = isRangeValid(request, tag, modified) ? byteRange(request.headers.range, size) : 'whole';
  if (range === 'unsatisfiable') {
    await fd.close();
    response.setHeader('Content-Range', `bytes */${size}`);
    sendPage(request, response, 416, 'Range Not Satisfiable', `The file has ${size} octets.`);
    return;
  }
  const part: ByteRange = range === 'whole' ? { first: 0, last: size - 1 } : range;
  response.setHeader('Content-Type', contentType(name));
  response.setHeader('Content-Length', part.last - part.first + 1);
  if (range !== 'whole') response.setHeader('Content-Range', `bytes ${part.first}-${part.last}/${size}`);
  response.writeHead(range === 'whole' ? 200 : 206);
  if (request.method === 'HEAD' || size === 0) {
    await fd.close();
    response.end();
    return;
  }
  const octets = fd.createReadStream({ start: part.first, end: part.last, highWaterMark: READ_LEN });
  await new Promise<void>((resolve) => {
    // A client that leaves, or a file cut short meanwhile, ends the connection: the length was promised.
    pipeline(octets, response, () => resolve());
  });
}

/** RFC 9110 §13.1.2, §13.1.3: If-None-Match goes before If-Modified-Since. */
function isUnchanged({ headers }: IncomingMessage, tag: string, modified: Date): boolean {
  const tags = headers['if-none-match'];
  if (tags !== undefined) return tags.split(',').some((t) => t.trim() === '*' || t.trim().replace(/^W\//, '') === tag);
  return isSince(headers['if-modified-since'], modified);
}

/** RFC 9110 §13.1.5: a range of another version is of no use. */
function isRangeValid({ headers }: IncomingMessage, tag: string, modified: Date): boolean {
  const condition = headers['if-range'];
  if (typeof condition !== 'string') return true;
  return condition.startsWith('"') ? condition === tag : isSince(condition, modified);
}

/** Dates of HTTP have whole seconds. */
function isSince(text: string | undefined, modified: Date): boolean {
  const at = text === undefined ? Number.NaN : Date.parse(text);
  return Math.floor(modified.getTime() / 1000) * 1000 <= at;
}

function sendPage(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  title: string,
  why: string,
): void {
  sendText(request, response, status, errorPage(status, title, why));
}

function sendText(request: IncomingMessage, response: ServerResponse, status: number, text: string): void {
  response.statusCode = status;
  response.setHeader('Content-Type', 'text/html; charset=utf-8');
  response.setHeader('Content-Length', Buffer.byteLength(text));
  response.setHeader('Cache-Control', 'no-cache');
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('Content-Security-Policy', "default-src 'none'; style-src 'unsafe-inline'");
  response.end(request.method === 'HEAD' ? '' : text);
}
