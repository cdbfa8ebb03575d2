/** What a service says its tools are, held against what it said before. The guard reads; whoever keeps the pins decides. Pure. */
import { canonicalJson } from '../json/canonical-json.ts';
import { isRecord } from '../json/strict-json.ts';
import { flagsIn, type DefinitionFlag } from './definition-flags.ts';

/** One tool as its service defines it now. */
export interface ToolDefinition {
  readonly name: string;
  /** Canonical JSON of all that a model is told of it. */
  readonly text: string;
  /** Lower-hex SHA-256 of `text`. */
  readonly hash: string;
  /** What in it is meant for the model rather than for its user. */
  readonly flags: readonly DefinitionFlag[];
}

/** What is done about a definition that is new or changed. */
export type PinAction = 'alert' | 'hide' | 'refuse';

/** What a contract says of definitions that are not the kept ones. */
export interface PinRules {
  readonly changed: PinAction;
  readonly new: PinAction;
}

/** A tool that is kept from the application, and why. */
export interface HeldTool {
  readonly action: 'hide' | 'refuse';
  readonly why: string;
  readonly rule: string;
}

/** The kept definitions of one service. */
export interface ToolPins {
  /** The service listed these; `complete`: nothing follows on another page. Those that are held, by name. */
  listed(tools: readonly ToolDefinition[], complete: boolean, rules: PinRules): ReadonlyMap<string, HeldTool>;
  /** Why a call to this tool does not pass now; undefined where it does. */
  holds(tool: string, rules: PinRules): HeldTool | undefined;
}

/** What of a tool a model reads, or a client acts on; the rest (icons, `_meta`) is nobody's instruction. */
const pinned = ['name', 'title', 'description', 'inputSchema', 'outputSchema', 'annotations'] as const;

/** The definitions in a list of tools; what has no name is none. */
export function definitionsIn(items: readonly unknown[], digest: (text: string) => string): readonly ToolDefinition[] {
  const names = items.flatMap((item) => (isRecord(item) && typeof item['name'] === 'string' ? [item['name']] : []));
  return items.flatMap((item) => {
    if (!isRecord(item) || typeof item['name'] !== 'string') return [];
    const { name } = item;
    const fields = pinned.flatMap((field) => (item[field] === undefined ? [] : [[field, item[field]] as const]));
    const definition = Object.fromEntries(fields);
    const text = canonicalJson(definition);
    return [{ name, text, hash: digest(text), flags: flagsIn(definition, names) }];
  });
}
