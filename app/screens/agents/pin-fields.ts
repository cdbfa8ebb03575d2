/** What differs between two definitions of a tool, as lines for people. */
import type { PinView } from '../../../main/api/views.ts';

/** A field of a definition whose text is not what it was. */
export interface ChangedField {
  readonly field: string;
  readonly removed: readonly string[];
  readonly added: readonly string[];
}

/** The fields that differ, in the order of the old definition; lines at their beginning and end that stayed are left out. */
export function changedFields({ old, new: now }: Pick<PinView, 'old' | 'new'>): readonly ChangedField[] {
  const [before, after] = [fieldsOf(old), fieldsOf(now)];
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((field) => {
    const [removed, added] = [linesOf(before[field]), linesOf(after[field])];
    if (removed.join('\n') === added.join('\n')) return [];
    while (removed.length > 0 && removed[0] === added[0]) {
      removed.shift();
      added.shift();
    }
    while (removed.length > 0 && removed.at(-1) === added.at(-1)) {
      removed.pop();
      added.pop();
    }
    return [{ field, removed, added }];
  });
}

function fieldsOf(definition: unknown): Readonly<Record<string, unknown>> {
  return typeof definition === 'object' && definition !== null ? (definition as Readonly<Record<string, unknown>>) : {};
}

/** Characters that nobody would see are written out. */
function linesOf(value: unknown): string[] {
  if (value === undefined) return [];
  const text = typeof value === 'string' ? value : JSON.stringify(value, undefined, 1);
  return text
    .replace(/[^\P{C}\n]/gu, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)
    .split('\n');
}
