/** Requests sent on ways whose answers come by themselves, later, on one stream for all: each is settled once, by its id. */
import { readMessages, type Message, type RpcId } from './rpc.ts';
import type { Failure, WayDeps } from './way.ts';

/** Requests that wait for their answers, by id. */
export class PendingRequests {
  readonly #deps: Pick<WayDeps, 'take' | 'complain'>;
  readonly #waiting = new Map<RpcId, (failure: Failure | undefined) => void>();

  constructor(deps: Pick<WayDeps, 'take' | 'complain'>) {
    this.#deps = deps;
  }

  /** Resolves once the request is settled: with why it will not be answered, or undefined where it was answered or given up. */
  add(id: RpcId): Promise<Failure | undefined> {
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }

  /** Hand on what the server sent, and settle what it answers; `what` names it in a complaint: `a line`. */
  take(text: string, what: string): void {
    const messages = readMessages(text);
    if (messages === undefined) this.#deps.complain(`${what} of the server is no message`);
    for (const message of messages ?? []) {
      this.#deps.take(message);
      if (message.kind === 'response') this.settle(message.id, undefined);
    }
  }

  settle(id: Message['id'], failure: Failure | undefined): void {
    if (id === undefined) return;
    this.#waiting.get(id)?.(failure);
    this.#waiting.delete(id);
  }

  /** The stream is gone: none of them is answered any more. */
  failAll(why: string): void {
    for (const id of [...this.#waiting.keys()]) this.settle(id, { why });
  }
}
