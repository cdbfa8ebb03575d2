/**
 * Looks for data in a stream of a model's answer, across the pieces it comes in: each text of the answer is put together again, and an event is held
 * until what begins in it can be told. Pure.
 *
 * What is looked for is seen whole where it is no longer than `holdLength`, or has no blank in it, or is a key in its armour, up to `mostHeld`
 * characters. Where the contract only records, nothing is held.
 */
import type { DataAction } from '../../base/engagement/data.ts';
import { dataObjection, type DataObjection } from '../data/data-refusal.ts';
import type { CompiledDataRules } from '../data/data-rules.ts';
import type { DocumentScan } from '../data/document-scan.ts';
import type { DataFound, FoundText } from '../data/found.ts';
import { markerOf } from '../data/redact.ts';
import { streamedTexts, endedTexts, type StreamedText } from './streamed-texts.ts';

/** The longest of what is looked for that has blanks in it: an IBAN in groups, a phone number, an order to a model. */
const holdLength = 160;
/** More of one text is never held. */
const mostHeld = 4 * 1024;
/** A text is looked through again once so much more of it has come. */
const stepLength = 64;
/** What a window sees before its first own character. */
const contextLength = 64;
const armourEnd = '-----END ';

/** One event, line or message on its way. */
interface Held {
  readonly bytes: readonly Uint8Array[];
  readonly value: unknown;
  readonly write: ((value: unknown) => Uint8Array) | undefined;
  readonly pieces: Piece[];
  changed: boolean;
}

/** A text of an event, and where it stands in the whole text that it is a piece of. */
interface Piece extends StreamedText {
  readonly start: number;
  readonly end: number;
  readonly of: WholeText;
  readonly held: Held;
  /** What is replaced, in terms of the whole text. */
  readonly edits: { readonly start: number; readonly end: number; readonly marker: string }[];
}

/** One text of the answer, as far as it is still looked at. */
interface WholeText {
  window: string;
  /** Where the window begins. */
  base: number;
  end: number;
  /** What begins before it has been told. */
  told: number;
  /** Looked through so far. */
  seen: number;
  /** Where it was told to be at its end; what is found across that, once it goes on all the same, does not go on. */
  endedAt: number;
  pieces: Piece[];
}

/** Of one answer. */
export class StreamLook {
  readonly #rules: CompiledDataRules;
  readonly #thing: string;
  readonly #held: Held[] = [];
  readonly #texts = new Map<string, WholeText>();
  readonly #found = new Map<string, DataFound>();
  #refused: { readonly by: DataObjection; readonly from: Held } | undefined;

  /** `thing`: what was asked, as `tools` of a class name it. */
  constructor(rules: CompiledDataRules, thing: string) {
    this.#rules = rules;
    this.#thing = thing;
  }

  /** Class by class. */
  found(): readonly DataFound[] {
    return [...this.#found.values()];
  }

  /** What cannot be looked through must not pass. */
  get binds(): boolean {
    return this.#rules.binds;
  }

  /** The answer ends here, for this. */
  get refused(): DataObjection | undefined {
    return this.#refused?.by;
  }

  /** One event as it comes; `write` writes it anew, where that can be done. What goes on now. */
  take(
    bytes: readonly Uint8Array[],
    value: unknown,
    write: ((value: unknown) => Uint8Array) | undefined,
  ): readonly Uint8Array[] {
    if (this.#refused !== undefined) return [];
    const held: Held = { bytes, value, write, pieces: [], changed: false };
    const texts = streamedTexts(value);
    this.#alone(held, texts);
    this.#held.push(held);
    for (const text of texts) this.#add(held, text);
    for (const id of endedTexts(value, this.#texts.keys())) this.#end(id);
    return this.#release();
  }

  /** The stream is over: what was held. */
  end(): readonly Uint8Array[] {
    for (const id of [...this.#texts.keys()]) this.#end(id);
    this.#texts.clear();
    return this.#release();
  }

  /** What stands in this event and in no text that goes on in others. */
  #alone(held: Held, texts: readonly StreamedText[]): void {
    const { value } = held;
    if (typeof value !== 'object' || value === null) return;
    const scan = this.#rules.scan();
    readOut(value, scan);
    const places = scan
      .end()
      .filter(({ within, key }) => !texts.some((text) => text.within === within && text.key === key));
    const inspection = this.#rules.inspect({ part: value, in: 'result', thing: this.#thing, root: value }, places);
    for (const one of inspection.found) this.#tell(one.class, one.count, one.places);
    if (inspection.refused !== undefined) this.#refuse(inspection.refused, held);
    if (inspection.changed) this.#change(held, inspection.found[0]?.class ?? 'data');
  }

  #add(held: Held, text: StreamedText): void {
    const known = this.#texts.get(text.id);
    const of = known ?? { window: '', base: 0, end: 0, told: 0, seen: 0, endedAt: 0, pieces: [] };
    if (known === undefined) this.#texts.set(text.id, of);
    const piece: Piece = { ...text, start: of.end, end: of.end + text.text.length, of, held, edits: [] };
    of.window += text.text;
    of.end = piece.end;
    of.pieces.push(piece);
    held.pieces.push(piece);
    if (of.end - of.seen >= stepLength) this.#look(of, false);
  }

  #end(id: string): void {
    const of = this.#texts.get(id);
    if (of === undefined) return;
    this.#look(of, true);
  }

  /** Tell what begins where all of it must have come. */
  #look(of: WholeText, isAll: boolean): void {
    const until = isAll ? of.end : Math.max(of.told, of.end - heldLength(of.window));
    of.seen = of.end;
    let told = until;
    let met = of.told;
    for (const { name, start, end } of sorted(this.#rules.detect(of.window))) {
      const [from, to] = [of.base + start, of.base + end];
      // Two rules may find the same.
      const isAcross = from < of.endedAt && to > of.endedAt;
      if ((from < of.told && !isAcross) || from >= until || to <= met) continue;
      this.#meet(of, name, Math.max(from, met), to);
      met = to;
      told = Math.max(told, to);
    }
    of.told = isAll ? of.end : told;
    if (isAll) of.endedAt = of.end;
    const shown = of.told === of.endedAt ? heldLength(of.window) : contextLength;
    const kept = Math.max(of.base, of.told - shown);
    of.window = of.window.slice(kept - of.base);
    of.base = kept;
    of.pieces = of.pieces.filter((piece) => piece.end > of.told);
  }

  #meet(of: WholeText, name: string, from: number, to: number): void {
    const action: DataAction = this.#rules.actionOf(name);
    const touched = of.pieces.filter((piece) => piece.start < to && piece.end > from);
    const [first] = touched;
    this.#tell(name, 1, [first?.id ?? '$']);
    if (first === undefined || action === 'record') return;
    if (action === 'refuse') return this.#refuse(this.#found.get(name), first.held);
    for (const piece of touched) {
      piece.edits.push({
        start: Math.max(from, piece.start),
        end: Math.min(to, piece.end),
        marker: piece === first ? markerOf(name) : '',
      });
      this.#change(piece.held, name);
    }
  }

  /** What cannot be written anew does not go on. */
  #change(held: Held, name: string): void {
    held.changed = true;
    if (held.write === undefined) this.#refuse(this.#found.get(name), held);
  }

  #refuse(found: DataFound | undefined, from: Held): void {
    if (found !== undefined) this.#refused ??= { by: dataObjection({ ...found, action: 'refuse' }), from };
  }

  #tell(name: string, count: number, places: readonly string[]): void {
    const before = this.#found.get(name);
    this.#found.set(name, {
      class: name,
      in: 'result',
      action: this.#rules.actionOf(name),
      count: (before?.count ?? 0) + count,
      places: [...new Set([...(before?.places ?? []), ...places])].slice(0, 8),
    });
  }

  /** In their order; behind one that is held all wait. */
  #release(): readonly Uint8Array[] {
    const going: Uint8Array[] = [];
    for (let first = this.#held[0]; first !== undefined; first = this.#held[0]) {
      if (this.#refused?.from === first) return going;
      const isTold = first.pieces.every(({ end, of }) => end <= of.told);
      if (!isTold && this.#rules.binds && this.#refused === undefined) return going;
      if (!isTold && this.#refused !== undefined) return going;
      this.#held.shift();
      going.push(...written(first));
    }
    return going;
  }
}

function sorted(found: readonly FoundText[]): readonly FoundText[] {
  return [...found].sort((a, b) => a.start - b.start || b.end - a.end);
}

function written(held: Held): readonly Uint8Array[] {
  if (!held.changed || held.write === undefined) return held.bytes;
  for (const { within, key, text, start, edits } of held.pieces) {
    let put = '';
    let at = 0;
    for (const edit of [...edits].sort((a, b) => a.start - b.start)) {
      put += text.slice(at, edit.start - start) + edit.marker;
      at = edit.end - start;
    }
    within[key] = put + text.slice(at);
  }
  return [held.write(held.value)];
}

/** How much of the end of a text may be the beginning of something. */
function heldLength(text: string): number {
  const run = /[\x21-\x7e]*$/.exec(text)?.[0].length ?? 0;
  return Math.min(mostHeld, Math.max(holdLength, run, openArmour(text)));
}

/** Of a key in its armour that has not ended, how much is there. */
function openArmour(text: string): number {
  const begin = text.lastIndexOf('-----BEGIN ');
  if (begin < 0) return 0;
  const end = text.indexOf(armourEnd, begin);
  return end >= 0 && text.includes('-----', end + armourEnd.length) ? 0 : text.length - begin;
}

function readOut(value: unknown, scan: DocumentScan): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, field] of Object.entries(value)) {
    const at = Array.isArray(value) ? Number(key) : key;
    if (typeof at === 'string') scan.name(value, at);
    if (typeof field === 'string') scan.text(value, at, field, true);
    else readOut(field, scan);
  }
}
