/**
 * Heads of HTTP/1.x messages, read strictly. Pure.
 *
 * Whatever two readers could understand differently is refused, for the guard must see the very request the service will see:
 * bare CR or LF, folded or nameless lines, blanks before a colon, two lengths, a length beside chunks, unknown codings.
 * Sources: RFC 9112 sections 2.2, 3, 4, 5, 6.3 and 11.2 (request smuggling).
 */

/** Implementation limits; above them a head is refused. */
export const maxHeadBytes = 64 * 1024;
const maxFields = 256;

export interface HttpField {
  /** Lower case. */
  readonly name: string;
  readonly value: string;
  /** Where its line stands in the raw head, line end included. */
  readonly start: number;
  readonly end: number;
}

interface CommonHead {
  /** The head as it came, empty line included. */
  readonly raw: Uint8Array;
  readonly version: '1.0' | '1.1';
  readonly fields: readonly HttpField[];
  /** Where the first field's line begins. */
  readonly fieldsStart: number;
}

export interface RequestHead extends CommonHead {
  readonly kind: 'request';
  readonly method: string;
  readonly target: string;
}

export interface ResponseHead extends CommonHead {
  readonly kind: 'response';
  readonly status: number;
}

export type HttpHead = RequestHead | ResponseHead;

export type BodyFraming =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly lengthBytes: number }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'until-close' };

/** A refused head: why, in words. */
export interface HeadFault {
  readonly kind: 'fault';
  readonly why: string;
}

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const requestLine = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e\x80-\xff]+) HTTP\/(1\.[01])$/;
const statusLine = /^HTTP\/(1\.[01]) ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;

/** Read a complete head, empty line included. */
export function parseHead(raw: Uint8Array, side: 'request' | 'response'): HttpHead | HeadFault {
  const text = latin1(raw);
  if (/\r(?!\n)|(?<!\r)\n|\0/.test(text)) return fault('a bare CR, LF or NUL');
  const firstEnd = text.indexOf('\r\n');
  const first = text.slice(0, firstEnd);
  const fields: HttpField[] = [];
  for (let start = firstEnd + 2; start < text.length - 2;) {
    const end = text.indexOf('\r\n', start);
    const line = text.slice(start, end);
    const colon = line.indexOf(':');
    if (colon < 0 || !token.test(line.slice(0, colon))) return fault('a header line that is none');
    const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '');
    fields.push({ name: line.slice(0, colon).toLowerCase(), value, start, end: end + 2 });
    if (fields.length > maxFields) return fault('too many header lines');
    start = end + 2;
  }
  const common = { raw, fields, fieldsStart: firstEnd + 2 };
  if (side === 'request') {
    const match = requestLine.exec(first);
    if (match === null) return fault('a request line that is none');
    const [, method = '', target = '', version] = match;
    if (fields.filter((field) => field.name === 'host').length > 1) return fault('two Host headers');
    return { kind: 'request', ...common, version: version as '1.0' | '1.1', method, target };
  }
  const match = statusLine.exec(first);
  if (match === null) return fault('a status line that is none');
  return { kind: 'response', ...common, version: match[1] as '1.0' | '1.1', status: Number(match[2]) };
}

/** How the body behind a head ends. `answerTo`: the method a response answers. Source: RFC 9112 section 6.3. */
export function framingOf(head: HttpHead, answerTo: string | undefined): BodyFraming | HeadFault {
  const lengths = head.fields.filter((field) => field.name === 'content-length');
  const codings = head.fields.filter((field) => field.name === 'transfer-encoding');
  if (lengths.length > 1) return fault('two Content-Length headers');
  if (codings.length > 1) return fault('two Transfer-Encoding headers');
  if (lengths.length > 0 && codings.length > 0) return fault('Content-Length beside Transfer-Encoding');
  const coding = codings[0]?.value;
  if (coding !== undefined && (coding.toLowerCase() !== 'chunked' || head.version === '1.0')) {
    return fault(`Transfer-Encoding "${coding}" in HTTP/${head.version}`);
  }
  const length = lengths[0]?.value;
  if (length !== undefined && !/^\d{1,15}$/.test(length)) return fault(`Content-Length "${length}"`);
  if (head.kind === 'response' && (answerTo === 'HEAD' || head.status < 200 || [204, 304].includes(head.status))) {
    return { kind: 'none' };
  }
  if (coding !== undefined) return { kind: 'chunked' };
  if (length !== undefined) {
    const lengthBytes = Number(length);
    return lengthBytes === 0 ? { kind: 'none' } : { kind: 'length', lengthBytes };
  }
  return head.kind === 'request' ? { kind: 'none' } : { kind: 'until-close' };
}

/** Value of a field; several of one name joined as RFC 9110 section 5.2 has it. */
export function fieldOf(head: HttpHead, name: string): string | undefined {
  const values = head.fields.filter((field) => field.name === name).map((field) => field.value);
  return values.length === 0 ? undefined : values.join(', ');
}

/** The head with some fields taken out and others put in; every other byte as it came. */
export function rewriteHead(
  head: HttpHead,
  remove: ReadonlySet<string>,
  add: readonly (readonly [name: string, value: string])[] = [],
): Uint8Array {
  if (add.length === 0 && !head.fields.some((field) => remove.has(field.name))) return head.raw;
  const added = fromLatin1(add.map(([name, value]) => `${name}: ${value}\r\n`).join(''));
  const kept = head.fields.filter((field) => !remove.has(field.name));
  const size = kept.reduce((sum, field) => sum + field.end - field.start, head.fieldsStart + added.length + 2);
  const bytes = new Uint8Array(size);
  bytes.set(head.raw.subarray(0, head.fieldsStart));
  let at = head.fieldsStart;
  for (const field of kept) {
    bytes.set(head.raw.subarray(field.start, field.end), at);
    at += field.end - field.start;
  }
  bytes.set(added, at);
  bytes.set([13, 10], at + added.length);
  return bytes;
}

/** Media type without parameters, lower case. */
export function mediaTypeOf(head: HttpHead): string | undefined {
  return fieldOf(head, 'content-type')?.split(';')[0]?.trim().toLowerCase();
}

export function isFault(value: { readonly kind: string }): value is HeadFault {
  return value.kind === 'fault';
}

function fault(why: string): HeadFault {
  return { kind: 'fault', why };
}

function latin1(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 4096) {
    text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  }
  return text;
}

function fromLatin1(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0) & 0xff);
}
