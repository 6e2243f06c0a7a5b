// node tls-client.mjs HOST PORT   tls.connect in all its forms; STARTTLS goes as ever: tls.connect({ socket }).
import { connectTls } from 'tcpx/adapters';

const [host, port] = process.argv.slice(2);
const socket = connectTls({ host, port, servername: 'server.test' }, () => {
  console.log(socket.getProtocol(), socket.authorized ? 'authorized' : socket.authorizationError);
  socket.end('bye\n');
});
socket.on('data', (octets) => process.stdout.write(octets));
