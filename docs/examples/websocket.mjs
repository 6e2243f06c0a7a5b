// node websocket.mjs [ws://HOST:PORT/]   A client; without a URL a server on port 8080 which sends back what it gets.
import http from 'node:http';
import { HttpAgent, onTcpx } from 'tcpx/adapters';
import { WebSocket, WebSocketServer } from 'ws';

const [url] = process.argv.slice(2);
if (url) {
  const socket = new WebSocket(url, { agent: new HttpAgent() });
  socket.on('open', () => socket.send('hello'));
  socket.on('message', (data) => {
    console.log(`${data}`);
    socket.close();
  });
} else {
  const server = onTcpx(http.createServer());
  new WebSocketServer({ server }).on('connection', (peer) => peer.on('message', (data) => peer.send(data)));
  server.listen(8080, () => console.log('listening on', server.address()));
}
