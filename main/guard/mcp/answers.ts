/** Reads messages on their way to the application: matches answers to open calls and cuts hidden things out of their text. Pure. */
import type { JsonDocument, JsonReading } from '../json/json-reader.ts';
import { isRecord } from '../json/strict-json.ts';
import type { McpCalls, OpenCall } from './calls.ts';
import { readRpc, type RpcId, type RpcMessage } from './rpc.ts';

export type AnswerReading =
  | { readonly kind: 'as-is' }
  /** The same text, with parts of it cut out or replaced in their place: everything else keeps its form, digits too. */
  | { readonly kind: 'edited'; edit(text: string): string }
  | { readonly kind: 'fault'; readonly why: string };

interface Edit {
  readonly start: number;
  readonly end: number;
  /** In terms of the text that is edited. */
  readonly written: (text: string) => string;
}

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

/** Read one message or batch of the service, parsed with its places. Open calls it answers are finished. */
export function readAnswer(json: JsonReading, open: OpenCalls, calls: McpCalls, nowMs: number): AnswerReading {
  if (json.kind === 'fault') return json;
  const rpc = readRpc(json.value, false);
  if (rpc.kind === 'fault') return { kind: 'fault', why: rpc.why };
  const edits: Edit[] = [];
  for (const message of rpc.messages) {
    const cut = editsOf(message, json, open, calls, nowMs);
    if (typeof cut === 'string') return { kind: 'fault', why: cut };
    edits.push(...cut);
  }
  if (edits.length === 0) return { kind: 'as-is' };
  return { kind: 'edited', edit: (text) => applied(edits, text) };
}

/** What has to change in one message; a fault in words where that cannot be told. */
function editsOf(
  message: RpcMessage,
  json: JsonDocument,
  open: OpenCalls,
  calls: McpCalls,
  nowMs: number,
): readonly Edit[] | string {
  if (message.kind !== 'response') return [];
  const asked = message.id === null ? undefined : open.take(message.id);
  if (asked !== undefined) calls.answered(asked, { failed: message.failed }, nowMs);
  const { result } = message;
  if (result === undefined) return [];
  // An answer that came by another stream than its question is told by what it holds.
  const hidden = calls.hiddenIn(asked?.method, result);
  if (typeof hidden === 'string') return hidden;
  const edits = hidden.map(({ items, shown }): Edit => {
    const places = json.itemsOf(items);
    return {
      start: places[0] ?? 0,
      end: places.at(-1) ?? 0,
      written: (text) => shown.map((index) => text.slice(places[index * 2], places[index * 2 + 1])).join(','),
    };
  });
  // What this session may see is not what everybody may see.
  const scope = edits.length === 0 || !('cacheScope' in result) ? undefined : json.fieldOf(result, 'cacheScope');
  return scope === undefined ? edits : [...edits, { start: scope[0], end: scope[1], written: () => '"private"' }];
}

function applied(edits: readonly Edit[], text: string): string {
  let written = '';
  let at = 0;
  for (const edit of [...edits].sort((left, right) => left.start - right.start)) {
    written += text.slice(at, edit.start) + edit.written(text);
    at = edit.end;
  }
  return written + text.slice(at);
}

/** Is it a JSON document that no client takes for a message? */
export function isForeign(json: JsonReading): boolean {
  if (json.kind === 'fault') return false;
  const items: readonly unknown[] = Array.isArray(json.value) ? json.value : [json.value];
  return items.every(
    (item) => !isRecord(item) || !Object.keys(item).some((key) => /^(?:jsonrpc|result|error|method|id)$/iu.test(key)),
  );
}

function keyOf(id: RpcId): string {
  return `${typeof id}:${id}`;
}
