/**
 * Places in a JSON value by path: `$.a`, `$.list[0]`, `$.list[*].name`, `$..name`, `$['a b']`. Pure.
 * Source: RFC 9535, of which these are the child and descendant segments with one selector each, and of indexes those from the front.
 */
import { otherSpelling } from '../json/fold-name.ts';
import { isRecord } from '../json/strict-json.ts';

/** A value and where it stands; the whole has no place. */
export interface PlacedValue {
  readonly value: unknown;
  readonly within?: object;
  readonly key?: string | number;
}

interface Segment {
  readonly key: string | number | undefined;
  readonly deep: boolean;
}

const segment = /(\.\.?)(\*|[A-Za-z_][\w-]*)|\[(?:(\*)|(\d+)|'([^']*)')\]/g;

/** Finds the places of a path in a value; for paths that a contract's schema let through. */
export function compilePath(path: string): (root: unknown) => readonly PlacedValue[] {
  const segments = [...path.slice(1).matchAll(segment)].map(([, dots, name, star, index, quoted]): Segment => ({
    deep: dots === '..',
    key: name === '*' || star !== undefined ? undefined : index === undefined ? (name ?? quoted) : Number(index),
  }));
  return (root) =>
    segments.reduce<readonly PlacedValue[]>(
      (places, { key, deep }) =>
        places.flatMap(({ value }) =>
          (deep ? below(value) : [{ value }]).flatMap((place) => children(place.value, key)),
        ),
      [{ value: root }],
    );
}

/** A name also in another spelling: some reader takes it for the same. */
function children(value: unknown, key: string | number | undefined): readonly PlacedValue[] {
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value;
    if (key === undefined) return items.map((item, index) => ({ value: item, within: items, key: index }));
    return typeof key === 'number' && key < items.length ? [{ value: items[key], within: items, key }] : [];
  }
  if (!isRecord(value)) return [];
  if (key === undefined) return Object.keys(value).map((name) => ({ value: value[name], within: value, key: name }));
  const asked = String(key);
  const name = Object.hasOwn(value, asked) ? asked : otherSpelling(value, asked);
  return name === undefined ? [] : [{ value: value[name], within: value, key: name }];
}

/** The value itself and everything in it. */
function below(root: unknown): readonly PlacedValue[] {
  const all: PlacedValue[] = [];
  const waiting: PlacedValue[] = [{ value: root }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    all.push(next);
    for (const child of children(next.value, undefined)) waiting.push(child);
  }
  return all;
}
