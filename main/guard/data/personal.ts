/**
 * Finds personal data that can be told by its form and checked: e-mail addresses, international phone numbers, payment cards, IBANs, national
 * identifiers with a checksum. Pure. A pattern names a candidate, a kept library judges it.
 */
import cards from 'card-validator';
import { getCountrySpecifications, isValidIBAN } from 'ibantools';
import { parsePhoneNumberFromString } from 'libphonenumber-js/min';
import belgium from 'stdnum/lib/cjs/be/nn.js';
import brazil from 'stdnum/lib/cjs/br/cpf.js';
import germany from 'stdnum/lib/cjs/de/idnr.js';
import spain from 'stdnum/lib/cjs/es/dni.js';
import spainForeign from 'stdnum/lib/cjs/es/nie.js';
import france from 'stdnum/lib/cjs/fr/nir.js';
import italy from 'stdnum/lib/cjs/it/codicefiscale.js';
import poland from 'stdnum/lib/cjs/pl/pesel.js';
import sweden from 'stdnum/lib/cjs/se/personnummer.js';
import type { FoundClass } from '../../base/engagement/data.ts';
import type { Detector, FoundText } from './found.ts';

/** How long the part before and behind the @ may be. Source: RFC 5321 section 4.5.3.1. */
const [longestLocal, longestDomain] = [64, 255];
const localCharacter = /[\p{L}\p{N}.!#$%&'*+/=?^_`{|}~-]/u;
const domain =
  /^[\p{L}\p{N}](?:[\p{L}\p{N}-]*[\p{L}\p{N}])?(?:\.[\p{L}\p{N}](?:[\p{L}\p{N}-]*[\p{L}\p{N}])?)*\.\p{L}{2,24}/u;

/** Digits alone or in groups, not within a longer number or word. Card lengths: ISO/IEC 7812-1. */
const cardLike = /(?<![\p{L}\p{N}_.-])\d(?:[ -]?\d){11,18}(?![\p{L}\p{N}_]|[.-]\d)/gu;
/** E.164: a plus and at most 15 digits, written with the usual separators. */
const phoneLike = /(?<![\p{L}\p{N}+])\+[1-9](?:[ ./()-]{0,2}\d){6,14}(?!\d)/gu;
const ibanLike = /(?<![\p{L}\p{N}])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{1,4}){3,8}/gu;

interface Identifier {
  readonly form: RegExp;
  readonly validate: (text: string) => { readonly isValid: boolean };
}

const bounded = (form: string): RegExp =>
  new RegExp(`(?<![\\p{L}\\p{N}_.-])(?:${form})(?![\\p{L}\\p{N}_]|[.-]\\d)`, 'gu');

/** Those whose form and check digits leave little to chance. */
const identifiers: readonly Identifier[] = [
  { form: bounded('\\d{8}-?[A-Z]'), validate: spain.validate },
  { form: bounded('[XYZ]-?\\d{7}-?[A-Z]'), validate: spainForeign.validate },
  { form: bounded('[12] ?\\d{2} ?\\d{2} ?[0-9AB]{2} ?\\d{3} ?\\d{3} ?\\d{2}'), validate: france.validate },
  { form: bounded('[A-Z]{6}\\d{2}[A-EHLMPRST]\\d{2}[A-Z]\\d{3}[A-Z]'), validate: italy.validate },
  { form: bounded('\\d{2} ?\\d{3} ?\\d{3} ?\\d{3}'), validate: germany.validate },
  { form: bounded('\\d{11}'), validate: poland.validate },
  { form: bounded('\\d{2}\\.\\d{2}\\.\\d{2}-\\d{3}\\.\\d{2}'), validate: belgium.validate },
  { form: bounded('\\d{3}\\.\\d{3}\\.\\d{3}-\\d{2}'), validate: brazil.validate },
  { form: bounded('(?:\\d{2})?\\d{6}[-+]\\d{4}'), validate: sweden.validate },
];

const ibanLengths = new Map(
  Object.entries(getCountrySpecifications()).map(([country, { chars }]) => [country, chars ?? 0]),
);

/** Phone numbers that are judged in one text; of more, the rest are taken by their form: each costs time that others wait for. */
const judgedPhones = 32;

/** One for all texts. */
export function personalDetector(): Detector {
  return (text) => withoutTraces(() => personalIn(text));
}

/** Some of the libraries say no by an exception: to note where each was thrown costs more than to judge. */
function withoutTraces<T>(judge: () => T): T {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return judge();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function personalIn(text: string): readonly FoundText[] {
  const found: FoundText[] = text.includes('@') ? emails(text) : [];
  let phones = 0;
  const isPhone = (candidate: string): boolean => (phones += 1) > judgedPhones || isNumbered(candidate);
  if (text.includes('+')) found.push(...judged('phone', text, phoneLike, isPhone));
  if (!/\d{2}/.test(text)) return found;
  found.push(...judged('payment-card', text, cardLike, isCard), ...ibans(text));
  for (const { form, validate } of identifiers) {
    found.push(...judged('national-id', text, form, (candidate) => validate(candidate).isValid));
  }
  return found;
}

function judged(name: FoundClass, text: string, form: RegExp, holds: (candidate: string) => boolean): FoundText[] {
  return [...text.matchAll(form)]
    .filter(([candidate]) => holds(candidate))
    .map(({ 0: candidate, index }) => ({ name, start: index, end: index + candidate.length }));
}

/** Some country's numbering plan has it. */
function isNumbered(candidate: string): boolean {
  return parsePhoneNumberFromString(candidate)?.isValid() === true;
}

/** Cards of UnionPay alone may have no check digit. */
const unionPay = /^(?:62|81)/;

/** A known brand, its length and its check digit; digits that are all alike are nobody's. */
function isCard(candidate: string): boolean {
  const digits = candidate.replace(/[ -]/g, '');
  // Most that looks like a card has no check digit, and the library would take its time to find that out.
  if (!unionPay.test(digits) && !hasCheckDigit(digits)) return false;
  return !/^(\d)\1*$/.test(digits) && cards.number(digits).isValid;
}

/** ISO/IEC 7812-1, annex B. */
function hasCheckDigit(digits: string): boolean {
  let sum = 0;
  for (let at = digits.length - 1, doubles = false; at >= 0; at -= 1, doubles = !doubles) {
    const digit = digits.charCodeAt(at) - 0x30;
    const counted = doubles ? digit * 2 : digit;
    sum += counted > 9 ? counted - 9 : counted;
  }
  return sum % 10 === 0;
}

/** A country says how long its IBANs are: what follows is no part of it. */
function ibans(text: string): FoundText[] {
  return [...text.matchAll(ibanLike)].flatMap(({ 0: candidate, index }) => {
    const wanted = ibanLengths.get(candidate.slice(0, 2)) ?? 0;
    let end = 0;
    for (let letters = 0; letters < wanted && end < candidate.length; end += 1)
      if (candidate[end] !== ' ') letters += 1;
    const written = candidate.slice(0, end);
    const isEnd = end === candidate.length || candidate[end] === ' ';
    return isEnd && isValidIBAN(written.replaceAll(' ', ''))
      ? [{ name: 'iban', start: index, end: index + end } as const]
      : [];
  });
}

/** From each @ to both sides: no pattern has to try every place of a long text. */
function emails(text: string): FoundText[] {
  const found: FoundText[] = [];
  for (let at = text.indexOf('@'); at >= 0; at = text.indexOf('@', at + 1)) {
    let start = at;
    while (start > 0 && at - start < longestLocal && localCharacter.test(text[start - 1] ?? '')) start -= 1;
    while (text[start] === '.' || text[start] === "'") start += 1;
    const behind = domain.exec(text.slice(at + 1, at + 1 + longestDomain))?.[0];
    const isAddress = start < at && text[at - 1] !== '.' && behind !== undefined;
    if (isAddress && !isUserOfAddress(text, start)) found.push({ name: 'email', start, end: at + 1 + behind.length });
  }
  return found;
}

/** In `scheme://user:password@host` it is no mailbox that stands before the @. */
function isUserOfAddress(text: string, start: number): boolean {
  return /:\/\/[^\s/@]*$/.test(text.slice(Math.max(0, start - longestLocal), start));
}
