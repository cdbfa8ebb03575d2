/** Values in the forms of real ones, put together here: nobody's, and no text of this file is one. */
const letters = 'abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789';

/** The same for the same numbers. */
export function word(length: number, seed: number): string {
  let state = seed * 2_654_435_761 + 12_345;
  return Array.from({ length }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return letters[(state >>> 8) % letters.length] ?? 'a';
  }).join('');
}

export const madeUp = {
  githubToken: `gh${'p_'}${word(36, 1)}`,
  awsSecret: word(40, 2),
  card: ['4111', '1111', '1111', '1111'].join(' '),
  iban: ['DE89', '3704', '0044', '0532', '0130', '00'].join(' '),
  phone: ['+49', '30', '901820'].join(' '),
} as const;
