/**
 * How many tokens a text has where nobody tells: by its characters, near and rather too many than too few. Pure.
 *
 * Tokenizers differ. They make one token of some four letters or blanks of English and of two or three digits or marks; of alphabets with fewer words
 * in their vocabulary one of two letters, of scripts with a sign a syllable or a word one a sign, and of a pictogram two or more. Held against a kept
 * tokenizer in the tests.
 */

/** What a character counts, in twelfths of a token, by how many bytes it has in UTF-8; of one byte by what it is. */
const twelfths = { letter: 3, mark: 5, two: 6, three: 12, four: 30 } as const;
const whole = 12;

/** Letters and blanks; everything else of ASCII is a digit or a mark. */
function isLetter(byte: number): boolean {
  return (byte | 0x20) >= 0x61 ? (byte | 0x20) <= 0x7a : byte <= 0x20;
}

/** Counts a text whose bytes come in pieces, wherever they are cut. */
export class TokenEstimate {
  #twelfths = 0;

  /** Bytes of UTF-8. */
  push(bytes: Uint8Array): void {
    let sum = 0;
    for (const byte of bytes) {
      if (byte < 0x80) sum += isLetter(byte) ? twelfths.letter : twelfths.mark;
      else if (byte >= 0xf0) sum += twelfths.four;
      else if (byte >= 0xe0) sum += twelfths.three;
      else if (byte >= 0xc0) sum += twelfths.two;
    }
    this.#twelfths += sum;
  }

  /** Of all that was pushed; one at least where anything was. */
  get tokens(): number {
    return Math.ceil(this.#twelfths / whole);
  }
}

/** Of a text, in tokens and parts of them: several add up. */
export function tokensOf(text: string): number {
  let sum = 0;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit < 0x80) sum += isLetter(unit) ? twelfths.letter : twelfths.mark;
    else if (unit < 0x800) sum += twelfths.two;
    // Each half of a pair: together they are one character of four bytes.
    else if (unit >= 0xd800 && unit < 0xe000) sum += twelfths.four / 2;
    else sum += twelfths.three;
  }
  return sum / whole;
}

/** Of a text in UTF-8 that is there as a whole. */
export function tokensIn(parts: readonly Uint8Array[]): number {
  const estimate = new TokenEstimate();
  for (const part of parts) estimate.push(part);
  return estimate.tokens;
}

/** Of a text of which only the length is known: as English. */
export function tokensInBytes(bytes: number): number {
  return Math.ceil(bytes / 4);
}
