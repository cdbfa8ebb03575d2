/**
 * The set that the detectors of data are measured on: texts as tools give and take them, each with what stands in it. It is made, not collected:
 * nobody's data, the same at every run. What the detectors do not claim to find (national phone numbers, passwords in prose, identifiers of countries
 * they do not know) is in it as well, so that recall says how much of what a person would mark is found.
 */
import { generateKeyPairSync } from 'node:crypto';
import phones from 'libphonenumber-js/mobile/examples';
import { getCountryCallingCode, type CountryCode } from 'libphonenumber-js/min';
import type { FoundClass } from '../../../main/base/engagement/data.ts';
import { word } from './made-up.ts';

export interface Labelled {
  readonly text: string;
  /** What a person would mark in it. */
  readonly marked: readonly { readonly name: FoundClass; readonly value: string }[];
}

const digits = (length: number, seed: number): string =>
  Array.from(
    { length },
    (_, index) => (seed * 7_919 + index * index * 31 + index * 17 + (seed >> (index % 7))) % 10,
  ).join('');

/** Source: ISO/IEC 7812-1 annex B. */
function luhn(without: string): string {
  const sum = [...without].reverse().reduce((total, digit, index) => {
    const value = Number(digit) * (index % 2 === 0 ? 2 : 1);
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  return `${without}${(10 - (sum % 10)) % 10}`;
}

const grouped = (text: string, by: string): string => text.replace(/(.{4})(?=.)/g, `$1${by}`);

const cards = (['4', '51', '2221', '37', '6011', '3528', '36'] as const).flatMap((prefix, kind) =>
  [0, 1, 2].map((form) => {
    const length = prefix === '37' ? 15 : prefix === '36' ? 14 : 16;
    const number = luhn(`${prefix}${digits(length - 1 - prefix.length, kind * 10 + form + 1)}`);
    return form === 0 ? number : grouped(number, form === 1 ? ' ' : '-');
  }),
);

/** Banks number accounts with check digits of their own, so that no account can be made up. Source: examples of the SWIFT IBAN registry. */
const ibans = [
  'DE89370400440532013000',
  'AT611904300234573201',
  'FR1420041010050500013M02606',
  'GB29NWBK60161331926819',
  'NL91ABNA0417164300',
  'IT60X0542811101000000123456',
  'CH9300762011623852957',
  'DK5000400440116243',
  'FI2112345600000785',
  'SE4550000000058398257466',
  'NO9386011117947',
  'IE29AIBK93115212345678',
  'BE68539007547034',
  'PL61109010140000071219812874',
  'ES9121000418450200051332',
].flatMap((whole) => [whole, grouped(whole, ' ')]);

const countries = [
  'DE',
  'FR',
  'GB',
  'US',
  'IT',
  'ES',
  'NL',
  'PL',
  'SE',
  'CH',
  'AT',
  'JP',
  'IN',
  'BR',
  'AU',
  'ZA',
] as const;
const international = countries.flatMap((country: CountryCode) => {
  const [national, code] = [phones[country], getCountryCallingCode(country)];
  return [
    `+${code}${national}`,
    `+${code} ${national.slice(0, 3)} ${national.slice(3)}`,
    `+${code}-${national.slice(0, 2)}-${national.slice(2)}`,
  ];
});
/** Not claimed: nobody can tell whose numbering plan it is. */
const nationalPhones = [
  '030 901820',
  '(415) 555-2671',
  '01 42 68 53 00',
  '020 7946 0958',
  '0171 2345678',
  '06-12345678',
];

const emails = [
  'ada@example.org',
  'bob.smith@mail.example.com',
  'o’neil@example.ie',
  "d'arcy@example.co.uk",
  'x+tag@sub.example.io',
  'info@müller.example.de',
  'UPPER@EXAMPLE.COM',
  'first_last@example.museum',
  '名@例え.jp',
  'a@b.co',
  'quoted.name@example.travel',
  'dev-null@example.dev',
];

const dni = (number: string): string => `${number}${'TRWAGMYFPDXBNJZSQVHLCKE'[Number(number) % 23] ?? ''}`;
const nir = (number: string): string => `${number}${String(97n - (BigInt(number) % 97n)).padStart(2, '0')}`;
const pesel = (number: string): string => {
  const sum = [...number].reduce((total, digit, index) => total + Number(digit) * ([1, 3, 7, 9][index % 4] ?? 1), 0);
  return `${number}${(10 - (sum % 10)) % 10}`;
};
const nationalIds = [
  dni('54362315'),
  dni('12345678'),
  dni('87654321'),
  nir('2950591105120'),
  nir('1840675116009'),
  'RCCMNL83S18D969H',
  'MRTMTT91D08F205J',
  '36 574 261 809',
  pesel('9003081480'),
  pesel('0225141212'),
  '390.533.447-05',
  '880320-0016',
  '811228-9874',
];
/** Not claimed: they have no check digit, or none of ours knows their country. */
const otherIds = ['078-05-1120', 'AB 12 34 56 C', '756.9217.0769.85', '1234 5678 9012'];

const prefixed = (prefix: string, length: number, seed: number): string => `${prefix}${word(length, seed)}`;
const tokens = [
  ...[1, 2, 3].map((seed) => prefixed('gh' + 'p_', 36, seed)),
  prefixed('gh' + 'o_', 36, 4),
  prefixed('gh' + 'r_', 36, 5),
  ...[6, 7].map((seed) => prefixed('np' + 'm_', 36, seed)),
  prefixed('gl' + 'pat-', 20, 8),
  `xo${'xb'}-${digits(12, 3)}-${digits(12, 4)}-${word(24, 9)}`,
  `sk-${'ant'}-api03-${word(93, 10)}AA`,
  `sk-${'proj'}-${word(74, 11)}T3BlbkFJ${word(74, 12)}`,
  `SG.${word(22, 13)}.${word(43, 14)}`,
  prefixed('hf' + '_', 34, 15).replace(/\d/g, 'a'),
  prefixed('lin' + '_api_', 40, 16),
  prefixed('shp' + 'at_', 32, 17).replace(/[^_](?=.{0,31}$)/g, (char) => (char.charCodeAt(0) % 16).toString(16)),
];
/** Not claimed: no form of an issuer's. */
const passwords = ['hunter2', 'correct horse battery staple', 'Sommer2026!'];
/** Made at each run: what is told from a real key by its armour alone would not be found. */
const privateKeys = [
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }),
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'sec1', format: 'pem' }),
  generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }),
].map((pem) => String(pem).trim());
const connections = ['postgres', 'mysql', 'mongodb', 'https'].map(
  (scheme, seed) => `${scheme}://app:${word(14, seed + 30)}@db.example.internal/main`,
);

/** Ways in which tools say things. */
const ways: readonly ((value: string) => string)[] = [
  (value) => value,
  (value) => `Please use ${value} for this.`,
  (value) => `id;name;contact\n17;Ada;${value}\n18;Bob;none`,
  (value) => `| field | ${value} | ok |`,
  (value) => `The customer said: "${value}", and hung up`,
];

const all: readonly (readonly [name: FoundClass, values: readonly string[]])[] = [
  ['payment-card', cards],
  ['iban', ibans],
  ['phone', [...international, ...nationalPhones]],
  ['email', emails],
  ['national-id', [...nationalIds, ...otherIds]],
  ['access-token', [...tokens, ...passwords]],
  ['private-key', privateKeys],
  ['connection-string', connections],
];

/** What looks like data and is none. */
const nothing: readonly string[] = [
  ...Array.from({ length: 40 }, (_, seed) => `order ${digits(16, seed + 100)} shipped`),
  ...Array.from({ length: 40 }, (_, seed) => `tracking ${digits(12 + (seed % 8), seed + 300)}, weight ${seed}.5 kg`),
  ...Array.from(
    { length: 30 },
    (_, seed) => `commit ${[...word(40, seed + 50)].map((char) => (char.charCodeAt(0) % 16).toString(16)).join('')}`,
  ),
  ...Array.from(
    { length: 30 },
    (_, seed) =>
      `uuid ${digits(8, seed)}-${digits(4, seed + 1)}-4${digits(3, seed + 2)}-8${digits(3, seed + 3)}-${digits(12, seed + 4)}`,
  ),
  ...Array.from(
    { length: 20 },
    (_, seed) => `at ${1_750_000_000_000 + seed * 86_400_123} ms, epoch ${1_750_000_000 + seed}`,
  ),
  ...Array.from({ length: 20 }, (_, seed) => `data:image/png;base64,${word(400, seed + 70)}==`),
  ...Array.from({ length: 20 }, (_, seed) => `row ${digits(11, seed + 500)} of table ${word(8, seed)}`),
  ...Array.from(
    { length: 20 },
    (_, seed) =>
      `AB${digits(2, seed)} ${word(4, seed).toUpperCase()} ${word(4, seed + 1).toUpperCase()} ${digits(4, seed)}`,
  ),
  'npm i culvert@0.2.0 react@19.3.1',
  'git clone git@github.com:example/repo.git',
  '@Injectable() class A { @Input() b }',
  'see user@localhost',
  '10.0.0.1, 192.168.100.200 and fd00::1',
  'ISBN 978-3-16-148410-0',
  '2026-11-30T04:20:00+01:00',
  'x += +1234567',
  'phone: +00 000',
  'a + 12345678 b',
  'https://example.com/a@b/c?d=1',
  'postgres://localhost:5432/main',
  'https://example.org:8443/path',
  'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI',
  '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----',
  'ghp_ is how their tokens begin',
  'the sk-ant- prefix',
  'v1.2.3-rc.4+build.20261130',
  '0000 0000 0000 0000',
  '1111111111111111',
  'π = 3.141592653589793238462643',
  '4.11111111111111e15',
  'SKU DE12345678',
  'lot 12.34.56-789.00',
];

export const dataSet: readonly Labelled[] = [
  ...all.flatMap(([name, values]) =>
    values.flatMap((value, index) => {
      const said = [ways[index % ways.length], ways[(index + 2) % ways.length]];
      return said.map((way) => ({ text: way?.(value) ?? value, marked: [{ name, value }] }));
    }),
  ),
  ...nothing.map((text) => ({ text, marked: [] })),
];
