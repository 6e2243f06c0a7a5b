/** Where the web server of a lab listens. */

/** What carries HTTP. */
export type Transport = 'tcp' | 'TLS 1.2' | 'TLS 1.3';

export const HTTP_PORTS: Readonly<Record<Transport, { readonly http1: number; readonly http2: number }>> = {
  tcp: { http1: 80, http2: 8080 },
  'TLS 1.2': { http1: 443, http2: 8443 },
  'TLS 1.3': { http1: 444, http2: 8444 },
};
