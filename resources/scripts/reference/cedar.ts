/** The vocabulary of local rules. */
import { checkParsePolicySet, schemaToJson, validate } from '@cedar-policy/cedar-wasm/nodejs';
import { localSchema } from '../../../main/policy/local/schema.ts';
import { fenced, table, type Page } from './page.ts';

const example = `
@id("agents-stay-out-of-the-plant")
@reason("agents do not talk to machines")
forbid (principal is Agent, action == Action::"dial", resource in Workgroup::"plant");

@id("night-shift-reads-only")
@reason("nobody writes at night")
forbid (principal, action == Action::"writeRegister", resource)
when { context.hour >= 22 || context.hour < 6 };

@id("refunds-need-a-fresh-second-factor")
@reason("refunds need a second factor of the last ten minutes")
@next("culvert identity mfa verify NAME")
forbid (principal, action == Action::"callTool", resource == Tool::"refund")
when { !context.mfaVerified || context.mfaAgeSeconds > 600 };
`;

/** Attributes of a record in Cedar's JSON form of a schema. */
type Attributes = Readonly<
  Record<
    string,
    {
      readonly type?: string;
      readonly name?: string;
      readonly element?: { readonly name?: string };
      readonly annotations?: Annotations;
    }
  >
>;
type Annotations = Readonly<Record<string, string>>;
interface Namespace {
  readonly commonTypes: Readonly<Record<string, { readonly attributes: Attributes }>>;
  readonly entityTypes: Readonly<
    Record<
      string,
      {
        readonly memberOfTypes?: readonly string[];
        readonly shape?: { readonly attributes: Attributes };
        readonly annotations?: Annotations;
      }
    >
  >;
  readonly actions: Readonly<
    Record<
      string,
      {
        readonly appliesTo: { readonly principalTypes: readonly string[]; readonly resourceTypes: readonly string[] };
        readonly annotations?: Annotations;
      }
    >
  >;
}

/** Entities, actions and context of the rules in `policy.d`. */
export function cedarPage(): Page {
  requireGood();
  const { commonTypes, entityTypes, actions } = vocabulary();
  const entities = Object.entries(entityTypes).map(([name, { memberOfTypes = [], annotations }]) => [
    `\`${name}\``,
    said(name, annotations),
    memberOfTypes.map((type) => `\`${type}\``).join(', ') || '–',
  ]);
  const verbs = Object.entries(actions).map(([name, { appliesTo, annotations }]) => [
    `\`Action::"${name}"\``,
    said(name, annotations),
    appliesTo.principalTypes.map((type) => `\`${type}\``).join(', '),
    appliesTo.resourceTypes.map((type) => `\`${type}\``).join(', '),
  ]);
  const common = commonTypes['AuthorizationContext']?.attributes ?? {};
  const ofCalls = Object.fromEntries(
    Object.entries(commonTypes['CallContext']?.attributes ?? {}).filter(([name]) => !Object.hasOwn(common, name)),
  );
  return {
    file: 'cedar.md',
    title: 'Local rules (`policy.d/*.cedar`)',
    about: 'entities, actions and context that rules of this device can name',
    sources: ['main/policy/local/schema.ts'],
    body: `
Rules in [Cedar](https://www.cedarpolicy.com) narrow what the controller grants on this device; they never widen it. A \`forbid\` takes something away. As soon as one \`permit\` speaks of
an action, that action is permitted only where some \`permit\` says so. A rule that fails while it is evaluated refuses. Names and attributes that do not exist are
errors when the file is read: \`culvert policy check\` names them with line and column, and \`culvert policy reload\` puts the rules in force.

${fenced('cedar', example)}

\`@id\` is the name that refusals and the record give the rule, \`@reason\` the sentence that the refused person reads, \`@next\` what to do about it.

## Entities

Whoever asks is known by its most exact name; its other names are its parents. \`principal == User::"alice"\` therefore means whatever Alice runs, agents included.

${table(['entity', 'what it is', 'may be in'], entities)}

### Attributes of \`principal\`

${attributes(entityTypes['Agent']?.shape?.attributes ?? {})}

### Attributes of \`resource\`

${attributes(entityTypes['Service']?.shape?.attributes ?? {})}

## Actions

${table(['action', 'asks', 'principal', 'resource'], verbs)}

## Context

${attributes(common)}

Calls of MCP (\`callTool\`, \`readResource\`) and writes of registers have more of it:

${attributes(ofCalls)}

[\`resources/policy\`](../../policy) has rules over calls to begin with. An argument is asked for as \`context.arguments.hasTag("to") && context.arguments.getTag("to") like "*@example.org"\`; written with
\`unless\`, so that one which is missing does not open the rule.
`,
  };
}

function attributes(all: Attributes): string {
  const rows = Object.entries(all)
    .sort(([a], [b]) => order.indexOf(a) - order.indexOf(b))
    .map(([name, { type, name: named, element, annotations }]) => [
      `\`${name}\``,
      element === undefined ? (named ?? type ?? '') : `Set of ${element.name ?? ''}`,
      said(name, annotations),
    ]);
  return table(['attribute', 'type', 'meaning'], rows);
}

/** Cedar gives attributes back by the alphabet; people find them in the order of the source. */
const order = [...localSchema.matchAll(/(\w+): (?:String|Long|Bool|Set|Arguments)/g)].map(([, name = '']) => name);

function said(name: string, annotations: Annotations | undefined): string {
  const doc = annotations?.['doc'];
  if (doc === undefined) throw new Error(`say in the Cedar schema what ${name} is: @doc("…")`);
  return doc;
}

function vocabulary(): Namespace {
  const answer = schemaToJson(localSchema);
  if (answer.type === 'failure') throw new Error(answer.errors.map(({ message }) => message).join('; '));
  return answer.json[''] as unknown as Namespace;
}

/** An example that is refused must not be printed. */
function requireGood(): void {
  const parsed = checkParsePolicySet({ staticPolicies: example });
  const valid = validate({ schema: localSchema, policies: { staticPolicies: example } });
  const wrong = valid.type === 'failure' ? valid.errors : valid.validationErrors;
  if (parsed.type === 'failure' || wrong.length > 0) throw new Error(`the example is wrong: ${JSON.stringify(wrong)}`);
}
