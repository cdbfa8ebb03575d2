/**
 * Numbers of JSON that no double holds as they were written. Pure.
 *
 * Readers differ in what they make of `9007199254740993` or `1.0`: a double, a whole number without bound, a decimal. So such a number keeps
 * its text, and is compared as a decimal.
 */

/** A number whose text is not the one ECMAScript writes for its double. */
export class JsonNumber {
  /** As it was written: a number by RFC 8259. */
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return this.text;
  }

  /** In records it stands as text, so that its digits stay. */
  toJSON(): string {
    return this.text;
  }
}

/** What a number of JSON becomes: a double where that says the same, else its text. */
export function numberFrom(text: string): number | JsonNumber {
  const double = Number(text);
  return String(double) === text ? double : new JsonNumber(text);
}

/** The nearest double, for figures that need no more; undefined where it is no number. */
export function nearestDouble(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  return value instanceof JsonNumber ? Number(value.text) : undefined;
}

/** -1, 0 or 1, by the decimals as written. */
export function compareNumbers(left: number | JsonNumber, right: number | JsonNumber): number {
  if (typeof left === 'number' && typeof right === 'number') return Math.sign(left - right);
  const [a, b] = [decimalOf(String(left)), decimalOf(String(right))];
  if (a.sign !== b.sign) return a.sign < b.sign ? -1 : 1;
  if (a.sign === 0) return 0;
  return a.sign === 1 ? compareMagnitudes(a, b) : compareMagnitudes(b, a);
}

interface Decimal {
  readonly sign: -1 | 0 | 1;
  /** Without zeros at either end; the value is `0.digits` times ten to the `exponent`. */
  readonly digits: string;
  readonly exponent: bigint;
}

function decimalOf(text: string): Decimal {
  const [, minus = '', whole = '', fraction = '', power = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  const all = `${whole}${fraction}`;
  const digits = all.replace(/^0+/, '');
  const exponent = BigInt(power) + BigInt(whole.length - (all.length - digits.length));
  const kept = digits.replace(/0+$/, '');
  return { sign: kept === '' ? 0 : minus === '' ? 1 : -1, digits: kept, exponent };
}

function compareMagnitudes(a: Decimal, b: Decimal): number {
  if (a.exponent !== b.exponent) return a.exponent < b.exponent ? -1 : 1;
  if (a.digits === b.digits) return 0;
  return a.digits < b.digits ? -1 : 1;
}
