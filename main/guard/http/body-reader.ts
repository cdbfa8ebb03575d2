/** Bodies in which a model may be named: JSON is read and written anew, everything else is kept as it came. Pure. */
import { HeldBytes, textOf } from '../bytes.ts';
import type { DocumentScan, FoundPlace } from '../data/document-scan.ts';
import { ScannedJson } from '../data/scanned-json.ts';
import { fieldOf, mediaTypeOf, type RequestHead } from './head.ts';
import { TokenEstimate } from './token-estimate.ts';

/** How much a body is, as it came. */
export interface BodySize {
  readonly bytes: number;
  /** Of its text, by estimate. */
  readonly tokens: number;
}

/** A body that was read, or kept, or why neither. */
export type BodyReading =
  | {
      readonly kind: 'read';
      readonly value: unknown;
      readonly written: readonly Uint8Array[];
      readonly contentType: string;
      readonly size: BodySize;
      /** Data in it, where it is looked through. */
      readonly found: readonly FoundPlace[];
    }
  | {
      readonly kind: 'fault';
      readonly why: string;
      /** It says that it is JSON. */
      readonly json: boolean;
      readonly written: readonly Uint8Array[];
      readonly size: BodySize;
    }
  /** JSON that says it is something else. */
  | { readonly kind: 'misnamed' };

/** Reads one body. */
export interface BodyReader {
  push(payload: Uint8Array): void;
  end(): BodyReading;
}

/** The reader for the body that this head announces; `scan` looks it through. */
export function bodyReaderFor(head: RequestHead, scan: DocumentScan | undefined): BodyReader {
  const type = mediaTypeOf(head);
  const coding = fieldOf(head, 'content-encoding');
  const estimate = new TokenEstimate();
  let bytes = 0;
  const count = (payload: Uint8Array): void => {
    bytes += payload.length;
    estimate.push(payload);
  };
  const size = (): BodySize => ({ bytes, tokens: estimate.tokens });
  if (coding !== undefined && coding !== 'identity') {
    return {
      push: count,
      end: () => ({ kind: 'fault', why: `it comes in ${coding}`, json: true, written: [], size: size() }),
    };
  }
  if (type === undefined || type.endsWith('json')) {
    const reader = new ScannedJson(scan);
    return {
      push(payload) {
        count(payload);
        reader.push(payload);
      },
      end() {
        const { json: read, found } = reader.end();
        if (read.kind === 'fault') return { kind: 'fault', why: read.why, json: true, written: [], size: size() };
        return {
          kind: 'read',
          value: read.value,
          written: read.written,
          contentType: type ?? 'application/json',
          size: size(),
          found,
        };
      },
    };
  }
  const raw = new HeldBytes();
  return {
    push(payload) {
      count(payload);
      raw.push(payload);
    },
    end() {
      const parts = raw.parts();
      const start = textOf([firstBytes(parts)]) ?? '';
      if (/^[\s\0-\x1f\ufeff]*[[{]/.test(start)) return { kind: 'misnamed' };
      return { kind: 'fault', why: `${type} is no JSON`, json: false, written: parts, size: size() };
    },
  };
}

/** Enough of it to see how it begins; whole characters where it is ASCII there. */
function firstBytes(parts: readonly Uint8Array[]): Uint8Array {
  const first = parts[0] ?? new Uint8Array(0);
  const end = first.findIndex((byte) => byte === 0x7b || byte === 0x5b);
  return first.subarray(0, Math.min(end < 0 ? 64 : end + 1, 64));
}
