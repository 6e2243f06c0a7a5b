/**
 * The report of something that still happens: its page, served on loopback and told what is new by an event stream. The path
 * has a part that nobody can guess, since other users of the machine can reach loopback, too; and a request must name loopback
 * as its host, so that no page from elsewhere gets here by a name of its own.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { reportHtml } from './html.ts';
import type { Report } from './model.ts';
import { NewsDesk } from './news.ts';
import type { PageNews } from './page-data.ts';

const EVENTS = 'events';
const ADDRESS = '127.0.0.1';

export class LiveReport {
  readonly #page: string;
  readonly #path = `/${randomBytes(12).toString('base64url')}/`;
  readonly #desk = new NewsDesk();
  readonly #server: Server;
  readonly #readers = new Set<ServerResponse>();

  /** `report`: what the page is called and in which language, before anything has happened. */
  constructor(report: Report, version: string) {
    this.#page = reportHtml(report, { version, events: EVENTS });
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  /** Begins to serve; resolves to where. Rejects as `net` does. */
  async listen(port = 0): Promise<string> {
    this.#server.listen(port, ADDRESS);
    await once(this.#server, 'listening');
    return `http://${ADDRESS}:${this.#port()}${this.#path}`;
  }

  /** Tells everybody what is new. */
  update(report: Report, ended: boolean): void {
    const news = this.#desk.news(report, ended);
    if (news === undefined) return;
    const event = eventText(news);
    for (const reader of this.#readers) reader.write(event);
  }

  close(): void {
    for (const reader of this.#readers) reader.end();
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #port(): number {
    // It listens on an address and a port.
    return (this.#server.address() as AddressInfo).port;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const hosts = [`${ADDRESS}:${this.#port()}`, `localhost:${this.#port()}`];
    const headers = {
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'no-referrer',
    };
    if (!hosts.includes(request.headers.host ?? '')) end(response, 403, headers);
    else if (request.method !== 'GET') end(response, 405, { ...headers, Allow: 'GET' });
    else if (request.url === this.#path)
      end(response, 200, { ...headers, 'Content-Type': 'text/html; charset=utf-8' }, this.#page);
    else if (request.url === `${this.#path}${EVENTS}`) this.#stream(response, headers);
    else end(response, 404, headers);
  }

  #stream(response: ServerResponse, headers: Readonly<Record<string, string>>): void {
    response.writeHead(200, { ...headers, 'Content-Type': 'text/event-stream' });
    const news = this.#desk.everything();
    // A comment, so that the page knows it is connected.
    response.write(news === undefined ? ':\n\n' : eventText(news));
    this.#readers.add(response);
    response.on('close', () => this.#readers.delete(response));
  }
}

/** JSON has no line break in it, so that an event is one line. */
const eventText = (news: PageNews): string => `data: ${JSON.stringify(news)}\n\n`;

function end(response: ServerResponse, status: number, headers: Readonly<Record<string, string>>, body = ''): void {
  response.writeHead(status, headers);
  response.end(body);
}
