/** The grammar of the schema: calls and events, and the types derived from a table of them. */

/** What a caller must be allowed: look, act on sessions, or change identities, policy and settings. Each includes the former. */
export type Permission = 'observe' | 'operate' | 'administer';

export interface Call<Request, Result> {
  readonly type: 'call';
  readonly needs: Permission;
  /** Parses what came over the border. Throws `base.invalid` naming path, what was expected and what came. */
  readonly parse: (raw: unknown) => Request;
  /** Carries the result's type; never set. */
  readonly result?: Result;
}

/** A subscription: the request selects, then items flow until the client cancels or the source ends. */
export interface Stream<Request, Item> {
  readonly type: 'stream';
  readonly needs: Permission;
  readonly parse: (raw: unknown) => Request;
  readonly item?: Item;
}

export type Entry = Call<never, unknown> | Stream<never, unknown>;
export type Schema = Readonly<Record<string, Readonly<Record<string, { type: 'call' | 'stream'; needs: Permission }>>>>;

export function call<Request, Result>(options: {
  needs: Permission;
  parse: (raw: unknown) => Request;
}): Call<Request, Result> {
  return { type: 'call', ...options };
}

export function stream<Request, Item>(options: {
  needs: Permission;
  parse: (raw: unknown) => Request;
}): Stream<Request, Item> {
  return { type: 'stream', ...options };
}

/** Who asks: established by peer credentials on the socket, or by the console's token. */
export interface Caller {
  readonly permission: Permission;
  readonly uid?: number;
  readonly pid?: number;
  readonly user?: string;
  readonly via: 'socket' | 'console' | 'internal';
}

export interface HandlerContext {
  readonly caller: Caller;
  readonly signal: AbortSignal;
}

/** What the engine must implement for a schema: a missing handler does not compile. */
export type Handlers<S> = {
  readonly [G in keyof S]: {
    readonly [N in keyof S[G]]: S[G][N] extends Call<infer Request, infer Result>
      ? (request: Request, context: HandlerContext) => Promise<Result> | Result
      : S[G][N] extends Stream<infer Request, infer Item>
        ? (request: Request, context: HandlerContext) => AsyncIterable<Item>
        : never;
  };
};

/** What a client of a schema offers. Calls reject with TunnelerError carrying the engine's code. */
export type Client<S> = {
  readonly [G in keyof S]: {
    readonly [N in keyof S[G]]: S[G][N] extends Call<infer Request, infer Result>
      ? (...args: ClientArgs<Request>) => Promise<Result>
      : S[G][N] extends Stream<infer Request, infer Item>
        ? (...args: ClientArgs<Request>) => AsyncIterable<Item>
        : never;
  };
};

type ClientArgs<Request> = [Request] extends [void]
  ? [request?: undefined, options?: { signal?: AbortSignal }]
  : [request: Request, options?: { signal?: AbortSignal }];
