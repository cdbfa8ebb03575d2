import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AnswerScan } from '../../main/guard/mcp/answer-scan.ts';
import { canonicalJson } from '../../main/guard/json/canonical-json.ts';
import { compareNumbers, JsonNumber, numberFrom } from '../../main/guard/json/json-number.ts';
import { JsonReader } from '../../main/guard/json/json-reader.ts';
import { parseStrictJson, readJson } from '../../main/guard/json/strict-json.ts';
import { fuzzRounds } from '../support/fuzz-rounds.ts';

/** As the platform has it: every number a double. */
const asDoubles = (value: unknown): unknown => {
  if (value instanceof JsonNumber) return Number(value.text);
  if (Array.isArray(value)) return value.map(asDoubles);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, asDoubles(field)]));
};
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const written = (text: string, cuts: readonly number[] = []): string => {
  const reader = new JsonReader();
  const all = bytes(text);
  for (let at = 0, next = 0; at < all.length; next += 1) {
    const size = cuts.length === 0 ? all.length : (cuts[next % cuts.length] ?? 1);
    reader.push(all.slice(at, at + size));
    at += size;
  }
  const read = reader.end();
  return read.kind === 'json' ? Buffer.concat(read.written).toString('utf8') : `fault: ${read.why}`;
};

/** What the platform's parser says, in the same terms. */
const platform = (text: string): { value: unknown } | undefined => {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    expect(error).toBeInstanceOf(SyntaxError);
    return undefined;
  }
};

describe('strict JSON', () => {
  it('reads what JSON is as the platform does', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), fc.boolean(), (text, spaced) => {
        const value: unknown = JSON.parse(text);
        const written = spaced ? JSON.stringify(value, null, 2) : text;
        const strict = parseStrictJson(written);
        if (strict.kind === 'fault') expect(strict.why).toMatch(/twice/);
        else expect(strict).toEqual({ kind: 'json', value });
      }),
      { numRuns: fuzzRounds(500) },
    );
    const own = parseStrictJson('{"__proto__":{"x":1}}');
    expect(own.kind === 'json' && Object.hasOwn(own.value as object, '__proto__')).toBe(true);
  });

  it('refuses what JSON is not, as the platform does', () => {
    const chars = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      '"',
      ':',
      ',',
      '\\',
      'u0041',
      '1',
      '-',
      '.',
      'e',
      'true',
      'null',
      ' ',
      '\n',
      '\u0001',
      '\ufeff',
      'a',
    );
    fc.assert(
      fc.property(fc.array(chars, { maxLength: 14 }), (parts) => {
        const text = parts.join('');
        const strict = parseStrictJson(text);
        const known = platform(text);
        if (strict.kind === 'json') expect(known).toEqual({ value: asDoubles(strict.value) });
        else if (known !== undefined) expect(strict.why).toMatch(/twice|half a surrogate|digits/);
      }),
      { numRuns: fuzzRounds(5_000) },
    );
  });

  it('refuses a mutation wherever the platform does', () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), fc.constantFrom('', '"', '\\', ',', '}', '0', '\n'), (text, place, junk) => {
        const at = place % (text.length + 1);
        const mutated = text.slice(0, at) + junk + text.slice(at + 1);
        const strict = parseStrictJson(mutated);
        const known = platform(mutated);
        if (strict.kind === 'json') expect(known).toEqual({ value: asDoubles(strict.value) });
        else if (known !== undefined) expect(strict.why).toMatch(/twice|half a surrogate|digits/);
      }),
      { numRuns: fuzzRounds(2_000) },
    );
  });

  it('has a depth, and keeps long strings as they are', () => {
    expect(parseStrictJson('['.repeat(256) + ']'.repeat(256)).kind).toBe('json');
    expect(parseStrictJson('['.repeat(257) + ']'.repeat(257)).kind).toBe('fault');
    expect(parseStrictJson('{"a":'.repeat(1_000_000)).kind).toBe('fault');
    const long = 'ü€x'.repeat(1_000);
    expect(parseStrictJson(JSON.stringify({ long }))).toEqual({ kind: 'json', value: { long } });
    expect(parseStrictJson(`"${long}\n"`).kind).toBe('fault');
  });
});

describe('JSON written anew', () => {
  it('means what was read, in one line of one form, however it comes', () => {
    fc.assert(
      fc.property(
        fc.json({ maxDepth: 3, stringUnit: 'binary' }),
        fc.boolean(),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 }),
        (text, spaced, cuts) => {
          const value: unknown = JSON.parse(text);
          const came = spaced ? JSON.stringify(value, null, 2) : text;
          const anew = written(came);
          if (anew.startsWith('fault')) {
            expect(anew).toMatch(/twice/);
            return;
          }
          expect(JSON.parse(anew)).toEqual(value);
          expect(anew).not.toMatch(/[\0-\x1f\x85\u2028\u2029]/);
          expect(written(came, cuts)).toBe(anew);
          expect(written(anew)).toBe(anew);
        },
      ),
      { numRuns: fuzzRounds(150) },
    );
  });

  it('keeps digits and the order of names, and leaves out blanks', () => {
    expect(written('{ "b" : 9007199254740993 ,\r\n "a":[1.0,-0, 1E+2]}')).toBe(
      '{"b":9007199254740993,"a":[1.0,-0,1E+2]}',
    );
    expect(written('"\\u0041\\/\\ud83d\\ude00\u2028\u0085\u007f"')).toBe('"A/😀\\u2028\\u0085\u007f"');
  });

  it.each([
    ['two names equal but for their case', '{"Path":1,"path":2}', /twice/],
    ['two names equal when folded', '{"\u017fum":1,"sum":2}', /twice/],
    ['the same at depth', '[{"a":[{"key":1,"\u212aey":2}]}]', /twice/],
    ['half a surrogate pair', '"\\ud83d"', /surrogate/],
    ['the other half', '"x\\ude00"', /surrogate/],
    ['a numeral beyond reason', '1'.repeat(1_001), /digits/],
    ['more values than anybody needs', `[${'1,'.repeat(100_000)}1]`, /values/],
    ['a byte order mark', '\ufeff{}', /JSON/],
    ['a control in a string', `"${'x'.repeat(2_000)}\u0001"`, /JSON/],
    ['nothing', ' ', /JSON/],
  ])('refuses %s', (_name, text, why) => {
    expect(written(text)).toMatch(why);
    expect(written(text, [1])).toMatch(why);
  });

  it('refuses what is no UTF-8, also at its end', () => {
    expect(readJson([Uint8Array.of(0x22, 0xff, 0x22)]).kind).toBe('fault');
    expect(readJson([Uint8Array.of(0x22, 0xe2, 0x82)]).kind).toBe('fault');
    expect(readJson([Uint8Array.of(0xff, 0xfe, 0x22, 0, 0x22, 0)]).kind).toBe('fault');
  });

  it('tells where the items of an array stand', () => {
    const text = '{"tools": [ {"name":"ä"} , 7 ]}';
    const read = readJson([bytes(text)], { places: true });
    if (read.kind === 'fault') throw new Error(read.why);
    const items = (read.value as { tools: unknown[] }).tools;
    const places = read.itemsOf(items);
    expect([0, 2].map((at) => text.slice(places[at], places[at + 1]))).toEqual(['{"name":"ä"}', '7']);
  });
});

describe('numbers', () => {
  it('are compared by their decimals', () => {
    const compare = (a: string, b: string): number => compareNumbers(numberFrom(a), numberFrom(b));
    expect(compare('9007199254740993', '9007199254740992')).toBe(1);
    expect(compare('100.00000000000000000001', '100')).toBe(1);
    expect(compare('1.0', '1')).toBe(0);
    expect(compare('10e-1', '1')).toBe(0);
    expect(compare('-0', '0')).toBe(0);
    expect(compare('-1e400', '-1e399')).toBe(-1);
    expect(compare('1e-400', '0')).toBe(1);
    expect(compare('0.001e3', '0.999')).toBe(1);
  });

  it('are ordered as doubles are where they are doubles', () => {
    const double = fc.double({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(double, double, (a, b) => {
        const text = (value: number): string => (Object.is(value, -0) ? '0' : String(value));
        const [left, right] = [new JsonNumber(text(a)), new JsonNumber(text(b))];
        expect(compareNumbers(left, right)).toBe(a < b ? -1 : a > b ? 1 : 0);
      }),
    );
  });
});

describe('canonical JSON', () => {
  it('is one text for equal values', () => {
    expect(canonicalJson(JSON.parse('{"b":[1.0,-0,1e21],"a":{"\\u20ac":null,"z":true},"\\u000f":"\\u000f/"}'))).toBe(
      '{"\\u000f":"\\u000f/","a":{"z":true,"€":null},"b":[1,0,1e+21]}',
    );
  });

  it('is the same by the shorter way', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        if (text.includes('\\')) return;
        expect(canonicalJson(value, true)).toBe(canonicalJson(value));
      }),
    );
  });
});

describe('a passing answer', () => {
  const scanned = (text: string, cuts: readonly number[]): boolean => {
    const scan = new AnswerScan();
    const bytes = new TextEncoder().encode(text);
    for (let at = 0, next = 0; at < bytes.length; next += 1) {
      const size = cuts[next % cuts.length] ?? bytes.length;
      scan.push(bytes.slice(at, at + size));
      at += size;
    }
    return scan.failed;
  };

  it('tells of a failure however it is written and cut', () => {
    const noise = fc.dictionary(fc.constantFrom('error', 'isError', 'result', 'a\\"b', 'content'), fc.jsonValue());
    const answer = fc.record({ jsonrpc: fc.constant('2.0'), extra: noise, id: fc.integer() });
    const outcome = fc.constantFrom<Record<string, unknown>>(
      { result: { isError: true, content: ['{"error":1}'] } },
      { result: { content: [{ isError: true, error: 1 }], isError: false } },
      { result: { note: '"isError":true' } },
      { error: { code: -1, message: 'x' } },
      { error: null, result: {} },
    );
    fc.assert(
      fc.property(
        answer,
        outcome,
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        fc.boolean(),
        (base, end, cuts, spaced) => {
          const value: Record<string, unknown> = { ...base, ...end };
          const failed =
            (value.error ?? null) !== null || (value.result as { isError?: unknown } | undefined)?.isError === true;
          expect(scanned(JSON.stringify(value, null, spaced ? 1 : 0), cuts)).toBe(failed);
        },
      ),
      { numRuns: fuzzRounds(1_000) },
    );
  });

  it('never throws on other bytes', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => new AnswerScan().push(bytes)));
  });
});
