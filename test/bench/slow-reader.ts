/** Whether one session whose reader has stopped slows another on the same router. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Target } from './echo.ts';
import { median, ratios, spread, table } from './figures.ts';
import type { Path } from './paths.ts';

type Way = 'up' | 'down';
const ways: readonly Way[] = ['up', 'down'];
const chunk = Buffer.alloc(64 * 1024, 'x');
/** A stopped reader's session takes what every buffer on the way holds, and then nothing. */
const stallMs = 700;

/** A TCP server that does what a connection's first byte says: `d` pours, `u` swallows and counts, `s` stops reading. */
export async function openFaucet(): Promise<Faucet> {
  const faucet = new Faucet();
  await new Promise<void>((resolve) => faucet.server.listen(0, '127.0.0.1', resolve));
  return faucet;
}

class Faucet implements AsyncDisposable {
  /** Bytes swallowed so far. */
  swallowed = 0;
  readonly server = createServer((socket) => this.#serve(socket));
  readonly #sockets = new Set<Socket>();

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.once('data', (first) => {
      const what = String.fromCharCode(first[0] ?? 0);
      if (what === 'd') pour(socket);
      else if (what === 's') socket.pause();
      else socket.on('data', (data) => (this.swallowed += data.length));
    });
  }
}

function pour(socket: Socket): void {
  const more = (): void => {
    while (!socket.destroyed && socket.write(chunk));
  };
  socket.on('drain', more);
  more();
}

/** Rates alone and beside a stopped reader, each way, in turn; what is kept of the rate alone. */
export async function slowReaderTable(
  paths: readonly Path[],
  faucet: Faucet,
  rounds: number,
  seconds: number,
): Promise<string> {
  const rows: string[][] = [];
  for (const way of ways) {
    const rates = new Map(paths.map((path) => [path.name, { alone: [] as number[], beside: [] as number[] }]));
    for (let round = 0; round <= rounds; round += 1) {
      for (const path of paths) {
        const alone = await rate(path.dial, way, faucet, seconds);
        const stalled = await stall(path.dial, way);
        const beside = await rate(path.dial, way, faucet, seconds);
        stalled.destroy();
        // The first round warms up.
        if (round > 0) rates.get(path.name)?.alone.push(alone);
        if (round > 0) rates.get(path.name)?.beside.push(beside);
      }
    }
    for (const [name, { alone, beside }] of rates) {
      rows.push([`${way}  ${name}`, spread(alone), spread(beside), `${median(ratios(beside, alone)).toFixed(2)}`]);
    }
  }
  return `\n${table(['one reader stopped', 'alone, Gbit/s', 'beside it', 'kept'], rows)}`;
}

async function open({ address, port }: Target, what: string): Promise<Socket> {
  const socket = connect({ host: address, port });
  socket.on('error', () => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('close', () => reject(new Error(`${address}: the connection closed`)));
  });
  socket.write(what);
  return socket;
}

/** A session that is full from end to end: the reader is ours for `down`, the server for `up`. */
async function stall(target: Target, way: Way): Promise<Socket> {
  const socket = await open(target, way === 'down' ? 'd' : 's');
  if (way === 'down') socket.pause();
  else pour(socket);
  await delay(stallMs);
  return socket;
}

async function rate(target: Target, way: Way, faucet: Faucet, seconds: number): Promise<number> {
  const socket = await open(target, way === 'down' ? 'd' : 'u');
  let received = 0;
  socket.on('data', (data: Buffer) => (received += data.length));
  if (way === 'up') pour(socket);
  const count = (): number => (way === 'up' ? faucet.swallowed : received);
  await delay(300);
  const [bytes, start] = [count(), performance.now()];
  await delay(seconds * 1000);
  const gigabits = ((count() - bytes) * 8) / (performance.now() - start) / 1e6;
  socket.destroy();
  return gigabits;
}
