/** The two ends of the front door as the SDK's transports: text messages of a client, and a dark service by whatever it speaks. */
import type { JSONRPCMessage, Transport } from '@modelcontextprotocol/client';
import { Route } from '../bridge/route.ts';
import { errorText, readMessages, type Message, type RpcId } from '../bridge/rpc.ts';
import type { Duplex } from 'node:stream';

/** Messages of one client as text, whatever brings them. */
export class ClientTransport implements Transport {
  onclose?: (() => void) | undefined;
  onerror?: ((error: Error) => void) | undefined;
  onmessage?: Transport['onmessage'];
  readonly #send: (text: string) => void;
  readonly #heard: (message: JSONRPCMessage) => void;
  #closed = false;

  /** `heard` sees each message before the SDK does. */
  constructor(send: (text: string) => void, heard: (message: JSONRPCMessage) => void) {
    this.#send = send;
    this.#heard = heard;
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  send(message: JSONRPCMessage): Promise<void> {
    if (!this.#closed) this.#send(JSON.stringify(message));
    return Promise.resolve();
  }

  receive(text: string): void {
    for (const { text: one } of readMessages(text) ?? []) {
      const message = JSON.parse(one) as JSONRPCMessage;
      this.#heard(message);
      this.onmessage?.(message);
    }
  }

  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      this.onclose?.();
    }
    return Promise.resolve();
  }
}

/** A service by name, and the way to it. */
export interface ServiceTransportDeps {
  readonly service: string;
  readonly connect: () => Promise<Duplex>;
  readonly complain: (text: string) => void;
}

/** A dark service: found, spoken to and come back to as the bridge does it. */
export class ServiceTransport implements Transport {
  onclose?: (() => void) | undefined;
  onerror?: ((error: Error) => void) | undefined;
  onmessage?: Transport['onmessage'];
  readonly #stop = new AbortController();
  readonly #waiting = new Map<RpcId, Message>();
  readonly #route: Route;
  #handshake: Promise<void> = Promise.resolve();
  #closed = false;

  constructor({ service, connect, complain }: ServiceTransportDeps) {
    this.#route = new Route({
      // The name is for the Host header; connections are made by `connect`.
      url: new URL(`http://${hostOf(service)}/mcp`),
      transport: 'auto',
      connect,
      take: (message) => this.#take(message),
      complain,
      signal: this.#stop.signal,
    });
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  send(raw: JSONRPCMessage): Promise<void> {
    const [message] = readMessages(JSON.stringify(raw)) ?? [];
    if (message === undefined || this.#closed) return Promise.resolve();
    if (message.method === 'notifications/cancelled') {
      const id = message.params['requestId'] as RpcId;
      const asked = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (asked !== undefined && this.#route.cancelled(asked)) return Promise.resolve();
    }
    if (message.kind === 'request' && message.id !== undefined) this.#waiting.set(message.id, message);
    const sent = this.#bring(message, this.#handshake);
    const first = message.method === 'initialize' || message.method === 'notifications/initialized';
    if (first || !this.#route.settled) this.#handshake = sent;
    return Promise.resolve();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#stop.abort();
    await this.#route[Symbol.asyncDispose]();
    this.onclose?.();
  }

  async #bring(message: Message, before: Promise<void>): Promise<void> {
    await before;
    const failure = await this.#route.send(message);
    if (failure === undefined || message.id === undefined || !this.#waiting.delete(message.id)) return;
    const error = JSON.parse(errorText(message.id, failure.why, failure.refused)) as JSONRPCMessage;
    this.onmessage?.(error);
  }

  #take(message: Message): void {
    const raw = JSON.parse(message.text) as JSONRPCMessage;
    if (message.kind !== 'response') {
      this.onmessage?.(raw);
      return;
    }
    if (message.id === undefined || !this.#waiting.delete(message.id)) return;
    // The SDK hands notifications on a turn later than answers: progress that came just before its answer would be lost.
    setImmediate(() => this.onmessage?.(raw));
  }
}

/** A service's name where a URL wants a host. */
function hostOf(service: string): string {
  const host = service
    .toLowerCase()
    .replace(/[^a-z0-9.-]/g, '-')
    .replace(/^[.-]+|[.-]+$/g, '');
  return host === '' ? 'service' : host.slice(0, 253);
}
