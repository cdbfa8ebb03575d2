/**
 * Which tools, prompts and resources a contract lets through. Pure.
 *
 * Where a condition cannot be judged (a number asked of a text, a rule about an argument of another type) it counts against the call:
 * an `allow` rule then does not hold, a `deny` rule does.
 */
import type { McpRule, McpRules } from '../../base/engagement.ts';
import { compileGlob, globMatches, type Glob } from '../../base/glob.ts';
import { otherSpelling } from '../json/fold-name.ts';
import { compareNumbers, JsonNumber } from '../json/json-number.ts';
import { isRecord } from '../json/strict-json.ts';

/** What rules speak of. */
export type ThingKind = 'tool' | 'prompt' | 'resource';

/** Whether the rules let a thing through, and which rule said so. */
export type RuleVerdict =
  { readonly allowed: true; readonly rule: string | undefined } | { readonly allowed: false; readonly rule: string };

type Conditions = NonNullable<Exclude<McpRule, string>['arguments']>;
type Condition = Conditions[string];
/** `unclear`: it cannot be judged. */
type Holds = 'yes' | 'no' | 'unclear';

interface CompiledRule {
  readonly text: string;
  readonly name: Glob;
  readonly kind: ThingKind | undefined;
  readonly conditions: readonly (readonly [path: readonly string[], condition: Condition])[];
}

/** The rules of one contract, ready to be asked. */
export class CompiledMcpRules {
  readonly #allow: readonly CompiledRule[] | undefined;
  readonly #deny: readonly CompiledRule[];
  readonly #ask: readonly CompiledRule[];

  constructor(rules: McpRules) {
    this.#allow = rules.allow?.map(compile);
    this.#deny = (rules.deny ?? []).map(compile);
    this.#ask = (rules.ask ?? []).map(compile);
  }

  /** May it be called with these arguments? */
  judge(kind: ThingKind, name: string, args: unknown): RuleVerdict {
    const denied = this.#deny.find((rule) => names(rule, kind, name) && holds(rule, args) !== 'no');
    if (denied !== undefined) return { allowed: false, rule: `contract:mcp.deny ${denied.text}` };
    if (this.#allow === undefined) return { allowed: true, rule: undefined };
    const named = this.#allow.filter((rule) => names(rule, kind, name));
    const allowing = named.find((rule) => holds(rule, args) === 'yes');
    if (allowing !== undefined) return { allowed: true, rule: `contract:mcp.allow ${allowing.text}` };
    const [nearest] = named;
    return {
      allowed: false,
      rule: nearest === undefined ? 'contract:mcp.allow' : `contract:mcp.allow ${nearest.text}`,
    };
  }

  /** Does any rule that speaks of it look at its arguments? */
  looksAt(kind: ThingKind, name: string): boolean {
    return [...(this.#allow ?? []), ...this.#deny].some(
      (rule) => rule.conditions.length > 0 && names(rule, kind, name),
    );
  }

  /** The rule that wants somebody's approval for it; doubt asks. */
  asks(kind: ThingKind, name: string, args: unknown): string | undefined {
    const asking = this.#ask.find((rule) => names(rule, kind, name) && holds(rule, args) !== 'no');
    return asking === undefined ? undefined : `contract:mcp.ask ${asking.text}`;
  }

  /** Does it exist at all, as lists show it? What only some arguments close is shown. */
  shows(kind: ThingKind, name: string): boolean {
    if (this.#deny.some((rule) => rule.conditions.length === 0 && names(rule, kind, name))) return false;
    return this.#allow === undefined || this.#allow.some((rule) => names(rule, kind, name));
  }
}

function compile(rule: McpRule): CompiledRule {
  if (typeof rule === 'string') return { text: rule, name: compileGlob(rule), kind: undefined, conditions: [] };
  const conditions = Object.entries(rule.arguments ?? {});
  return {
    text: rule.tool,
    name: compileGlob(rule.tool),
    kind: rule.kind,
    conditions: conditions.map(([path, condition]) => [path.split('.'), condition]),
  };
}

function names(rule: CompiledRule, kind: ThingKind, name: string): boolean {
  return (rule.kind === undefined || rule.kind === kind) && rule.name.matches(name);
}

function holds(rule: CompiledRule, args: unknown): Holds {
  return all(
    rule.conditions.map(([path, condition]) => {
      const found = valueAt(args, path);
      return found.clear ? conditionHolds(condition, found.value) : 'unclear';
    }),
  );
}

function conditionHolds(condition: Condition, value: unknown): Holds {
  const { present, equals, in: oneOf, glob, max, min, maxLength } = condition;
  const answers: Holds[] = [];
  if (present !== undefined) answers.push(present === (value !== undefined) ? 'yes' : 'no');
  if (equals !== undefined) answers.push(sameAs(value, equals));
  if (oneOf !== undefined) answers.push(any(oneOf.map((candidate) => sameAs(value, candidate))));
  if (glob !== undefined) answers.push(fits(value, glob));
  if (max !== undefined) answers.push(measured(value, (number) => compareNumbers(number, max) <= 0));
  if (min !== undefined) answers.push(measured(value, (number) => compareNumbers(number, min) >= 0));
  if (maxLength !== undefined) {
    const length = typeof value === 'string' || Array.isArray(value) ? value.length : undefined;
    answers.push(value === undefined ? 'yes' : length === undefined ? 'unclear' : length <= maxLength ? 'yes' : 'no');
  }
  return all(answers);
}

/** Longer texts are not matched: it would take the time of others. */
const longestMatched = 64 * 1024;

function fits(value: unknown, glob: string): Holds {
  if (value === undefined) return 'no';
  if (typeof value !== 'string' || value.length > longestMatched) return 'unclear';
  return globMatches(glob, value) ? 'yes' : 'no';
}

function measured(value: unknown, test: (value: number | JsonNumber) => boolean): Holds {
  if (value === undefined) return 'no';
  if (typeof value !== 'number' && !(value instanceof JsonNumber)) return 'unclear';
  return test(value) ? 'yes' : 'no';
}

/** `"5"` and `5` may be the same to the tool: nobody can tell from here. */
function sameAs(value: unknown, expected: string | number | boolean | null): Holds {
  if (value === expected) return 'yes';
  if (value === undefined) return 'no';
  if (value instanceof JsonNumber && typeof expected === 'number')
    return compareNumbers(value, expected) === 0 ? 'yes' : 'no';
  return typeof value !== typeof expected && String(value) === String(expected) ? 'unclear' : 'no';
}

function all(answers: readonly Holds[]): Holds {
  if (answers.includes('no')) return 'no';
  return answers.includes('unclear') ? 'unclear' : 'yes';
}

function any(answers: readonly Holds[]): Holds {
  if (answers.includes('yes')) return 'yes';
  return answers.includes('unclear') ? 'unclear' : 'no';
}

/** What stands there; not clear where a name on the way stands in another spelling, which some tools take for the same. */
function valueAt(args: unknown, path: readonly string[]): { readonly clear: boolean; readonly value?: unknown } {
  let value = args;
  for (const key of path) {
    if (isRecord(value) && otherSpelling(value, key) !== undefined) return { clear: false };
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return { clear: true };
    value = (value as Readonly<Record<string, unknown>>)[key];
  }
  return { clear: true, value };
}
