/** The window's copy of the engine's state: a snapshot, deltas folded by the contract's reducer, a new snapshot after a gap. */
import type { Clock } from '../../main/base/clock.ts';
import { isTunnelerError, toTunnelerError, TunnelerError } from '../../main/base/errors.ts';
import type { Permission } from '../../main/api/call.ts';
import { createClient, type ClientConnection, type Transport } from '../../main/api/client.ts';
import { schema, type EngineClient, type EngineSchema } from '../../main/api/schema.ts';
import { applyDelta, type EngineState, type StateSnapshot } from '../../main/api/state.ts';

/** How the window stands with its engine. */
export type Link =
  | { readonly phase: 'connecting' }
  | { readonly phase: 'live'; readonly permission: Permission; readonly version: string }
  /** The engine does not answer; the store tries again by itself. What was last seen stays shown. */
  | { readonly phase: 'lost'; readonly error: TunnelerError }
  /** Trying again is pointless: this page or this socket is not to be trusted. */
  | { readonly phase: 'refused'; readonly error: TunnelerError };

/** Where connections come from. */
export interface EngineStoreDeps {
  /** A fresh transport each time. */
  readonly open: () => Transport;
  readonly clock: Clock;
}

/** Changes are told at most this often, so that a burst of deltas costs one render. */
const publishEveryMs = 40;
const retryMs = [250, 500, 1000, 2000, 4000] as const;

/** Follows one engine, over as many connections as it takes, until disposed. */
export class EngineStore implements AsyncDisposable {
  readonly #deps: EngineStoreDeps;
  readonly #listeners = new Set<() => void>();
  #snapshot: StateSnapshot | undefined;
  #link: Link = { phase: 'connecting' };
  #shown: { readonly state: EngineState | undefined; readonly link: Link } = { state: undefined, link: this.#link };
  #connection: ClientConnection<EngineSchema> | undefined;
  #publishing: Disposable | undefined;
  #retry: Disposable | undefined;
  #attempts = 0;
  #closed = false;

  constructor(deps: EngineStoreDeps) {
    this.#deps = deps;
  }

  /** Begin; connects and keeps connected until disposed. */
  start(): void {
    if (this.#connection === undefined && !this.#closed) void this.#run();
  }

  /** Last published state; undefined until the first snapshot. The reference changes only with the content. */
  readonly state = (): EngineState | undefined => this.#shown.state;
  readonly link = (): Link => this.#shown.link;

  /** Be told after state or link changed; returns what stops it. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** The client of the current connection. Throws `engine.not_running` while there is none. */
  get client(): EngineClient {
    if (this.#connection === undefined) throw new TunnelerError('engine.not_running', 'the engine does not answer');
    return this.#connection.client;
  }

  /** Try again now instead of after the back-off. */
  retryNow(): void {
    if (this.#connection !== undefined || this.#closed) return;
    this.#retry?.[Symbol.dispose]();
    void this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#retry?.[Symbol.dispose]();
    this.#publishing?.[Symbol.dispose]();
    this.#connection?.close();
    await this.#connection?.closed;
  }

  async #run(): Promise<void> {
    const connection = createClient(schema, this.#deps.open());
    this.#connection = connection;
    let error: TunnelerError;
    try {
      const { permission, version } = await connection.greeting;
      await this.#follow(connection, { phase: 'live', permission, version });
      error = new TunnelerError('base.closed', 'the engine ended the connection');
    } catch (caught) {
      error = toTunnelerError(caught);
    }
    connection.close();
    error = (await connection.closed) ?? error;
    this.#connection = undefined;
    if (!this.#closed) this.#lost(error);
  }

  async #follow(connection: ClientConnection<EngineSchema>, live: Link): Promise<void> {
    for (;;) {
      let snapshot = await connection.client.state.snapshot();
      this.#attempts = 0;
      this.#link = live;
      this.#take(snapshot);
      let gap = false;
      for await (const delta of connection.client.state.changes({ after: snapshot.seq })) {
        const next = delta.seq <= snapshot.seq ? snapshot : applyDelta(snapshot, delta);
        if (next === undefined) {
          gap = true;
          break;
        }
        snapshot = next;
        this.#take(snapshot);
      }
      if (!gap) return;
    }
  }

  #take(snapshot: StateSnapshot): void {
    const first = this.#snapshot === undefined || this.#shown.link.phase !== 'live';
    this.#snapshot = snapshot;
    if (first) this.#publish();
    else this.#publishing ??= this.#deps.clock.after(publishEveryMs, () => this.#publish());
  }

  #lost(error: TunnelerError): void {
    const refused = isTunnelerError(error, 'console.refused') || isTunnelerError(error, 'engine.socket_untrusted');
    this.#link = { phase: refused ? 'refused' : 'lost', error };
    this.#publish();
    if (refused) return;
    const delayMs = retryMs[Math.min(this.#attempts, retryMs.length - 1)] ?? 4000;
    this.#attempts += 1;
    this.#retry = this.#deps.clock.after(delayMs, () => void this.#run());
  }

  #publish(): void {
    this.#publishing?.[Symbol.dispose]();
    this.#publishing = undefined;
    this.#shown = { state: this.#snapshot?.state, link: this.#link };
    for (const listener of [...this.#listeners]) listener();
  }
}
