/** Agents for `http` and `https` whose connections are tcpx's. What they keep, and for how long, is Node's own doing. */
import http from 'node:http';
import https from 'node:https';
import type { Duplex } from 'node:stream';
import type tls from 'node:tls';
import { connect } from '../net.ts';
import type { ConnectOpts } from './net-api.ts';
import type { Network } from './network.ts';
import { actAsConnecting } from './over-tls.ts';

/** Those of Node's agents; `network`: the process's own when absent. */
export type HttpAgentOptions = http.AgentOptions & { readonly network?: Network };
export type HttpsAgentOptions = https.AgentOptions & { readonly network?: Network };

type Told = (error: Error | null, stream: Duplex) => void;

export class HttpAgent extends http.Agent {
  constructor(options?: HttpAgentOptions) {
    super(options);
  }

  override createConnection(options: http.ClientRequestArgs, _told?: Told): Duplex {
    // a request's options, where they are not those of a connection, mean nothing to it
    return connect(options as ConnectOpts);
  }
}

/** With Node's cache of TLS sessions. */
export class HttpsAgent extends https.Agent {
  constructor(options?: HttpsAgentOptions) {
    super(options);
  }

  override createConnection(options: https.RequestOptions, told?: Told): Duplex | null | undefined {
    const socket = connect({ ...options, timeout: undefined } as ConnectOpts);
    // it looks for one that is there already, though no type says so
    const secure = super.createConnection({ ...options, socket } as https.RequestOptions, told);
    // as it is made here: over a stream
    actAsConnecting(secure as tls.TLSSocket, socket);
    return secure;
  }
}
