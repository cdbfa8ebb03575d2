/** The grammar of the schema: calls and events, and the types derived from a table of them. */

/** What a caller must be allowed: look, act on sessions, or change identities, policy and settings. Each includes the former. */
export type Permission = 'observe' | 'operate' | 'administer';

/**
 * Who a caller is, where that is not the person whose engine this is (or root): a program that is or descends from an agent, one whose
 * lineage cannot be known, or another user of the group that `socket.group` names.
 */
export type Standing =
  | { readonly kind: 'agent'; /** The agent's name. */ readonly agent: string }
  | { readonly kind: 'unknown'; /** Why its lineage is not known. */ readonly why: string }
  | {
      readonly kind: 'member';
      readonly uid: number;
      /** May look at what is others', as set. */ readonly observes: boolean;
    };

/** One call: asked once, answered once. */
export interface Call<Request, Result> {
  readonly type: 'call';
  readonly needs: Permission;
  /** Who else may call it, for what is its own: the handler narrows what it does and shows to that. */
  readonly own: readonly Standing['kind'][];
  /** Parses what came over the border. Throws `base.invalid` naming path, what was expected and what came. */
  readonly parse: (raw: unknown) => Request;
  /** Carries the result's type; never set. */
  readonly result?: Result;
}

/** A subscription: the request selects, then items flow until the client cancels or the source ends. */
export interface Stream<Request, Item> {
  readonly type: 'stream';
  readonly needs: Permission;
  readonly own: readonly Standing['kind'][];
  readonly parse: (raw: unknown) => Request;
  readonly item?: Item;
}

/** An entry of the schema for a call; nobody but who has the permission may make it unless `own` names others. */
export function call<Request, Result>(options: {
  needs: Permission;
  own?: readonly Standing['kind'][];
  parse: (raw: unknown) => Request;
}): Call<Request, Result> {
  return { type: 'call', own: [], ...options };
}

/** An entry of the schema for a stream: items until its client cancels or it ends. */
export function stream<Request, Item>(options: {
  needs: Permission;
  own?: readonly Standing['kind'][];
  parse: (raw: unknown) => Request;
}): Stream<Request, Item> {
  return { type: 'stream', own: [], ...options };
}

/** Who asks: established by peer credentials on the socket, or by the console's token. */
export interface Caller {
  readonly permission: Permission;
  readonly uid?: number;
  readonly pid?: number;
  readonly user?: string;
  readonly via: 'socket' | 'console' | 'internal';
  /** Absent: the person whose engine this is, or root. */
  readonly standing?: Standing;
}

/** Who asks, and the signal that aborts when they cancel or are gone. */
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
