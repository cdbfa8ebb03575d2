import { expect, it } from 'vitest';
import { bareToken, isToken } from '../../main/base/token-text.ts';

const token = 'eyJhbGciOiJFUzI1NiJ9.eyJlbSI6Im90dCJ9.c2lnbmF0dXJl';
const utf16 = (order: 'le' | 'be'): string => {
  const little = Buffer.from(`\uFEFF${token}\r\n`, 'utf16le');
  return (order === 'le' ? little : little.swap16()).toString('utf8');
};

it.each([
  ['as it is', token],
  ['with a line break at its end', `${token}\r\n`],
  ['wrapped as by a mail', `${token.slice(0, 20)}\n  ${token.slice(20)}`],
  ['in quotes', `"${token}"`],
  ['with the mark of UTF-8', `\uFEFF${token}`],
  ['in UTF-16, as a shell writes it', utf16('le')],
  ['in UTF-16, the other order', utf16('be')],
  ['with NUL bytes behind', `${token}\0\0`],
])('a token is read %s', (_what, text) => {
  expect(bareToken(text)).toBe(token);
  expect(isToken(text)).toBe(true);
});

it.each(['laptop.jwt', '-', 'https://ctrl.example:1280', './eyJ.jwt', 'a.b.c'])('%s is no token', (text) => {
  expect(isToken(text)).toBe(false);
});
