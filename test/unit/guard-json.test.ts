import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AnswerScan } from '../../main/guard/mcp/answer-scan.ts';
import { canonicalJson } from '../../main/guard/json/canonical-json.ts';
import { parseStrictJson } from '../../main/guard/json/strict-json.ts';

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
        expect(parseStrictJson(written)).toEqual({ kind: 'json', value });
      }),
      { numRuns: 500 },
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
        if (strict.kind === 'json') expect(known).toEqual({ value: strict.value });
        else if (known !== undefined) expect(strict.why).toMatch(/twice/);
      }),
      { numRuns: 20_000 },
    );
  });

  it('refuses a mutation wherever the platform does', () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), fc.constantFrom('', '"', '\\', ',', '}', '0', '\n'), (text, place, junk) => {
        const at = place % (text.length + 1);
        const mutated = text.slice(0, at) + junk + text.slice(at + 1);
        const strict = parseStrictJson(mutated);
        const known = platform(mutated);
        if (strict.kind === 'json') expect(known).toEqual({ value: strict.value });
        else if (known !== undefined) expect(strict.why).toMatch(/twice/);
      }),
      { numRuns: 2_000 },
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
      { numRuns: 1_000 },
    );
  });

  it('never throws on other bytes', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => new AnswerScan().push(bytes)));
  });
});
