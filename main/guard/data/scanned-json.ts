/** A document that is read and looked through in one, as its bytes come. Pure. */
import { JsonReader, type JsonReading } from '../json/json-reader.ts';
import type { DocumentScan, FoundPlace } from './document-scan.ts';

/** A reading, and what was found in it. */
export interface ScannedReading {
  readonly json: JsonReading;
  readonly found: readonly FoundPlace[];
}

/** Reads one document, and scans it where there is something to look for. */
export class ScannedJson {
  readonly #scan: DocumentScan | undefined;
  readonly #reader: JsonReader;

  /** Without a scan nothing is found. */
  constructor(scan: DocumentScan | undefined, options: { readonly places?: boolean } = {}) {
    this.#scan = scan;
    this.#reader = new JsonReader({ ...options, watch: scan });
  }

  /** Nothing has come yet but blanks. */
  get blank(): boolean {
    return this.#reader.blank;
  }

  push(bytes: Uint8Array): void {
    this.#reader.push(bytes);
  }

  /** The document is complete. Once. */
  end(): ScannedReading {
    const json = this.#reader.end();
    return { json, found: json.kind === 'json' ? (this.#scan?.end() ?? []) : [] };
  }
}
