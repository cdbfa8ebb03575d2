/**
 * An MCP client on standard input and output ↔ a dark MCP service. Messages pass as they are, in either era of the protocol; what the bridge
 * adds is transport alone, and an answer under the request's own id wherever the service gives none.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { SerialQueue } from '../../base/serial-queue.ts';
import { Route, type Transport } from './route.ts';
import { errorText, idIn, readMessages, type Message, type RpcId } from './rpc.ts';
import type { Failure, Refused } from './way.ts';

/** The two ends of a bridge, and who is told what. */
export interface BridgeDeps {
  readonly url: URL;
  readonly transport: Transport;
  /** Messages of the client, one JSON document a line, until it ends or the signal fires. */
  readonly input: (signal: AbortSignal) => AsyncIterable<string>;
  /** One message to the client. Rejects where the client reads no more. */
  readonly output: (line: string) => Promise<void>;
  /** Told of what goes wrong beside the messages. */
  readonly complain: (text: string) => void;
  /** Told that the engine refused the way to the service, and why. */
  readonly refused: (reason: Refused) => void;
  /** Whoever started the bridge has gone: nobody waits for answers. */
  readonly orphaned: () => boolean;
  /** How long requests under way may take once the input has ended, in ms. */
  readonly lingerMs: number;
  readonly signal: AbortSignal;
}

/** For a client that reads slowly, at the end. */
const flushMs = 500;
/** Runs until the input ends, the client is gone or the signal fires; then nothing of it is left under way. */
export async function bridge(deps: BridgeDeps): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([deps.signal, stop.signal]);
  const client = new ClientEnd(deps, () => stop.abort());
  await using route = new Route({ ...deps, signal, take: (message) => client.give(message) });
  const running = new Set<Promise<void>>();
  let handshake: Promise<void> = Promise.resolve();

  const send = async (message: Message, before: Promise<void>): Promise<void> => {
    await before;
    const failure = await route.send(message);
    if (failure !== undefined && !signal.aborted) client.fail(message, failure);
  };
  const begin = (message: Message): void => {
    if (message.method === 'notifications/cancelled') {
      const asked = client.cancel(message.params['requestId']);
      if (asked !== undefined && route.cancelled(asked)) return;
    }
    if (message.kind === 'request' && !client.ask(message)) return;
    const sending = send(message, handshake).finally(() => running.delete(sending));
    running.add(sending);
    // The handshake is in order: nothing may overtake it.
    if (message.method === 'initialize' || message.method === 'notifications/initialized' || !route.settled) {
      handshake = sending;
    }
  };

  for await (const line of deps.input(signal)) {
    const messages = readMessages(line);
    if (messages === undefined) client.unreadable(line);
    messages?.forEach(begin);
  }
  const over = new AbortController();
  const linger = delay(deps.orphaned() ? 0 : deps.lingerMs, undefined, {
    signal: AbortSignal.any([over.signal, signal]),
  });
  await Promise.race([Promise.all(running), linger.catch(() => undefined)]);
  over.abort();
  stop.abort();
  client.leave();
  await Promise.race([client.flushed(), delay(flushMs, undefined, { ref: false })]);
}

/** The client's side: what it waits for, each answered once. */
class ClientEnd {
  readonly #deps: BridgeDeps;
  readonly #gone: () => void;
  readonly #waiting = new Map<RpcId, Message>();
  readonly #writes = new SerialQueue();

  constructor(deps: BridgeDeps, gone: () => void) {
    this.#deps = deps;
    this.#gone = gone;
  }

  /** False, and answered, where this id waits for an answer already. */
  ask(message: Message): boolean {
    const { id } = message;
    if (id === undefined) return true;
    if (this.#waiting.has(id)) {
      this.#deps.complain(`a second request under the id ${JSON.stringify(id)} while the first waits is not sent`);
      return false;
    }
    this.#waiting.set(id, message);
    return true;
  }

  /** The request is waited for no more; it, where it was. */
  cancel(id: unknown): Message | undefined {
    if (typeof id !== 'string' && typeof id !== 'number') return undefined;
    const asked = this.#waiting.get(id);
    this.#waiting.delete(id);
    return asked;
  }

  give(message: Message): void {
    if (message.kind === 'response') {
      // An answer that nobody waits for would be taken for another's.
      if (message.id === undefined || !this.#waiting.delete(message.id)) return;
    }
    this.#write(message.text);
  }

  fail(message: Message, { why, refused }: Failure): void {
    if (refused !== undefined) this.#deps.refused(refused);
    const { id } = message;
    if (message.kind !== 'request' || id === undefined) {
      if (refused === undefined) this.#deps.complain(why);
      return;
    }
    if (this.#waiting.delete(id)) this.#write(errorText(id, `the dark service could not be asked: ${why}`, refused));
  }

  /** The client's input ended long ago: what is still waited for is answered all the same, for its output may be read yet. */
  leave(): void {
    for (const id of this.#waiting.keys()) {
      this.#write(errorText(id, 'the dark service did not answer before the client ended', undefined));
    }
    this.#waiting.clear();
  }

  /** What is no message is answered as JSON-RPC has it, under an id only where one can be told. */
  unreadable(line: string): void {
    this.#deps.complain('a line of the client is no message of JSON-RPC 2.0');
    const id = idIn(line);
    if (id !== undefined) {
      this.#write(JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32_600, message: 'Invalid Request' } }));
    }
  }

  flushed(): Promise<void> {
    return this.#writes.idle();
  }

  #write(text: string): void {
    this.#writes.run(() => this.#deps.output(text)).catch(() => this.#gone());
  }
}
