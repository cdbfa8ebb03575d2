/** A contract's words on data, held against a part of a message: found, counted with its places, replaced or refused. Pure. */
import {
  actionFor,
  dataGroups,
  foundClasses,
  ownClasses,
  type DataAction,
  type DataRules,
  type FoundClass,
} from '../../base/engagement/data.ts';
import { compileGlob, type Glob } from '../../base/glob.ts';
import { DocumentScan, type FoundPlace } from './document-scan.ts';
import type { DataDetectors, DataFound, Detector } from './found.ts';
import { innerTexts, type InnerText } from './inner-texts.ts';
import { compilePath, type PlacedValue } from './json-path.ts';
import type { KeptSecrets } from './kept-secrets.ts';
import { Places } from './places.ts';
import { markerOf, Redaction } from './redact.ts';
import { writeJson } from '../json/write-json.ts';

/** What came of looking at a part of a message. */
export interface Inspection {
  readonly found: readonly DataFound[];
  /** What refuses it; nothing was changed then. */
  readonly refused: DataFound | undefined;
  /** The part was changed in its place: what goes on has to be written anew. */
  readonly changed: boolean;
  /** A copy of the part, or of something in it, as a record may hold it. */
  shown(value: unknown): unknown;
}

/** A part of a message that is looked at. */
export interface Inspected {
  /** `params` or `result` of a message. */
  readonly part: unknown;
  readonly in: 'arguments' | 'result';
  /** The tool, prompt or resource that was called; `unsure`: one was, and nobody can tell which. */
  readonly thing?: string | undefined;
  readonly unsure?: boolean;
  /** What fields are counted from, beside texts of the part that are JSON. */
  readonly root?: unknown;
  /** There is nobody to refuse it to: what would be refused is replaced. */
  readonly unrefusable?: boolean;
}

interface OwnClass {
  readonly name: string;
  readonly action: DataAction;
  readonly tools: readonly Glob[] | undefined;
  /** All of a result is of this class. */
  readonly whole: boolean;
  readonly paths: readonly ((root: unknown) => readonly PlacedValue[])[];
}

/** Places that are told of one class. */
const maxPlaces = 8;

/** `data` of a contract, compiled once for a session. */
export class CompiledDataRules {
  readonly #rules: DataRules;
  /** Finds what the contract speaks of. */
  readonly detect: Detector;
  readonly #own: readonly OwnClass[];

  constructor(rules: DataRules, detectors: DataDetectors, kept: KeptSecrets | undefined) {
    this.#rules = rules;
    this.#own = ownClasses(rules).map(([name, { action, fields = ['$'], tools }]) => ({
      name,
      action,
      tools: tools?.map((glob) => compileGlob(glob)),
      whole: fields.includes('$'),
      paths: fields.filter((path) => path !== '$').map(compilePath),
    }));
    const asksFor = (group: keyof typeof foundClasses): boolean =>
      foundClasses[group].some((name) => actionFor(rules, name) !== undefined);
    const looks: Detector[] = [
      ...(asksFor('secrets') ? [detectors.secrets] : []),
      ...(asksFor('personal') ? [detectors.personal] : []),
      ...(asksFor('injection') ? [detectors.injection] : []),
      (text) => (kept?.placesIn(text) ?? []).map((place) => ({ name: 'kept-secret', ...place })),
    ];
    this.detect = (text) =>
      looks.flatMap((look) => look(text)).filter(({ name }) => actionFor(rules, name) !== undefined);
  }

  /** For a reader of one document. */
  scan(): DocumentScan {
    return new DocumentScan(this.detect);
  }

  /** Something is replaced or refused: what cannot be looked through must not pass. */
  get binds(): boolean {
    const groups = dataGroups.flatMap((group) => foundClasses[group]).map((name) => actionFor(this.#rules, name));
    const actions = [...groups, ...this.#own.map((one) => one.action)];
    return actions.some((action) => action !== undefined && action !== 'record');
  }

  /** Look at one part of a document with what its scan found. What is to be replaced is replaced in the document. */
  inspect(asked: Inspected, scanned: readonly FoundPlace[]): Inspection {
    const { part, thing, unsure = false } = asked;
    const own = this.#own.filter(
      ({ tools }) =>
        tools === undefined || unsure || (thing !== undefined && tools.some((glob) => glob.matches(thing))),
    );
    const isResult = asked.in === 'result';
    const whole = isResult && (thing !== undefined || unsure) ? own.filter((one) => one.whole) : [];
    const inner = isResult && own.some(({ paths }) => paths.length > 0) ? innerTexts(part) : [];
    const fields = own.flatMap(({ name, paths }) => fieldsIn(asked.root, name, paths));
    if (scanned.length + fields.length + whole.length + inner.length === 0) return nothingFound;
    const places = new Places(part);
    const here = [...scanned, ...fields].filter((found) => places.has(found));
    const within = inner
      .map((text) => ({ text, found: fieldsOfText(text, own) }))
      .filter(({ found }) => found.length > 0);
    const actionOf = (name: string): DataAction => {
      const action = this.actionOf(name);
      return action === 'refuse' && asked.unrefusable === true ? 'redact' : action;
    };
    const tally = new Tally(asked.in, actionOf);
    for (const found of here) tally.add(found.name, places.of(found));
    for (const { text, found } of within) for (const { name } of found) tally.add(name, places.of(text));
    for (const { name } of whole) tally.add(name, '$');
    const found = tally.all();
    const refused = found.find(({ action }) => action === 'refuse');
    const redaction = new Redaction(here, ({ name }) => actionOf(name) === 'redact');
    let changed = false;
    if (refused === undefined) {
      const sent = within.map(({ text, found: fieldsFound }) => ({
        text,
        marks: fieldsFound.filter(({ name }) => actionOf(name) === 'redact'),
      }));
      changed = redaction.apply();
      for (const { text, marks } of sent) if (marks.length > 0) changed = this.#rewrite(text, marks) || changed;
    }
    return { found, refused, changed, shown: (value) => redaction.shown(value) };
  }

  /** Write a text that is JSON anew without what its fields held; it is looked through once more, for it is another text now. */
  #rewrite(text: InnerText, marks: readonly FoundPlace[]): boolean {
    let written: string;
    if (text.value === undefined) written = markerOf(marks[0]?.name ?? 'data');
    else {
      new Redaction(marks, () => true).apply();
      written = writeJson(text.value);
    }
    const holder = { text: written };
    const scan = this.scan();
    scan.text(holder, 'text', written, true);
    new Redaction(scan.end(), ({ name }) => this.actionOf(name) !== 'record').apply();
    (text.within as Record<string | number, unknown>)[text.key] = holder.text;
    return true;
  }

  /** A class of the contract's own has nothing to do with the kinds that are found. */
  actionOf(name: string): DataAction {
    const own = this.#own.find((one) => one.name === name)?.action;
    return own ?? actionFor(this.#rules, name as FoundClass) ?? 'record';
  }
}

const nothingFound: Inspection = { found: [], refused: undefined, changed: false, shown: (value) => value };

/** Counts what is found, class by class. */
class Tally {
  readonly #in: DataFound['in'];
  readonly #actionOf: (name: string) => DataAction;
  readonly #byClass = new Map<string, string[]>();

  constructor(where: DataFound['in'], actionOf: (name: string) => DataAction) {
    this.#in = where;
    this.#actionOf = actionOf;
  }

  add(name: string, path: string): void {
    const paths = this.#byClass.get(name) ?? [];
    this.#byClass.set(name, paths);
    paths.push(path);
  }

  all(): readonly DataFound[] {
    return [...this.#byClass].map(([name, paths]) => ({
      class: name,
      in: this.#in,
      action: this.#actionOf(name),
      count: paths.length,
      places: [...new Set(paths)].slice(0, maxPlaces),
    }));
  }
}

function fieldsIn(root: unknown, name: string, paths: OwnClass['paths']): readonly FoundPlace[] {
  return paths
    .flatMap((path) => path(root))
    .flatMap(({ within, key }) =>
      within === undefined || key === undefined ? [] : [{ within, key, inName: false, name, start: 0, end: Infinity }],
    );
}

/** A text that no strict reader takes, but some reader might, is all of every class that asks for fields. */
function fieldsOfText(text: InnerText, own: readonly OwnClass[]): readonly FoundPlace[] {
  const asking = own.filter(({ paths }) => paths.length > 0);
  if (text.value !== undefined) return asking.flatMap(({ name, paths }) => fieldsIn(text.value, name, paths));
  const { within, key } = text;
  return asking.map(({ name }) => ({ within, key, inName: false, name, start: 0, end: Infinity }));
}
