/** Which of a service's tools, prompts and resources its lists show under a contract. Pure. */
import type { McpRules } from '../../base/engagement.ts';
import { defaultPin } from '../../base/engagement/mcp.ts';
import type { GuardContext } from '../guard.ts';
import { foldName } from '../json/fold-name.ts';
import { isRecord } from '../json/strict-json.ts';
import { isList } from './methods.ts';
import { definitionsIn, type PinRules } from './pins.ts';
import type { RpcMessage } from './rpc.ts';
import type { CompiledMcpRules, ThingKind } from './rules.ts';

/** A list of which not everything is shown. */
export interface HidingList {
  readonly items: readonly unknown[];
  readonly shown: readonly number[];
}

/** Where lists keep their things, and under which key a thing has its name. */
const listFields = [
  ['tools', 'tool', 'name'],
  ['prompts', 'prompt', 'name'],
  ['resources', 'resource', 'uri'],
  ['resourceTemplates', 'resource', 'uriTemplate'],
] as const;

/** Lists of one session's service. */
export class McpLists {
  readonly #rules: McpRules;
  readonly #shown: CompiledMcpRules;
  readonly #context: GuardContext;

  constructor(rules: McpRules, shown: CompiledMcpRules, context: GuardContext) {
    this.#rules = rules;
    this.#shown = shown;
    this.#context = context;
  }

  /**
   * The lists in a result that hold hidden things, each with the indexes that are shown; a fault in words where one could be read as a list and
   * is spelt as none. `method` undefined: the request is not known here.
   */
  hiddenIn(method: string | undefined, result: Readonly<Record<string, unknown>>): readonly HidingList[] | string {
    if (method !== undefined && !isList(method)) return [];
    const lists: HidingList[] = [];
    for (const [field, listed] of Object.entries(result)) {
      const known = listFields.find(([name]) => foldName(name) === foldName(field));
      if (known === undefined) continue;
      const [name, kind, key] = known;
      if (field !== name) return `the field "${field}"`;
      if (!Array.isArray(listed)) {
        if (listed === null || method === undefined) continue;
        return `no list under "${field}"`;
      }
      const items: readonly unknown[] = listed;
      const allowed = [...items.keys()].filter((index) => this.#isShown(kind, items[index], key));
      const held =
        kind === 'tool'
          ? this.#heldIn(
              allowed.map((index) => items[index]),
              result,
            )
          : undefined;
      const shown = allowed.filter((index) => held?.has(nameOf(items[index], key)) !== true);
      if (shown.length < items.length) lists.push({ items, shown });
    }
    return lists;
  }

  /** Does a message tell that something changed which this session may not see? */
  isOfHidden(message: RpcMessage): boolean {
    if (message.kind !== 'notification' || message.method !== 'notifications/resources/updated') return false;
    return !this.#isShown('resource', message.params, 'uri');
  }

  /** Of the tools that the contract shows, those whose definition is not to be trusted yet. */
  #heldIn(
    tools: readonly unknown[],
    result: Readonly<Record<string, unknown>>,
  ): ReadonlyMap<string, unknown> | undefined {
    const { pins, digest } = this.#context;
    const complete = typeof result['nextCursor'] !== 'string';
    return pins?.listed(definitionsIn(tools, digest), complete, pinRulesOf(this.#rules));
  }

  #isShown(kind: ThingKind, item: unknown, key: string): boolean {
    const name = isRecord(item) ? item[key] : undefined;
    return typeof name === 'string' && (this.#context.observes === true || this.#shown.shows(kind, name));
  }
}

/** What a contract says of definitions that are not the kept ones. */
export function pinRulesOf({ pin }: McpRules): PinRules {
  return { changed: pin?.changed ?? defaultPin.changed, new: pin?.new ?? defaultPin.new };
}

function nameOf(item: unknown, key: string): string {
  return isRecord(item) ? String(item[key]) : '';
}
