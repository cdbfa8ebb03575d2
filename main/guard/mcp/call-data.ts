/** What a contract says of data, applied to the messages of one MCP session, both ways. */
import type { CompiledDataRules, Inspection } from '../data/data-rules.ts';
import { dataObjection } from '../data/data-refusal.ts';
import type { DocumentScan, FoundPlace } from '../data/document-scan.ts';
import { defined } from '../../base/defined.ts';
import type { DataFound } from '../data/found.ts';
import type { Effects } from '../effects.ts';
import type { GuardContext } from '../guard.ts';
import type { OpenCall } from './open-calls.ts';
import type { RpcMessage, RpcRefusal, RpcRequest } from './rpc.ts';

/** A server's own error for what it will not do. Source: JSON-RPC 2.0 section 5.1, implementation-defined range. */
const withheldError = -32_000;

/** Why something does not go on, for the application and for the record. Never the value. */
export interface DataRefusal extends RpcRefusal {
  readonly rule: string;
  readonly why: string;
}

/** What came of looking at a message for the application. */
export interface ShownMessage {
  readonly changed: boolean;
  /** It does not go on; this does in its place. */
  readonly refusal: DataRefusal | undefined;
  readonly found: readonly DataFound[];
}

/** Of one session; what was found in a request is kept until the request is forgotten. */
export class McpData {
  readonly #rules: CompiledDataRules | undefined;
  readonly #context: GuardContext;
  readonly #out: Effects;
  readonly #asked = new WeakMap<RpcRequest, Inspection>();

  /** Without rules nothing is looked for. */
  constructor(rules: CompiledDataRules | undefined, context: GuardContext, out: Effects) {
    this.#rules = rules;
    this.#context = context;
    this.#out = out;
  }

  get inForce(): boolean {
    return this.#rules !== undefined;
  }

  /** For the reader of one document; undefined where nothing is looked for. */
  scan(): DocumentScan | undefined {
    return this.#rules?.scan();
  }

  /** Look at what goes to the service, before anything else judges it. True where the document was changed. */
  toService(messages: readonly RpcMessage[], found: readonly FoundPlace[], nowMs: number): boolean {
    const rules = this.#rules;
    if (rules === undefined) return false;
    const inspected = messages.map((message) => {
      if (message.kind === 'request') {
        const root = message.params.arguments;
        const inspection = rules.inspect(
          { part: message.params, in: 'arguments', thing: thingOf(message), root },
          found,
        );
        this.#asked.set(message, inspection);
        return inspection;
      }
      const part = message.kind === 'response' ? (message.result ?? message.error) : message.params;
      const inspection = rules.inspect({ part, in: 'arguments', unrefusable: true }, found);
      this.#tell(message.kind === 'response' ? 'answer' : message.method, inspection.found, nowMs);
      return inspection;
    });
    return inspected.some(({ changed }) => changed);
  }

  /** What was found in a request. */
  foundIn(request: RpcRequest): readonly DataFound[] {
    return this.#asked.get(request)?.found ?? [];
  }

  /** Its arguments as a record may hold them. */
  shown(request: RpcRequest, args: unknown): unknown {
    return this.#asked.get(request)?.shown(args) ?? args;
  }

  /** Why a request does not go on for what is in it. */
  refusal(request: RpcRequest): DataRefusal | undefined {
    const refused = this.#asked.get(request)?.refused;
    return refused === undefined ? undefined : refusalFor(refused);
  }

  /** Look at a message for the application; `asked`: the call it answers. What it was given counts as read. */
  toApp(message: RpcMessage, asked: OpenCall | undefined, found: readonly FoundPlace[], nowMs: number): ShownMessage {
    if (this.#rules === undefined) return asItIs;
    if (message.kind !== 'response') {
      const { found: told, changed } = this.#rules.inspect(
        { part: message.params, in: 'result', unrefusable: true },
        found,
      );
      this.#tell(message.method, told, nowMs);
      this.#read(told);
      return { changed, refusal: undefined, found: told };
    }
    const { result, error } = message;
    const inspection = this.#rules.inspect(
      {
        part: result ?? error,
        in: 'result',
        thing: asked?.thing,
        unsure: asked === undefined || /^tasks\/(?:get|result)$/.test(asked.method),
        root: result?.structuredContent,
      },
      found,
    );
    const refusal = inspection.refused === undefined ? undefined : refusalFor(inspection.refused);
    if (refusal === undefined) this.#read(inspection.found);
    if (asked?.call === undefined) this.#tell(asked?.method ?? 'answer', inspection.found, nowMs, refusal?.rule);
    return { changed: inspection.changed, refusal, found: inspection.found };
  }

  #read(found: readonly DataFound[]): void {
    // What was replaced was not given.
    const classes = found.filter(({ action }) => action === 'record').map((one) => one.class);
    if (classes.length > 0) this.#context.history?.read(classes);
  }

  /** What is no call is recorded only for what was in it. */
  #tell(method: string, data: readonly DataFound[], nowMs: number, rule?: string): void {
    if (data.length === 0) return;
    const decision = rule === undefined ? ('allow' as const) : ('deny' as const);
    const named = method.slice(0, 512);
    this.#out.call({
      protocol: 'mcp',
      method: named,
      target: named,
      decision,
      startedAtMs: nowMs,
      data,
      ...defined({ rule }),
    });
  }
}

const asItIs: ShownMessage = { changed: false, refusal: undefined, found: [] };

function refusalFor(refused: DataFound): DataRefusal {
  const { rule, why } = dataObjection(refused);
  const data = { reason: why, rule, class: refused.class, places: refused.places, by: 'culvert' };
  return { code: withheldError, message: `Refused: ${why}`, data, rule, why };
}

/** Tool, prompt or resource, by whichever the request names it. */
function thingOf({ params }: RpcRequest): string | undefined {
  const named = params.name ?? params.uri;
  return typeof named === 'string' ? named : undefined;
}
