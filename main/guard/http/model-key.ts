/**
 * Culvert's own keys for models, which a program that insists on a key carries in the place of a provider's: where one stands in a request, and
 * what becomes of the request. They end here: none goes on. Pure; whether one is good is asked of whoever made it.
 */
import { keyHeaders, keyParameters } from './key-places.ts';
import { placesIn, unescaped } from './target.ts';

/** What every such key begins with. */
export const modelKeyPrefix = 'sk-culvert-';

/** What is said of a key. `id` names it in records; the key itself stands nowhere. */
export type KeyVerdict =
  | { readonly kind: 'good'; readonly id: string }
  | { readonly kind: 'refused'; readonly why: string; readonly id?: string };

/** Asked for the keys of one session's program. */
export interface ModelKeys {
  check(key: string): KeyVerdict;
}

/** A request as far as keys can stand in it. */
export interface KeyedRequest {
  readonly target: string;
  /** Names in lower case. */
  readonly fields: readonly { readonly name: string; readonly value: string }[];
}

/** What came of the keys in a request. */
export interface CheckedKeys {
  /** Undefined where there is none of Culvert's. */
  readonly verdict: KeyVerdict | undefined;
  /** Fields and parameters that do not go on. */
  readonly headers: ReadonlySet<string>;
  readonly parameters: ReadonlySet<string>;
}

const keyPattern = /sk-culvert-[A-Za-z0-9_-]*/g;
const noKey: CheckedKeys = { verdict: undefined, headers: new Set(), parameters: new Set() };

/** Look for Culvert's keys in a request and ask what they are worth; the first that is worth nothing refuses it. */
export function checkKeys(request: KeyedRequest, keys: ModelKeys | undefined): CheckedKeys {
  const { fields, target } = request;
  const carrying = fields.filter(({ value }) => value.includes(modelKeyPrefix));
  const inTarget = placesIn(target, modelKeyPrefix);
  if (carrying.length === 0 && !inTarget.path && inTarget.parameters.length === 0) return noKey;
  const texts = [...carrying.map(({ value }) => value), unescaped(target)];
  const carried = new Set(texts.flatMap((text) => text.match(keyPattern) ?? []));
  const verdicts = [
    ...[...carried].map((key) => keys?.check(key) ?? worthNothing),
    // A path cannot do without a part of it, and so the key would go on.
    ...(inTarget.path ? [inPath] : []),
  ];
  return {
    verdict: verdicts.find(({ kind }) => kind === 'refused') ?? verdicts[0],
    // With it goes whatever else would be taken for a key beside it.
    headers: new Set([...keyHeaders.filter((name) => name !== 'cookie'), ...carrying.map(({ name }) => name)]),
    parameters: new Set([...keyParameters, ...inTarget.parameters]),
  };
}

const inPath: KeyVerdict = { kind: 'refused', why: 'a key of Culvert stands in the path, where it would go on' };
const worthNothing: KeyVerdict = {
  kind: 'refused',
  why: 'the key is one of Culvert on another device, and worth nothing here',
};
