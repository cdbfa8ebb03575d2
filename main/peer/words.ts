/**
 * What two Culvert ends say to each other inside a session, before and beside the application's bytes.
 *
 * Routers carry no header from a host to its dialler, so the host's word travels in the stream; and a host that is not Culvert must never
 * see one of ours. Hence: the dialler names sixteen random bytes in its app data, which other tunnelers pass over. A Culvert host begins its
 * side of the stream with exactly those bytes, a length and one JSON object. Whoever does not know them never begins so, and then every
 * byte is the application's. What the dialler is asked it answers the same way, marked by sixteen bytes of the host's choosing.
 *
 *     frame = mark (16 bytes) ‖ length (u16, big endian) ‖ JSON (UTF-8)
 */

import { isEngagementState, type EngagementState } from '../base/engagement-states.ts';

/** Field of the app data in which a dialler names its mark, as lower hex. */
export const helloField = 'culvert_hello';
/** Field in which it names the guard it holds the session to, where it holds one. Its own word. */
export const dialGuardField = 'culvert_guard';

/** Field by which a dial asks of an engagement and is no session. */
export const askField = 'culvert_agora';

/** Field with the id of the engagement between both, as the dialler has it or would begin it. */
export const engagementField = 'culvert_engagement';

/** Field with the seconds since the dialling identity last proved MFA. Its own word. */
export const mfaAgeField = 'culvert_mfa_age';

/** Field in which it says why there is no time to ask for approval. Its own word, good for whom the contract names. */
export const breakGlassField = 'culvert_break_glass';

/** Field by which a dialler says that it carries data connections of FTP to its application: RFC 959's active mode. */
export const ftpField = 'culvert_ftp';
/** Field of a dial that is such a data connection: the host's word for its control connection, `/`, the port that the application announced. */
export const ftpDataField = 'culvert_ftp_data';

const markBytes = 16;
const headBytes = markBytes + 2;
/** The longest JSON a frame can state. */
export const maxWordsBytes = 0xffff;

/** What a host says of the engagement that a session belongs to, or will once something is said in it. */
export interface EngagementWords {
  readonly id: string;
  /** Where it stands there; absent: nothing was said under it yet. */
  readonly state?: EngagementState;
  /** SHA-256 of the contract in force there, lower hex. */
  readonly contract: string;
  /** What the host calls itself. */
  readonly by: string;
}

/** The host's first words. */
export interface HostWords {
  /** Which guard it holds this session to; absent: none. */
  readonly guard?: string;
  /** What it still grants this caller; absent: without end. */
  readonly leftSeconds?: number;
  readonly engagement?: EngagementWords;
  /** This is a control connection of FTP, and this the word by which its data connections are asked for: 16 bytes, lower hex. */
  readonly ftp?: string;
  /**
   * Lower hex, at least 16 bytes: say who you are, signed over this. Absent: the host knows, or does not ask. With it nothing else is said yet: what the host makes of the answer follows in words of their own.
   */
  readonly challenge?: string;
}

/** The dialler's answer to a challenge. */
export interface CallerProof {
  /** PEM, leaf first. */
  readonly chain: string;
  /** Lower hex of the signature over {@link callerText}. */
  readonly signature: string;
}

/** What a dialler signs: it is good for this service, this circuit and this question alone. */
export function callerText(serviceId: string, circuitId: string | undefined, challenge: string): string {
  return ['culvert caller 1', serviceId, circuitId ?? '', challenge, ''].join('\n');
}

/** Bytes of a mark in hex; undefined for what is none. */
export function markOf(hex: string | undefined): Uint8Array | undefined {
  if (hex === undefined || !/^(?:[0-9a-f]{2}){16,32}$/.test(hex)) return undefined;
  return Uint8Array.from({ length: markBytes }, (_, index) => Number.parseInt(hex.slice(index * 2, index * 2 + 2), 16));
}

/** Throws a RangeError for words beyond {@link maxWordsBytes}. */
export function encodeWords(mark: Uint8Array, words: HostWords | CallerProof): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(words));
  if (json.length > maxWordsBytes) throw new RangeError('too many words for one frame');
  const frame = new Uint8Array(headBytes + json.length);
  frame.set(mark);
  frame[markBytes] = json.length >> 8;
  frame[markBytes + 1] = json.length & 0xff;
  frame.set(json, headBytes);
  return frame;
}

/** What stands at the beginning of `bytes`. */
export type Found =
  /** Not to be told yet. */
  | { readonly kind: 'part' }
  | { readonly kind: 'other' }
  | { readonly kind: 'words'; readonly words: Readonly<Record<string, unknown>>; readonly rest: Uint8Array };

/** Look for a frame of `mark` at the very beginning. What begins with the mark and is no frame counts as a frame without words. */
export function readWords(mark: Uint8Array, bytes: Uint8Array): Found {
  const seen = Math.min(bytes.length, markBytes);
  for (let index = 0; index < seen; index += 1) if (bytes[index] !== mark[index]) return { kind: 'other' };
  const length = ((bytes[markBytes] ?? 0) << 8) | (bytes[markBytes + 1] ?? 0);
  if (bytes.length < headBytes || bytes.length < headBytes + length) return { kind: 'part' };
  const rest = bytes.subarray(headBytes + length);
  return { kind: 'words', words: parse(bytes.subarray(headBytes, headBytes + length)), rest };
}

/** Where a frame of `mark` may begin: at the mark, or at what may be the start of one at the very end; -1: nowhere. */
export function indexOfMark(mark: Uint8Array, bytes: Uint8Array, from: number): number {
  const first = mark[0] ?? 0;
  for (let at = bytes.indexOf(first, from); at >= 0; at = bytes.indexOf(first, at + 1)) {
    const seen = Math.min(markBytes, bytes.length - at);
    let same = 1;
    while (same < seen && bytes[at + same] === mark[same]) same += 1;
    if (same === seen) return at;
  }
  return -1;
}

/** The parts joined to one; the part itself where there is only one. */
export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const filled = parts.filter((part) => part.length > 0);
  const [only] = filled;
  if (filled.length <= 1) return only ?? new Uint8Array();
  const all = new Uint8Array(filled.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of filled) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** The host's words as far as they make sense. */
export function hostWords(raw: Readonly<Record<string, unknown>>): HostWords {
  const { guard, challenge, leftSeconds, ftp } = raw;
  const engagement = engagementWords(raw.engagement);
  return {
    ...(engagement === undefined ? {} : { engagement }),
    ...(typeof guard === 'string' ? { guard } : {}),
    ...(typeof ftp === 'string' && /^[0-9a-f]{32}$/.test(ftp) ? { ftp } : {}),
    ...(typeof leftSeconds === 'number' && leftSeconds >= 0 ? { leftSeconds } : {}),
    ...(typeof challenge === 'string' && markOf(challenge) !== undefined ? { challenge } : {}),
  };
}

function engagementWords(raw: unknown): EngagementWords | undefined {
  if (typeof raw !== 'object' || raw === null) return undefined;
  const { id, state, contract, by } = raw as Readonly<Record<string, unknown>>;
  if (typeof id !== 'string' || typeof contract !== 'string' || typeof by !== 'string') return undefined;
  if (!/^ses_[0-9a-f]{32}$/.test(id) || !/^[0-9a-f]{64}$/.test(contract) || by.length > 512) return undefined;
  // A state that nobody here knows is no word for having none.
  if (state === undefined) return { id, contract, by };
  return isEngagementState(state) ? { id, contract, by, state } : undefined;
}

/** A dialler's proof; undefined where it gave none. */
export function callerProof(raw: Readonly<Record<string, unknown>>): CallerProof | undefined {
  const { chain, signature } = raw;
  return typeof chain === 'string' && typeof signature === 'string' ? { chain, signature } : undefined;
}

function parse(json: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json));
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
