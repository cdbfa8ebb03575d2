/** A SOCKS5 client as small as RFC 1928 allows, for tests. */
import { connect, type Socket } from 'node:net';

/** The proxy's answer was not 0 (RFC 1928 section 6). */
export class SocksRefusal extends Error {
  readonly reply: number;

  constructor(reply: number) {
    super(`SOCKS reply ${reply}`);
    this.reply = reply;
  }
}

/** Connect to `host:port` through the proxy. Rejects with {@link SocksRefusal} where it says no. */
export async function dialSocks(proxy: string, host: string, port: number, timeoutMs = 15_000): Promise<Socket> {
  const at = new URL(`tcp://${proxy}`);
  const socket = connect({ host: at.hostname, port: Number(at.port), allowHalfOpen: true });
  const timer = setTimeout(() => socket.destroy(new Error('the proxy did not answer in time')), timeoutMs);
  try {
    await event(socket, 'connect');
    socket.write(Buffer.of(5, 1, 0));
    const chosen = await take(socket, 2);
    if (chosen[1] !== 0) throw new Error('the proxy wants a login');
    const name = Buffer.from(host);
    socket.write(Buffer.concat([Buffer.of(5, 1, 0, 3, name.length), name, Buffer.of(port >> 8, port & 0xff)]));
    const head = await take(socket, 5);
    const rest = head[3] === 1 ? 4 + 2 - 1 : head[3] === 4 ? 16 + 2 - 1 : (head[4] ?? 0) + 2;
    await take(socket, rest);
    if (head[1] !== 0) throw new SocksRefusal(head[1] ?? -1);
    // A reset is told by `ended` or the next read; one that nobody waits for is no failure of the test.
    socket.on('error', () => undefined);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Send `text` and read until as many bytes came back. */
export async function echo(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  return (await take(socket, Buffer.byteLength(text))).toString();
}

/** When and how a socket came to its end. */
export function ended(socket: Socket): Promise<{ readonly atMs: number; readonly reset: boolean }> {
  return new Promise((resolve) => {
    let reset = false;
    socket.on('error', () => (reset = true));
    socket.on('end', () => socket.end());
    socket.on('close', () => resolve({ atMs: performance.now(), reset }));
    socket.resume();
  });
}

async function take(socket: Socket, length: number): Promise<Buffer> {
  for (;;) {
    const chunk = socket.read(length) as Buffer | null;
    if (chunk !== null) {
      if (chunk.length < length) throw new Error('the connection ended');
      return chunk;
    }
    if (socket.readableEnded || socket.destroyed) throw socket.errored ?? new Error('the connection ended');
    await new Promise<void>((resolve) => {
      const done = (): void => {
        for (const name of ['readable', 'end', 'error', 'close']) socket.off(name, done);
        resolve();
      };
      for (const name of ['readable', 'end', 'error', 'close']) socket.on(name, done);
    });
  }
}

function event(socket: Socket, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(name, () => {
      socket.off('error', reject);
      resolve();
    });
    socket.once('error', reject);
  });
}
