/**
 * Heads of HTTP/1.x messages, read strictly. Pure.
 *
 * Whatever two readers could understand differently is refused, for the guard must see the very request the service will see:
 * bare CR or LF, folded or nameless lines, blanks before a colon, two lengths, a length beside chunks, unknown codings.
 * Sources: RFC 9112 sections 2.2, 3, 4, 5, 6.3 and 11.2 (request smuggling).
 */

import { goesOn, spelt } from './header-fields.ts';
import { readTarget } from './target.ts';

/** Implementation limits; above them a head is refused. */
export const maxHeadBytes = 64 * 1024;
const maxFields = 256;

/** One field of a head. */
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

/** The head of a request. */
export interface RequestHead extends CommonHead {
  readonly kind: 'request';
  readonly method: string;
  readonly target: string;
}

/** The head of a response. */
export interface ResponseHead extends CommonHead {
  readonly kind: 'response';
  readonly status: number;
}

/** The head of either. */
export type HttpHead = RequestHead | ResponseHead;

/** How a body's end is told. */
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

/** Readers differ in which of two they take. */
const singular = ['host', 'content-type', 'content-encoding', 'authorization'] as const;

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const requestLine = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e\x80-\xff]+) HTTP\/(1\.[01])$/;
const statusLine = /^HTTP\/(1\.[01]) ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;

/** Read a complete head, empty line included. */
export function parseHead(raw: Uint8Array, side: 'request' | 'response'): HttpHead | HeadFault {
  const text = latin1(raw);
  if (/\r(?!\n)|(?<!\r)\n|\0/.test(text)) return fault('a bare CR, LF or NUL');
  if (/[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(text)) return fault('a control character');
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
    for (const name of singular) {
      if (fields.filter((field) => field.name === name).length > 1) return fault(`two ${spelt(name)} headers`);
    }
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

/** The head of an answer with some fields taken out and others put in; every other byte as it came. */
export function rewriteHead(
  head: ResponseHead,
  remove: ReadonlySet<string>,
  add: readonly (readonly [name: string, value: string])[] = [],
): Uint8Array {
  if (add.length === 0 && !head.fields.some((field) => remove.has(field.name))) return head.raw;
  const lines = head.fields
    .filter((field) => !remove.has(field.name))
    .map((field) => latin1(head.raw.subarray(field.start, field.end)));
  const added = add.map(([name, value]) => `${name}: ${value}\r\n`);
  return fromLatin1([latin1(head.raw.subarray(0, head.fieldsStart)), ...lines, ...added, '\r\n'].join(''));
}

/** What a request's head says besides what is on the list (`goesOn`). */
export interface HeadChanges {
  /** In the place of the one that came. */
  readonly target?: string;
  /** Fields that stay out, in lower case. */
  readonly without?: ReadonlySet<string>;
  /** Fields of the guard's own, in the place of what came under their (lower-case) names. */
  readonly own?: readonly (readonly [name: string, value: string])[];
  /** Leave for a websocket: the request is exactly its handshake. */
  readonly websocket?: boolean;
  /** The client asks for leave to send its body, and the service is to give it. */
  readonly expect?: boolean;
}

/**
 * A request's head, written anew from what was read: one blank between the words, fields of the list in the order and with the values they
 * came, one Host, one framing. `undefined` length: the guard's own chunks follow.
 */
export function encodeRequestHead(head: RequestHead, framing: BodyFraming, changes: HeadChanges = {}): Uint8Array {
  const asked = changes.target ?? head.target;
  const read = readTarget(asked, head.method);
  const target = read?.written ?? asked;
  const own = new Map((changes.own ?? []).map(([name, value]) => [name.toLowerCase(), value]));
  if (read?.authority !== undefined && !own.has('host')) own.set('host', read.authority);
  let text = `${head.method} ${target} HTTP/${head.version}\r\n`;
  for (const field of head.fields) {
    const value = own.get(field.name);
    if (value !== undefined) {
      text += `${spelt(field.name)}: ${value}\r\n`;
      own.delete(field.name);
    } else if (goesOn(field.name) && changes.without?.has(field.name) !== true && !isOwn(changes, field.name)) {
      text += `${spelt(field.name)}: ${field.value}\r\n`;
    }
  }
  for (const [name, value] of own) text += `${spelt(name)}: ${value}\r\n`;
  if (changes.expect === true) text += 'Expect: 100-continue\r\n';
  if (changes.websocket === true) text += 'Connection: Upgrade\r\nUpgrade: websocket\r\n';
  else text += connectionLine(head);
  return fromLatin1(`${text}${framingLine(head, framing)}\r\n`);
}

function isOwn(changes: HeadChanges, name: string): boolean {
  return changes.own?.some(([own]) => own.toLowerCase() === name) === true;
}

function connectionLine(head: RequestHead): string {
  const options = (fieldOf(head, 'connection') ?? '').split(',').map((option) => option.trim().toLowerCase());
  if (options.includes('close')) return 'Connection: close\r\n';
  return head.version === '1.0' && options.includes('keep-alive') ? 'Connection: keep-alive\r\n' : '';
}

function framingLine(head: RequestHead, framing: BodyFraming): string {
  if (framing.kind === 'chunked') return 'Transfer-Encoding: chunked\r\n';
  if (framing.kind === 'length') return `Content-Length: ${framing.lengthBytes}\r\n`;
  // A method that could have a body says that it has none.
  return head.fields.some((field) => field.name === 'content-length') ? 'Content-Length: 0\r\n' : '';
}

/** A charset that a Content-Type names and that is not UTF-8. */
export function foreignCharset(head: HttpHead): string | undefined {
  const named = (fieldOf(head, 'content-type') ?? '').matchAll(/charset[^=]*=\s*"?([^";\s]*)/gi);
  return [...named].map((match) => (match[1] ?? '').toLowerCase()).find((charset) => !/^utf-?8$/.test(charset));
}

/** Why the body of an answer cannot be read as text, in words that follow "answered"; undefined where it can. */
export function unreadableAnswer(head: HttpHead): string | undefined {
  const coding = fieldOf(head, 'content-encoding');
  if (coding !== undefined && coding !== 'identity') return `in ${coding}, which nobody asked for`;
  const charset = foreignCharset(head);
  return charset === undefined ? undefined : `in ${charset}, which cannot be read`;
}

/** Media type without parameters, lower case. */
export function mediaTypeOf(head: HttpHead): string | undefined {
  return fieldOf(head, 'content-type')?.split(';')[0]?.trim().toLowerCase();
}

/** True for what was refused in place of a head. */
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
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
  return bytes;
}
