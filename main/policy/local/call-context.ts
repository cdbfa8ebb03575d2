/**
 * What rules see of a call beside who makes it and where: its arguments, the data found in it, what its program did before. Pure.
 *
 * Arguments are tags of an entity, each a text under its path (`to`, `cc.0`, `filter.name`): their names are the tool's, and no schema knows them.
 */
import type { CedarValueJson, EntityJson, TypeAndId } from '@cedar-policy/cedar-wasm/nodejs';

/** Arguments as texts under their paths. */
export interface ArgumentTexts {
  readonly all: ReadonlyMap<string, string>;
  /** The one of this path, in whatever spelling. */
  named(path: string): string | undefined;
}

/** A call as rules are asked of it. */
export interface CallAsked {
  /** Its arguments; undefined where they are too many or too long to be told. */
  readonly arguments: () => ArgumentTexts | undefined;
  /** Classes of data found in it, as the contract's `data` names them. */
  readonly classes: readonly string[];
  /** A person has approved it, or will be asked before it goes on. */
  readonly approved: boolean;
  /** What its program did before, on this engine. */
  readonly before: {
    readonly calls: number;
    readonly things: readonly string[];
    readonly classesRead: readonly string[];
  };
  /** 0 to 100, of what detectors found of its program lately. */
  readonly risk: number;
}

const uid: TypeAndId = { type: 'Arguments', id: 'call' };
const nothingAsked: CallAsked = {
  arguments: () => ({ all: new Map(), named: () => undefined }),
  classes: [],
  approved: false,
  before: { calls: 0, things: [], classesRead: [] },
  risk: 0,
};

/** Which names a set of rules asks for; `all`: any may be. */
type NamesRead = ReadonlySet<string> | 'all';

/** What of a call's context a set of rules looks at: the rest need not be told to it. */
export interface CallContextRead {
  readonly arguments: NamesRead;
  readonly calledBefore: NamesRead;
}

/** `conditions`: of each rule, as Cedar gives them in JSON. */
export function callContextReadBy(conditions: readonly unknown[]): CallContextRead {
  const args = new Set<string>();
  const called = new Set<string>();
  let anyArgument = false;
  /** Uses of what was called before that want more than to know of one name. */
  let otherUses = 0;
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    for (const [operator, operand] of Object.entries(node) as [string, unknown][]) {
      const { left, right, attr } = (operand ?? {}) as { left?: unknown; right?: unknown; attr?: unknown };
      const literal = literalOf(right);
      if (operator === 'getTag' || operator === 'hasTag') {
        if (literal === undefined) anyArgument = true;
        else args.add(literal);
      }
      if (operator === '.' && attr === 'calledBefore') otherUses += 1;
      if (operator === 'contains' && isCalledBefore(left) && literal !== undefined) {
        called.add(literal);
        otherUses -= 1;
      }
      visit(operand);
    }
  };
  visit(conditions);
  return { arguments: anyArgument ? 'all' : args, calledBefore: otherUses > 0 ? 'all' : called };
}

function literalOf(node: unknown): string | undefined {
  const { Value: literal } = (node ?? {}) as { Value?: unknown };
  return typeof literal === 'string' ? literal : undefined;
}

function isCalledBefore(node: unknown): boolean {
  const { '.': of } = (node ?? {}) as { '.'?: { attr?: unknown } };
  return of?.attr === 'calledBefore';
}

/** Context and entities of a call; undefined where its arguments are too many or too long for rules that look at them. */
export function callContext(
  asked: CallAsked | undefined,
  read: CallContextRead,
):
  { readonly context: Readonly<Record<string, CedarValueJson>>; readonly entities: readonly EntityJson[] } | undefined {
  const { classes, approved, before, risk, arguments: args } = asked ?? nothingAsked;
  const tags = read.arguments !== 'all' && read.arguments.size === 0 ? {} : tagsOf(args(), read.arguments);
  if (tags === undefined) return undefined;
  return {
    context: {
      approved,
      risk,
      dataClasses: [...classes],
      callsBefore: before.calls,
      calledBefore: before.things.filter((name) => read.calledBefore === 'all' || read.calledBefore.has(name)),
      classesRead: [...before.classesRead],
      arguments: { __entity: uid },
    },
    entities: [{ uid, attrs: {}, parents: [], tags }],
  };
}

function tagsOf(texts: ArgumentTexts | undefined, read: NamesRead): Record<string, string> | undefined {
  if (texts === undefined) return undefined;
  if (read === 'all') return Object.fromEntries(texts.all);
  return Object.fromEntries(
    [...read].flatMap((path) => {
      const text = texts.named(path);
      return text === undefined ? [] : [[path, text] as const];
    }),
  );
}
