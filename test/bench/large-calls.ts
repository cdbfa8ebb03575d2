/**
 * MCP calls of thirteen mebibytes, one after another through a guarded session, for what is measured meanwhile: a service and its client in a
 * process of their own, so that whoever measures is not held up by them.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { dialSocks } from '../support/socks-client.ts';

const bytes = 13 * 1024 * 1024;
/** A little less than the guard lets one message have. */
const values = 90_000;
const self = process.argv[1] ?? '';

/** The process that calls, from its starter's side. */
export class LargeCalls implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  /** Of the service that takes the calls. */
  readonly port: number;

  private constructor(child: ChildProcess, lines: AsyncIterator<string>, port: number) {
    this.#child = child;
    this.#lines = lines;
    this.port = port;
  }

  static async open(): Promise<LargeCalls> {
    const child = spawn(process.execPath, [self, 'large-calls'], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return new LargeCalls(child, lines, Number((await lines.next()).value));
  }

  /** Call until {@link stop}. @param proxy where applications are taken in. */
  start(proxy: string, name: string): void {
    this.#child.stdin?.write(`${JSON.stringify({ proxy, name })}\n`);
  }

  /** How many calls were answered; throws where one was not. */
  async stop(): Promise<number> {
    this.#child.stdin?.end();
    const { value } = await this.#lines.next();
    if (value === undefined) throw new Error('a large call was not answered');
    return Number(value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }
}

/** The process itself: says its port, calls once it is told where, and at the end of its input how many were answered. */
export async function runLargeCalls(): Promise<void> {
  const server: Server = createServer((incoming, response) => {
    incoming.resume().on('end', () => {
      response.setHeader('content-type', 'application/json').end('{"jsonrpc":"2.0","id":1,"result":{"content":[]}}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
  const [line] = (await once(createInterface({ input: process.stdin }), 'line')) as [string];
  const { proxy, name } = JSON.parse(line) as { readonly proxy: string; readonly name: string };
  let stopped = false;
  process.stdin.on('end', () => (stopped = true));
  const body = callBody();
  let answered = 0;
  while (!stopped) {
    await call(await dialSocks(proxy, name, 80, 30_000), name, body);
    answered += 1;
  }
  process.stdout.write(`${answered}\n`);
  server.closeAllConnections();
  server.close();
}

function callBody(): Buffer {
  // Each with its quotes and comma.
  const length = Math.floor(bytes / values) - 3;
  const rows = JSON.stringify(Array.from({ length: values }, (_, index) => String(index).padStart(length, '0')));
  const params = `{"name":"store","arguments":{"rows":${rows}}}`;
  return Buffer.from(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${params}}`);
}

function call(socket: Socket, host: string, body: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const asked = request({ method: 'POST', path: '/mcp', host, createConnection: () => socket });
    asked.setHeader('content-type', 'application/json').setHeader('accept', 'application/json, text/event-stream');
    asked.on('error', reject).on('response', (answer) => {
      answer.resume().on('end', () => {
        socket.destroy();
        if (answer.statusCode === 200) resolve();
        else reject(new Error(`a large call was answered ${String(answer.statusCode)}`));
      });
    });
    asked.end(body);
  });
}
