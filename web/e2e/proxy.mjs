/** A proxy that knows nothing of WebSockets and, with `holdEvents`, passes event streams on when they end. */
import { createServer, request } from 'node:http';

/** @param {string} target address of the server behind it */
export async function startProxy(target) {
  const { hostname, port } = new URL(target);
  const proxy = { url: '', holdEvents: false, upgrades: 0, stop: async () => {} };
  const server = createServer((from, to) => {
    const { method, url: path, headers } = from;
    const onward = request({ hostname, port, method, path, headers }, (answer) => {
      const events = answer.headers['content-type']?.startsWith('text/event-stream');
      if (!events || !proxy.holdEvents) {
        to.writeHead(answer.statusCode, answer.headers);
        to.flushHeaders();
        answer.pipe(to);
        return;
      }
      const held = [];
      answer.on('data', (bytes) => held.push(bytes));
      answer.on('end', () => {
        to.writeHead(answer.statusCode, answer.headers);
        to.end(Buffer.concat(held));
      });
    });
    // Whoever goes away at one end is gone at the other.
    onward.on('error', () => to.destroy());
    to.on('close', () => onward.destroy());
    from.pipe(onward);
  });
  server.on('upgrade', (_, socket) => {
    proxy.upgrades += 1;
    socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  proxy.url = `http://127.0.0.1:${server.address().port}`;
  proxy.stop = async () => {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  };
  return proxy;
}
