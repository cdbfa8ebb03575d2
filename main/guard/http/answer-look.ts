/** What a contract says of data, applied to one question to a model and its answer. Pure. */
import { HeldBytes, textOf, utf8 } from '../bytes.ts';
import { dataObjection, type DataObjection } from '../data/data-refusal.ts';
import type { CompiledDataRules } from '../data/data-rules.ts';
import type { DataFound } from '../data/found.ts';
import { ScannedJson, type ScannedReading } from '../data/scanned-json.ts';
import { writeJson } from '../json/write-json.ts';
import type { BodyReading } from './body-reader.ts';
import { ContentKind } from './content-kind.ts';
import { fieldOf, mediaTypeOf, unreadableAnswer, type ResponseHead } from './head.ts';
import type { AnswerPlan } from './plans.ts';
import { refusalAnswer } from './refusal.ts';
import { shownPath } from './target.ts';
import { StreamLook } from './stream-look.ts';
import type { TokenReader } from './token-reader.ts';

/** The largest answer that is looked through; a larger one is withheld. */
const maxAnswerBytes = 32 * 1024 * 1024;
/** Nothing is looked for in what is of these types indeed. */
const noText = /^(?:audio|image|video|font)\/|^application\/octet-stream$/;

type Tap = (payload: Uint8Array) => void;

/** A question that was looked through. */
export interface LookedBody {
  readonly found: readonly DataFound[];
  readonly refused: DataObjection | undefined;
  /** Undefined: as it came. */
  readonly written: readonly Uint8Array[] | undefined;
}

/** Look through a body that was read; one that cannot be is refused where something might be withheld. */
export function lookThrough(
  rules: CompiledDataRules,
  body: Exclude<BodyReading, { kind: 'misnamed' }>,
  target: string,
): LookedBody {
  if (body.kind === 'fault') {
    const why = `a body that cannot be looked through (${body.why}) does not pass where the contract withholds data`;
    const refused = rules.binds && body.size.bytes > 0 ? { rule: 'contract:data', why } : undefined;
    return { found: [], refused, written: undefined };
  }
  const { value } = body;
  const inspection = rules.inspect({ part: value, in: 'arguments', thing: shownPath(target), root: value }, body.found);
  return {
    found: inspection.found,
    refused: inspection.refused === undefined ? undefined : dataObjection(inspection.refused),
    written: inspection.changed ? [utf8(writeJson(value))] : undefined,
  };
}

/** Looks through one answer. */
export class AnswerLook {
  readonly #rules: CompiledDataRules;
  readonly #target: string;
  #stream: StreamLook | undefined;
  #found: readonly DataFound[] = [];
  #refused: DataObjection | undefined;

  constructor(rules: CompiledDataRules, target: string) {
    this.#rules = rules;
    this.#target = target;
  }

  /** Class by class. */
  get found(): readonly DataFound[] {
    return this.#stream?.found() ?? this.#found;
  }

  /** Why it, or the rest of it, did not go on. */
  get refused(): DataObjection | undefined {
    return this.#stream?.refused ?? this.#refused;
  }

  /** What is to be done with it; `reader` counts its tokens meanwhile. */
  plan(head: ResponseHead, reader: TokenReader): AnswerPlan {
    const stream = new StreamLook(this.#rules, shownPath(this.#target));
    const plan = reader.read(head, stream);
    if (reader.streams) {
      this.#stream = stream;
      return plan;
    }
    const type = mediaTypeOf(head) ?? '';
    const isNoText = noText.test(type);
    if (plan.kind !== 'pass' || (isNoText && !this.#rules.binds)) return plan;
    const unreadable = unreadableAnswer(head);
    if (unreadable !== undefined && this.#rules.binds) return { kind: 'withhold', reason: withheld(unreadable) };
    const isJson = type.endsWith('json') || fieldOf(head, 'content-type') === undefined;
    return isJson ? this.#heldJson(plan.tap) : this.#heldOther(isNoText, plan.tap);
  }

  #heldJson(tap: Tap | undefined): AnswerPlan {
    const json = new ScannedJson(this.#rules.scan());
    return {
      kind: 'hold',
      limitBytes: maxAnswerBytes,
      push(payload) {
        tap?.(payload);
        json.push(payload);
      },
      judge: () => this.#document(json.end()),
      tooLarge: () => withheld(`with more than ${maxAnswerBytes} bytes`),
    };
  }

  /** Whatever it says it is: JSON is looked through as JSON, and text as text. `mayPass`: what is neither goes on. */
  #heldOther(mayPass: boolean, tap: Tap | undefined): AnswerPlan {
    const content = new ContentKind();
    const passes = (): boolean => mayPass && content.isBinary;
    const raw = new HeldBytes();
    return {
      kind: 'hold',
      limitBytes: maxAnswerBytes,
      push(payload) {
        tap?.(payload);
        if (passes()) return;
        content.push(payload);
        raw.push(payload.slice());
      },
      passes,
      judge: () => {
        content.end();
        if (passes()) return 'as-is';
        const parts = raw.parts();
        if (!content.isJson) return this.#text(textOf(parts));
        const reader = new ScannedJson(this.#rules.scan());
        for (const part of parts) reader.push(part);
        const read = reader.end();
        // Text may begin like JSON; what says that it is no text has no such excuse.
        return read.json.kind === 'fault' && !mayPass ? this.#text(textOf(parts)) : this.#document(read);
      },
      tooLarge: () => withheld(`with more than ${maxAnswerBytes} bytes`),
    };
  }

  #document({ json, found }: ScannedReading): 'as-is' | Uint8Array | ReturnType<typeof refusalAnswer> {
    if (json.kind === 'fault') return this.#rules.binds ? this.#refuse(unread(json.why), 502) : 'as-is';
    const { value } = json;
    const inspection = this.#rules.inspect(
      { part: value, in: 'result', thing: shownPath(this.#target), root: value },
      found,
    );
    this.#found = inspection.found;
    if (inspection.refused !== undefined) return this.#refuse(dataObjection(inspection.refused), 403);
    return inspection.changed ? utf8(writeJson(value)) : 'as-is';
  }

  #text(text: string | undefined): 'as-is' | Uint8Array | ReturnType<typeof refusalAnswer> {
    if (text === undefined) return this.#rules.binds ? this.#refuse(unread('no UTF-8'), 502) : 'as-is';
    const part = { text };
    const scan = this.#rules.scan();
    scan.text(part, 'text', text, true);
    const inspection = this.#rules.inspect(
      { part, in: 'result', thing: shownPath(this.#target), root: part },
      scan.end(),
    );
    this.#found = inspection.found;
    if (inspection.refused !== undefined) return this.#refuse(dataObjection(inspection.refused), 403);
    return inspection.changed ? utf8(part.text) : 'as-is';
  }

  #refuse(objection: DataObjection, status: number): ReturnType<typeof refusalAnswer> {
    this.#refused = objection;
    return refusalAnswer({ status, ...objection, target: this.#target });
  }
}

function unread(what: string): DataObjection {
  return { rule: 'contract:data', why: `the answer cannot be looked through: ${what}` };
}

function withheld(what: string): {
  readonly code: 'guard.http.unparseable';
  readonly sentence: string;
  readonly rule: string;
} {
  const sentence = `the service answered ${what}, which cannot be looked through for the contract's data`;
  return { code: 'guard.http.unparseable', sentence, rule: 'contract:data' };
}
