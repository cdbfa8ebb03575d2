/** Reads messages on their way to the application: matches answers to open calls and cuts hidden things out of their text. Pure. */
import type { ScannedReading } from '../data/scanned-json.ts';
import type { JsonDocument, JsonReading } from '../json/json-reader.ts';
import { isRecord } from '../json/strict-json.ts';
import { writeJson } from '../json/write-json.ts';
import type { McpCalls } from './calls.ts';
import type { OpenCalls } from './open-calls.ts';
import { readRpc, rpcError } from './rpc.ts';

/** What becomes of a message on its way to the application. */
export type AnswerReading =
  | { readonly kind: 'as-is' }
  /** The same text, with parts of it cut out or replaced in their place: everything else keeps its form, digits too. */
  | { readonly kind: 'edited'; edit(text: string): string }
  /** All it tells of is hidden. */
  | { readonly kind: 'nothing' }
  | { readonly kind: 'fault'; readonly why: string };

interface Edit {
  readonly start: number;
  readonly end: number;
  /** In terms of the text that is edited. */
  readonly written: (text: string) => string;
  /** The same in the value, where all of it is written anew. */
  apply(): void;
}

/** Read one message or batch of the service, parsed with its places. Open calls it answers are finished. */
export function readAnswer(
  { json, found }: ScannedReading,
  open: OpenCalls,
  calls: McpCalls,
  nowMs: number,
): AnswerReading {
  if (json.kind === 'fault') return json;
  const rpc = readRpc(json.value, false);
  if (rpc.kind === 'fault') return { kind: 'fault', why: rpc.why };
  const edits: Edit[] = [];
  const withheld = new Map<number, unknown>();
  const untold = new Set<number>();
  let changed = false;
  for (const [index, message] of rpc.messages.entries()) {
    if (calls.lists.isOfHidden(message)) {
      untold.add(index);
      continue;
    }
    const asked = message.kind === 'response' && message.id !== null ? open.take(message.id) : undefined;
    const shown = calls.data.toApp(message, asked, found, nowMs);
    if (message.kind !== 'response') {
      changed ||= shown.changed;
      continue;
    }
    const { failed, id } = message;
    if (asked !== undefined) {
      calls.answered(asked, { failed, data: shown.found, withheld: shown.refusal?.rule }, nowMs);
    }
    if (shown.refusal !== undefined) {
      const { code, message: said, data } = shown.refusal;
      withheld.set(index, rpcError(id, code, said, data));
      continue;
    }
    changed ||= shown.changed;
    const cut = editsOf(message.result, asked?.method, json, calls);
    if (typeof cut === 'string') return { kind: 'fault', why: cut };
    edits.push(...cut);
  }
  if (untold.size === rpc.messages.length) return { kind: 'nothing' };
  if (changed || withheld.size > 0 || untold.size > 0) {
    for (const edit of edits) edit.apply();
    const value = rpc.batch ? asShown(json.value, withheld, untold) : (withheld.get(0) ?? json.value);
    return { kind: 'edited', edit: () => writeJson(value) };
  }
  if (edits.length === 0) return { kind: 'as-is' };
  return { kind: 'edited', edit: (text) => applied(edits, text) };
}

function asShown(batch: unknown, replaced: ReadonlyMap<number, unknown>, untold: ReadonlySet<number>): unknown {
  const items = (batch as readonly unknown[]).map((item, index) => replaced.get(index) ?? item);
  return items.filter((_item, index) => !untold.has(index));
}

/** What has to change in a result for what is hidden; a fault in words where that cannot be told. */
function editsOf(
  result: Readonly<Record<string, unknown>> | undefined,
  method: string | undefined,
  json: JsonDocument,
  calls: McpCalls,
): readonly Edit[] | string {
  if (result === undefined) return [];
  // An answer that came by another stream than its question is told by what it holds.
  const hidden = calls.lists.hiddenIn(method, result);
  if (typeof hidden === 'string') return hidden;
  const edits = hidden.map(({ items, shown }): Edit => {
    const places = json.itemsOf(items);
    return {
      start: places[0] ?? 0,
      end: places.at(-1) ?? 0,
      written: (text) => shown.map((index) => text.slice(places[index * 2], places[index * 2 + 1])).join(','),
      apply: () => void (items as unknown[]).splice(0, items.length, ...shown.map((index) => items[index])),
    };
  });
  // What this session may see is not what everybody may see.
  const scope = edits.length === 0 || !('cacheScope' in result) ? undefined : json.fieldOf(result, 'cacheScope');
  if (scope === undefined) return edits;
  const apply = (): void => void ((result as Record<string, unknown>).cacheScope = 'private');
  return [...edits, { start: scope[0], end: scope[1], written: () => '"private"', apply }];
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
