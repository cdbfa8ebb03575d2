/** A support bundle: documents, blacked out, in one zip. Nothing goes in that did not pass the redactor. */
import { zipSync } from 'fflate';
import { reasonCodes } from '../../base/reason-codes.ts';
import type { BundleView } from '../../api/views.ts';
import { Redactor, type Redaction } from './redactor.ts';

/** What goes in: JSON by value, or lines, each of which is JSON or plain text. */
export type BundleDocument =
  { readonly name: string; readonly value: unknown } | { readonly name: string; readonly lines: readonly string[] };

/** The zip, and what went into it. */
export interface Bundle extends BundleView {
  readonly zip: Uint8Array;
}

/** Zip dates have no zone and two seconds' grain; the one true date stands in `about.json`. Source: APPNOTE.TXT 4.4.6. */
const zipEpoch = new Date(1980, 0, 1);

/** Redact and zip. The documents stay as they are. */
export function zipBundle(documents: readonly BundleDocument[], redaction: Redaction): Bundle {
  const parsed = documents.map((document) =>
    'lines' in document ? { name: document.name, lines: document.lines.map(parseLine) } : document,
  );
  const redactor = new Redactor(redaction, [...reasonCodes, ...ownEvents(parsed)]);
  for (const document of parsed) redactor.learn('lines' in document ? document.lines : document.value);
  const entries: { name: string; bytes: number; redactions: number }[] = [];
  const files: Record<string, Uint8Array> = {};
  for (const document of parsed) {
    redactor.takeCount();
    const text =
      'lines' in document
        ? document.lines.map((line) => `${shown(line, redactor)}\n`).join('')
        : `${JSON.stringify(redactor.value(document.value), undefined, 2)}\n`;
    const bytes = new TextEncoder().encode(text);
    entries.push({ name: document.name, bytes: bytes.length, redactions: redactor.takeCount() });
    files[document.name] = bytes;
  }
  return { entries, zip: zipSync(files, { level: 6, mtime: zipEpoch }) };
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    // Not JSON: taken as text.
    return line;
  }
}

function shown(line: unknown, redactor: Redactor): string {
  return typeof line === 'string' ? redactor.text(line) : JSON.stringify(redactor.value(line));
}

/** Names of log events and kinds of audit records look like host names and are none. */
function* ownEvents(documents: readonly ({ lines: readonly unknown[] } | { value: unknown })[]): Generator<string> {
  for (const document of documents) {
    if (!('lines' in document)) continue;
    for (const line of document.lines) {
      if (typeof line !== 'object' || line === null) continue;
      const { event, kind } = line as { event?: unknown; kind?: unknown };
      for (const word of [event, kind]) if (typeof word === 'string' && /^[a-z_]+(\.[a-z_]+)+$/.test(word)) yield word;
    }
  }
}
