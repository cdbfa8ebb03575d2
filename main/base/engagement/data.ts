/** What becomes of data that must not leave, or come, by a call: secrets, personal data, and classes of one's own. */
import * as v from 'valibot';
import { globs, terms } from './terms.ts';

/** From the mildest on. `record`: counted with its places; `redact`: replaced in what goes on; `refuse`: the call is refused. */
export const dataActions = ['record', 'redact', 'refuse'] as const;
/** A member of {@link dataActions}. */
export type DataAction = (typeof dataActions)[number];

/** What is found without being told where it stands, by the field that speaks of all of its kind. */
export const foundClasses = {
  secrets: ['access-token', 'private-key', 'connection-string', 'kept-secret'],
  personal: ['email', 'phone', 'payment-card', 'iban', 'national-id'],
  injection: ['prompt-injection'],
} as const;
/** A class of data that Culvert finds by itself. */
export type FoundClass = (typeof foundClasses)[keyof typeof foundClasses][number];

/** The field that speaks of a kind of found classes. */
export type DataGroup = keyof typeof foundClasses;
/** All of them, in the order they are told. */
export const dataGroups: readonly DataGroup[] = ['secrets', 'personal', 'injection'];

const known: readonly string[] = dataGroups.flatMap((group) => foundClasses[group]);
const isFoundClass = (name: string): boolean => known.includes(name);

/** The field that speaks of this class; undefined for a class of one's own. */
export function groupOf(name: string): DataGroup | undefined {
  return dataGroups.find((group) => (foundClasses[group] as readonly string[]).includes(name));
}

const action = v.picklist(dataActions);

/** `$.patient.ssn`, `$.rows[*].note`, `$..password`, `$['a b']`, `$`. */
const pathPattern = /^\$(?:(?:\.\.?(?:\*|[A-Za-z_][\w-]*))|\[(?:\*|\d{1,6}|'[^'\\]{1,256}')\])*$/;
const path = v.pipe(v.string(), v.regex(pathPattern, 'expected a path as $.name, $.list[*].name, $..name'));

const ownClass = v.pipe(
  terms({
    /** What becomes of it. */
    action,
    /** Where it stands: in the arguments of a call, in the structured part of its result, in a text of it that is JSON. Default `$`: all of a result. */
    fields: v.optional(v.pipe(v.array(path), v.minLength(1), v.readonly())),
    /** Globs over the tools, prompts and resources (by URI) whose calls are meant. Default: all. */
    tools: v.optional(globs),
  }),
  v.check(
    ({ action: asked, fields = ['$'] }) => asked !== 'redact' || !fields.includes('$'),
    'redact wants fields below $: with all of it replaced it would be no call',
  ),
);

const classes = v.pipe(
  v.custom<object>((raw) => typeof raw === 'object' && raw !== null && !Array.isArray(raw), 'expected an object'),
  v.record(
    v.pipe(v.string(), v.regex(/^[a-z][a-z0-9-]{0,63}$/, 'expected a name of lower case')),
    v.union([action, ownClass]),
  ),
  v.check(
    (given) => Object.entries(given).every(([name, said]) => isFoundClass(name) === (typeof said === 'string')),
    `expected an action for one of ${known.join(', ')}; a class of another name is { action, fields, tools }`,
  ),
);

/** Terms that have what is said in calls looked through. They stand beside `mcp` or `http`. */
export const data = terms({
  /** Keys, tokens and passwords in the forms their issuers gave them, and the values Culvert itself keeps. */
  secrets: v.optional(action),
  /** E-mail addresses, international phone numbers, payment cards, IBANs, national identifiers with a checksum. */
  personal: v.optional(action),
  /** Text that gives a model orders in its user's place, by form: what it finds raises the program's risk as well. */
  injection: v.optional(action),
  /** An action for each of the above, or by class; here a class has the last word. */
  classes: v.optional(v.union([action, classes])),
});

/** The parsed `data` part of a contract. */
export type DataRules = Readonly<v.InferOutput<typeof data>>;
/** A class of data that a contract describes itself. */
export type OwnDataClass = Exclude<Exclude<NonNullable<DataRules['classes']>, string>[string], string>;

/** What a contract says of one class that is found; undefined: it is not looked for. */
export function actionFor(rules: DataRules, name: FoundClass): DataAction | undefined {
  const { classes: said } = rules;
  const group = groupOf(name);
  // One action for all classes means data; orders to a model are asked for by their own field.
  const own = typeof said === 'object' ? said[name] : group === 'injection' ? undefined : said;
  return typeof own === 'string' ? own : group && rules[group];
}

/** Classes that stand where the contract says. */
export function ownClasses(rules: DataRules): readonly (readonly [name: string, own: OwnDataClass])[] {
  const { classes: said } = rules;
  if (typeof said !== 'object') return [];
  return Object.entries(said).flatMap(([name, own]) => (typeof own === 'string' ? [] : [[name, own] as const]));
}

/** The one of two that lets less through; undefined where neither says anything. */
export function stricterAction(a: DataAction | undefined, b: DataAction | undefined): DataAction | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return dataActions.indexOf(a) > dataActions.indexOf(b) ? a : b;
}
