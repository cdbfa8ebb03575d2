/** Reads messages on their way to the application: matches answers to open calls and takes hidden things out. Pure. */
import type { McpCalls, OpenCall } from './calls.ts';
import { isRecord } from '../json/strict-json.ts';
import { parseRpc, type RpcId, type RpcMessage } from './rpc.ts';

export type AnswerReading =
  | { readonly kind: 'as-is' }
  | { readonly kind: 'replaced'; readonly text: string }
  | { readonly kind: 'fault'; readonly why: string };

/** Calls that wait for an answer, by the id they were asked under. */
export class OpenCalls {
  readonly #byId = new Map<string, OpenCall>();

  get size(): number {
    return this.#byId.size;
  }

  has(id: RpcId): boolean {
    return this.#byId.has(keyOf(id));
  }

  add(id: RpcId, open: OpenCall): void {
    this.#byId.set(keyOf(id), open);
  }

  take(id: RpcId): OpenCall | undefined {
    const open = this.#byId.get(keyOf(id));
    this.#byId.delete(keyOf(id));
    return open;
  }

  /** The one that is open, where it is only one. */
  only(): OpenCall | undefined {
    return this.#byId.size === 1 ? [...this.#byId.values()][0] : undefined;
  }

  /** Everything still open, which is open no more. */
  drain(): readonly OpenCall[] {
    const all = [...this.#byId.values()];
    this.#byId.clear();
    return all;
  }
}

/** Read one message or batch of the service. Open calls it answers are finished. */
export function readAnswer(text: string, open: OpenCalls, calls: McpCalls, nowMs: number): AnswerReading {
  const rpc = parseRpc(text);
  if (rpc.kind === 'fault') return { kind: 'fault', why: rpc.why };
  const items: readonly unknown[] = Array.isArray(rpc.value) ? rpc.value : [rpc.value];
  let changed = false;
  const shown = items.map((item, index) => {
    const message = rpc.messages[index];
    const result = message === undefined ? undefined : shownResult(message, open, calls, nowMs);
    if (result === undefined || !isRecord(item)) return item;
    changed = true;
    return { ...item, result };
  });
  if (!changed) return { kind: 'as-is' };
  return { kind: 'replaced', text: JSON.stringify(rpc.batch ? shown : shown[0]) };
}

/** The result in its changed form; undefined where it stays as it is. */
function shownResult(
  message: RpcMessage,
  open: OpenCalls,
  calls: McpCalls,
  nowMs: number,
): Readonly<Record<string, unknown>> | undefined {
  if (message.kind !== 'response') return undefined;
  const asked = message.id === null ? undefined : open.take(message.id);
  if (asked !== undefined) calls.answered(asked, { failed: message.failed }, nowMs);
  if (message.result === undefined) return undefined;
  // An answer that came by another stream than its question is told by what it holds.
  const result = calls.withoutHidden(asked?.method, message.result);
  return result === message.result ? undefined : result;
}

function keyOf(id: RpcId): string {
  return `${typeof id}:${id}`;
}
