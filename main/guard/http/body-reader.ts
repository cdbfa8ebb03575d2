/** Bodies in which a model may be named: JSON is read and written anew, everything else is kept as it came. Pure. */
import { HeldBytes, textOf } from '../bytes.ts';
import { JsonReader } from '../json/json-reader.ts';
import { fieldOf, mediaTypeOf, type RequestHead } from './head.ts';

/** A body that was read, or kept, or why neither. */
export type BodyReading =
  | {
      readonly kind: 'read';
      readonly value: unknown;
      readonly written: readonly Uint8Array[];
      readonly contentType: string;
      /** As it came. */
      readonly bytes: number;
    }
  | {
      readonly kind: 'fault';
      readonly why: string;
      /** It says that it is JSON. */
      readonly json: boolean;
      readonly written: readonly Uint8Array[];
      readonly bytes: number;
    }
  /** JSON that says it is something else. */
  | { readonly kind: 'misnamed' };

/** Reads one body. */
export interface BodyReader {
  push(payload: Uint8Array): void;
  end(): BodyReading;
}

/** The reader for the body that this head announces. */
export function bodyReaderFor(head: RequestHead): BodyReader {
  const type = mediaTypeOf(head);
  const coding = fieldOf(head, 'content-encoding');
  let bytes = 0;
  if (coding !== undefined && coding !== 'identity') {
    return {
      push: (payload) => void (bytes += payload.length),
      end: () => ({ kind: 'fault', why: `it comes in ${coding}`, json: true, written: [], bytes }),
    };
  }
  if (type === undefined || type.endsWith('json')) {
    const reader = new JsonReader();
    return {
      push(payload) {
        bytes += payload.length;
        reader.push(payload);
      },
      end() {
        const read = reader.end();
        if (read.kind === 'fault') return { kind: 'fault', why: read.why, json: true, written: [], bytes };
        return {
          kind: 'read',
          value: read.value,
          written: read.written,
          contentType: type ?? 'application/json',
          bytes,
        };
      },
    };
  }
  const raw = new HeldBytes();
  return {
    push: (payload) => raw.push(payload),
    end() {
      const parts = raw.parts();
      const start = textOf([firstBytes(parts)]) ?? '';
      if (/^[\s\0-\x1f\ufeff]*[[{]/.test(start)) return { kind: 'misnamed' };
      return { kind: 'fault', why: `${type} is no JSON`, json: false, written: parts, bytes: raw.length };
    },
  };
}

/** Enough of it to see how it begins; whole characters where it is ASCII there. */
function firstBytes(parts: readonly Uint8Array[]): Uint8Array {
  const first = parts[0] ?? new Uint8Array(0);
  const end = first.findIndex((byte) => byte === 0x7b || byte === 0x5b);
  return first.subarray(0, Math.min(end < 0 ? 64 : end + 1, 64));
}
