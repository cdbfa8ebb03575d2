/** The members of `T`, where one that may be undefined may be absent instead, as `exactOptionalPropertyTypes` asks. */
export type Defined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** A new object with the members that are not undefined; `null`, `false`, `0` and `''` stay. Allocates, so not for what happens once a packet. */
export function defined<T extends object>(members: T): Defined<T> {
  const kept: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(members)) if (value !== undefined) kept[name] = value;
  return kept as Defined<T>;
}

/** `map` of a value that is there; undefined stays undefined. */
export function whenDefined<T, R>(value: T | undefined, map: (value: T) => R): R | undefined {
  return value === undefined ? undefined : map(value);
}
