/**
 * Calls of clients without a handshake (2026-07-28) whose service asks something meanwhile. Such a client cannot be asked: its call is answered
 * with the question, stays open here, and goes on when the client comes again with the answer.
 * Source: MCP revision 2026-07-28, multi-round-trip requests.
 */
import { randomUUID } from 'node:crypto';
import type { Fields } from './anything.ts';
import type { Question } from './backend.ts';

/** What a client is answered with: the call's result, or a question to come back with the answer to. */
export type Outcome =
  | { readonly kind: 'result'; readonly result: Fields }
  | { readonly kind: 'question'; readonly state: string; readonly questions: Readonly<Record<string, Question>> };

interface Asked {
  readonly question: Question;
  readonly answer: (answer: Fields) => void;
}

/** A client that does not come again has forgotten its call. */
const forgottenMs = 10 * 60_000;

/** One call that is under way. */
export class HeldCall {
  readonly #abort = new AbortController();
  readonly #asked = new Map<string, Asked>();
  #result: Promise<Fields> | undefined;
  #questioned: () => void = () => undefined;
  #timer: NodeJS.Timeout | undefined;

  /** Fires when nobody waits for the call any more. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  start(run: (signal: AbortSignal) => Promise<Fields>): void {
    this.#result = run(this.#abort.signal);
    this.#result.catch(() => undefined); // whoever waits next is told
  }

  ask(question: Question): Promise<Fields> {
    return new Promise((answer) => {
      this.#asked.set(randomUUID(), { question, answer });
      this.#questioned();
    });
  }

  answered(responses: Fields): void {
    clearTimeout(this.#timer);
    for (const [id, { answer }] of this.#asked) {
      const response = responses[id];
      if (response === undefined) continue;
      this.#asked.delete(id);
      answer(response as Fields);
    }
  }

  /** The result, or what is asked before it. Throws what the call threw. */
  async next(state: string): Promise<Outcome> {
    const questioned = new Promise<'asked'>((resolve) => (this.#questioned = () => resolve('asked')));
    const first = this.#asked.size > 0 ? 'asked' : await Promise.race([this.#result, questioned]);
    if (first !== 'asked') return { kind: 'result', result: first ?? {} };
    this.#timer = setTimeout(() => this.#abort.abort(), forgottenMs).unref();
    const questions = Object.fromEntries([...this.#asked].map(([id, { question }]) => [id, question]));
    return { kind: 'question', state, questions };
  }

  cancel(): void {
    clearTimeout(this.#timer);
    this.#abort.abort();
  }
}

/** Calls that wait for their clients, by the state those come back with. Disposing gives them up. */
export class HeldCalls implements Disposable {
  readonly #held = new Map<string, HeldCall>();

  /** The call under this state, or a new one. */
  take(state: string | undefined): { readonly state: string; readonly call: HeldCall; readonly fresh: boolean } {
    const known = state === undefined ? undefined : this.#held.get(state);
    if (state !== undefined && known !== undefined) return { state, call: known, fresh: false };
    const made = randomUUID();
    const call = new HeldCall();
    this.#held.set(made, call);
    call.signal.addEventListener('abort', () => this.#held.delete(made), { once: true });
    return { state: made, call, fresh: true };
  }

  over(state: string): void {
    this.#held.delete(state);
  }

  [Symbol.dispose](): void {
    for (const call of this.#held.values()) call.cancel();
    this.#held.clear();
  }
}
