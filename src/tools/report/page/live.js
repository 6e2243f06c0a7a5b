/** A page that is fed: what is new comes as an event, and takes the place of what it makes out of date. */
/** @import { PageConnection, PageNews } from '../page-data.ts' */
import { data, tell, view } from './dom.js';

/** What has become of the feed; undefined for a page without one. @type {'live' | 'ended' | 'lost' | undefined} */
let status;

export const feedStatus = () => status;

/**
 * Listens for as long as the page is open. `drawn`: the page has to be drawn anew, now that there is something to show.
 * @param {() => void} drawn
 */
export function listenToNews(drawn) {
  if (data.events === undefined) return;
  const source = new EventSource(data.events);
  const changed = (/** @type {typeof status} */ now) => {
    status = now;
    tell('news');
  };
  source.onopen = () => changed('live');
  source.onerror = () => changed('lost');
  source.onmessage = (event) => {
    /** @type {PageNews} */
    const news = JSON.parse(event.data);
    const isFirst = data.connections.length === 0;
    take(news);
    if (isFirst && data.connections.length > 0) drawn();
    else if (news.patches.some((patch) => patch.connection === view.connection)) tell('rows');
    if (news.ended) source.close();
    changed(news.ended ? 'ended' : 'live');
  };
}

/** @param {PageNews} news */
function take(news) {
  // The page's own copy, which grows.
  const own = /** @type {{ title: string, about: typeof data.about, connections: PageConnection[] }} */ (
    /** @type {unknown} */ (data)
  );
  own.title = news.title;
  own.about = news.about;
  for (const { connection, from, congestionFrom, rttFrom, data: fresh } of news.patches) {
    const had = own.connections[connection];
    own.connections[connection] =
      had === undefined
        ? fresh
        : {
            ...fresh,
            rows: joined(had.rows, fresh.rows, from),
            congestion: joined(had.congestion, fresh.congestion, congestionFrom),
            rtt: joined(had.rtt, fresh.rtt, rttFrom),
          };
  }
}

/**
 * Each column as far as it stands, and then what is new.
 * @template {object} T
 * @param {T} had
 * @param {T} fresh
 * @param {number} from
 * @returns {T}
 */
function joined(had, fresh, from) {
  /** @type {Record<string, unknown[]>} */
  const all = {};
  for (const [name, column] of Object.entries(fresh)) {
    // Both have the same columns.
    const before = /** @type {Record<string, unknown[]>} */ (had)[name] ?? [];
    all[name] = before.slice(0, from).concat(column);
  }
  // The same columns again.
  return /** @type {T} */ (all);
}
