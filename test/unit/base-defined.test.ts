import { describe, expect, expectTypeOf, it } from 'vitest';
import { defined, whenDefined } from '../../main/base/defined.ts';

interface Row {
  readonly name: string;
  readonly port?: number;
  readonly note?: string | null;
}

function row(name: string, port: number | undefined, note?: string | null): Row {
  return defined({ name, port, note });
}

describe('defined members', () => {
  it('are kept, and those that are undefined are not there at all', () => {
    const made = row('pump', undefined);
    expect(Object.keys(made)).toEqual(['name']);
    expect(row('pump', 502, 'dark')).toEqual({ name: 'pump', port: 502, note: 'dark' });
  });

  it('are those that are empty, zero, false or null too', () => {
    expect(Object.entries(defined({ text: '', count: 0, on: false, last: null, none: undefined }))).toEqual([
      ['text', ''],
      ['count', 0],
      ['on', false],
      ['last', null],
    ]);
  });

  it('leave the object they came from as it was', () => {
    const given = { name: 'pump', port: undefined };
    const made = defined(given);
    expect(Object.keys(given)).toEqual(['name', 'port']);
    expect(made).not.toBe(given);
  });

  it('are optional in the type where they may be undefined, and required where not', () => {
    const facts: { name: string; port: number | undefined; any: unknown } = { name: 'pump', port: undefined, any: 1 };
    const made = defined(facts);
    expectTypeOf(made).toExtend<{ name: string; port?: number; any?: unknown }>();
    // @ts-expect-error a member that may be absent is none that is there
    const port: number = made.port;
    expect(port).toBeUndefined();
  });

  it('are made of what is there, and of nothing else', () => {
    expect(defined({ port: whenDefined('502', Number), other: whenDefined(undefined, Number) })).toEqual({ port: 502 });
    expect(whenDefined('', (text) => text.length)).toBe(0);
  });
});
