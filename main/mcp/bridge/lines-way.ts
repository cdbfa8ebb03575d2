/** MCP as JSON lines over a plain connection: what a stdio server speaks once it is put on a port. */
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { PendingRequests } from './pending-requests.ts';
import type { Message } from './rpc.ts';
import { causeOf, type Failure, type Way, type WayDeps } from './way.ts';

const maxLineChars = 64 * 1024 * 1024;

/** One client's messages as lines on one connection, opened by the first of them. */
export class LinesWay implements Way {
  readonly #deps: WayDeps;
  readonly #pending: PendingRequests;
  #socket: Duplex | undefined;
  #opening: Promise<Duplex> | undefined;

  constructor(deps: WayDeps) {
    this.#deps = deps;
    this.#pending = new PendingRequests(deps);
  }

  async send(message: Message): Promise<Failure | undefined> {
    const { id } = message;
    try {
      this.#opening ??= this.#open().finally(() => (this.#opening = undefined));
      this.#socket ??= await this.#opening;
    } catch (error) {
      return { why: causeOf(error) };
    }
    const socket = this.#socket;
    if (message.kind !== 'request' || id === undefined) {
      socket.write(`${message.text}\n`);
      return undefined;
    }
    const answered = this.#pending.add(id);
    socket.write(`${message.text}\n`);
    return answered;
  }

  cancelled(request: Message): void {
    this.#pending.settle(request.id, undefined);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#socket?.destroy();
    return Promise.resolve();
  }

  async #open(): Promise<Duplex> {
    if (this.#socket !== undefined) return this.#socket;
    const socket = await (this.#deps.connect ?? this.#dial)();
    socket.on('error', (error) => this.#ended(causeOf(error)));
    socket.on('close', () => this.#ended('the server hung up'));
    this.#read(socket);
    return socket;
  }

  readonly #dial = (): Promise<Duplex> => {
    const { hostname, port } = this.#deps.url;
    const { signal } = this.#deps;
    return new Promise((resolve, reject) => {
      const socket = connect({ host: hostname, port: Number(port), signal });
      socket.once('connect', () => resolve(socket));
      socket.once('error', reject);
    });
  };

  #read(socket: Duplex): void {
    const decoder = new StringDecoder('utf8');
    let rest: string[] = [];
    let restChars = 0;
    socket.on('data', (chunk: Buffer) => {
      const text = decoder.write(chunk);
      const [first = '', ...more] = text.split('\n');
      rest.push(first);
      restChars += first.length;
      for (const part of more) {
        const line = rest.join('').trim();
        if (line !== '') this.#pending.take(line, 'a line');
        rest = [part];
        restChars = part.length;
      }
      if (restChars > maxLineChars) socket.destroy(new RangeError('a message is too large'));
    });
  }

  #ended(why: string): void {
    this.#socket = undefined;
    this.#pending.failAll(why);
  }
}
