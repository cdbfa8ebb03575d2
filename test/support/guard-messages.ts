/**
 * Seeded messages that readers may differ in: odd blanks, escapes and numerals, names in other letter case, heads in other spellings. Harmless
 * words only. The same seed gives the same messages.
 */
export interface Draw {
  /** Whole, from 0 below `below`. */
  below(below: number): number;
  chance(of: number): boolean;
  one<T>(items: readonly T[]): T;
}

/** Source: mulberry32, a public-domain generator of 32 bits. */
export function drawing(seed: number): Draw {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  return {
    below,
    chance: (of) => below(of) === 0,
    one: (items) => items[below(items.length)] as (typeof items)[number],
  };
}

const numerals = [
  '0',
  '-0',
  '1',
  '1.0',
  '10e-1',
  '1E2',
  '9007199254740993',
  '-9007199254740993',
  '0.1',
  '1e-7',
  '123456789012345678901234567890',
  '1.10',
  '2e308',
];
const words = ['a', 'path', 'Path', 'query', 'ſum', 'sum', 'ключ', '名', 'x y', '__proto__', 'model', ''];
const texts = [
  '',
  'hello',
  'line\nbreak',
  'tab\t',
  'quote"',
  'back\\slash',
  'é',
  '€',
  '😀',
  '\u2028',
  '\u0085',
  '\u0001',
  '/',
  '</x>',
  '\u007f',
  'ﬀ',
];

/** One call of a tool as a client might write it, or nearly. `lines`: nothing in it but its end breaks the line. */
export function rpcMessage(draw: Draw, id: number, lines: boolean): string {
  const name = draw.one(['search', 'search', 'list_a', 'list_b', 'delete_x', 'Search']);
  const args = objectText(draw, 3, lines);
  const fields = [
    ['jsonrpc', '"2.0"'],
    ['id', draw.chance(40) ? draw.one(numerals) : draw.chance(8) ? `"i${id}"` : String(id)],
    [draw.chance(60) ? 'Method' : 'method', stringText(draw, draw.chance(40) ? 'tools/list' : 'tools/call')],
    [
      'params',
      `{${blank(draw, lines)}${fieldText(draw, draw.chance(60) ? 'Name' : 'name', stringText(draw, name))},${fieldText(draw, 'arguments', args)}${draw.chance(60) ? `,${fieldText(draw, 'NAME', '"delete_x"')}` : ''}}`,
    ],
    ...(draw.chance(50) ? [[draw.one(['extra', 'METHOD', 'result']), '1']] : []),
  ];
  return spoilt(
    draw,
    `{${fields.map(([key = '', value = '']) => fieldText(draw, key, value)).join(`,${blank(draw, lines)}`)}}`,
  );
}

/** One request to a model, or nearly. */
export function modelMessage(draw: Draw): string {
  const fields = [
    [draw.chance(40) ? 'Model' : 'model', stringText(draw, draw.one(['small-1', 'small-2', 'large-1']))],
    ['messages', `[{"role":"user","content":${stringText(draw, draw.one(texts))}}]`],
    ['extra', valueText(draw, 3, false)],
    ...(draw.chance(10) ? [['fallbacks', draw.one(['["small-2"]', '["large-1"]', '[{"model":"large-1"}]'])]] : []),
    ...(draw.chance(30) ? [['MODEL', '"large-1"']] : []),
  ];
  return spoilt(draw, `{${fields.map(([key = '', value = '']) => fieldText(draw, key, value)).join(',')}}`);
}

/** The body as a request, in one of the spellings that clients use, or nearly. */
export function requestOf(draw: Draw, path: string, body: string): Uint8Array {
  const bytes = Buffer.from(body, 'utf8');
  const chunks = draw.chance(4);
  const cut = draw.below(bytes.length + 1);
  const parts = [bytes.subarray(0, cut), bytes.subarray(cut)].filter((part) => part.length > 0);
  const type = draw.one([
    'application/json',
    'application/json',
    'Application/JSON; charset=utf-8',
    'application/json;charset="UTF-8"',
    'application/json; charset=utf-16',
    'text/plain',
  ]);
  const target = draw.chance(12)
    ? draw.one([`http://other${path}`, `http://other\\x${path}`, `${path}#x`, `/x/..${path}`])
    : path;
  const fields = [
    `${draw.one(['Host', 'host', 'HOST'])}:${draw.one(['', ' ', '\t '])}docs`,
    `${draw.one(['Content-Type', 'content-type'])}: ${type}`,
    ...(draw.chance(6)
      ? [
          draw.one([
            'X-HTTP-Method-Override: GET',
            'X-Original-URL: /other',
            'Connection: keep-alive, X-Id',
            'Upgrade: h2c',
            'Content_Length: 3',
            'TE: trailers',
            'X-Id: 7',
            'Accept-Encoding: gzip',
          ]),
        ]
      : []),
    ...(draw.chance(80) ? ['Content-Type: text/plain'] : []),
    chunks ? 'Transfer-Encoding: chunked' : `Content-Length: ${bytes.length}`,
  ];
  const head = Buffer.from(`POST ${target} HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n`, 'latin1');
  if (!chunks) return Buffer.concat([head, bytes]);
  const framed = parts.flatMap((part) => [Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]);
  return Buffer.concat([head, ...framed, Buffer.from('0\r\n\r\n')]);
}

function objectText(draw: Draw, depth: number, lines: boolean): string {
  const keys = Array.from({ length: draw.below(4) }, () => draw.one(words));
  // Mostly each name once, as clients write it.
  const used = draw.chance(12)
    ? keys
    : [...new Map(keys.map((key) => [key.normalize('NFKC').toUpperCase(), key])).values()];
  return `{${blank(draw, lines)}${used.map((key) => fieldText(draw, key, valueText(draw, depth - 1, lines))).join(`${blank(draw, lines)},`)}}`;
}

function valueText(draw: Draw, depth: number, lines: boolean): string {
  switch (draw.below(depth > 0 ? 6 : 4)) {
    case 0:
      return draw.one(numerals);
    case 1:
    case 2:
      return stringText(draw, draw.one(texts));
    case 3:
      return draw.one(['true', 'false', 'null']);
    case 4:
      return `[${blank(draw, lines)}${Array.from({ length: draw.below(3) }, () => valueText(draw, depth - 1, lines)).join(',')}]`;
    default:
      return objectText(draw, depth, lines);
  }
}

function fieldText(draw: Draw, key: string, value: string): string {
  return `${stringText(draw, key)}:${draw.chance(3) ? ' ' : ''}${value}`;
}

/** The same text, with more escapes than needed now and then, and now and then a raw line end that JSON allows. */
function stringText(draw: Draw, text: string): string {
  const written = [...text].map((char) => {
    if (char < ' ' || char === '"' || char === '\\') return JSON.stringify(char).slice(1, -1);
    if (draw.chance(12))
      return [...char]
        .flatMap((whole) => whole.split('').map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`))
        .join('');
    return char;
  });
  return `"${written.join('')}"`;
}

function blank(draw: Draw, lines: boolean): string {
  return draw.chance(3) ? draw.one(lines ? [' ', '\t', '\r', ' \r '] : [' ', '\t', '\r\n', '\n  ']) : '';
}

/** Now and then no JSON, or not quite. */
function spoilt(draw: Draw, text: string): string {
  if (!draw.chance(25)) return text;
  const at = draw.below(text.length);
  const insert = draw.one(['\ufeff', '\\ud800', ',', '}', '\u0000', '"', '1', '\v', '\f', '\u2028']);
  return `${text.slice(0, at)}${insert}${text.slice(at)}`;
}
