/** One Cedar file: parsed, held to the vocabulary, each rule with its place. Pure but for the module it is given. */
import type { DetailedError, PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { Cedar, LocalRule } from './cedar-rules.ts';
import { normalizePolicy } from './normalize.ts';
import { localSchema } from './schema.ts';

/** What is wrong in a file, and where. Lines and columns count from 1. */
export interface PolicyProblem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** The rules of one file, and what is wrong with it. */
export interface CedarFile {
  readonly rules: readonly LocalRule[];
  readonly problems: readonly PolicyProblem[];
}

/** Parses one file and holds it to the vocabulary; faults are problems with line and column, never thrown. */
export function parseCedarFile(cedar: Cedar, file: string, text: string): CedarFile {
  const parsed = cedar.checkParsePolicySet({ staticPolicies: text });
  if (parsed.type === 'failure') {
    return { rules: [], problems: parsed.errors.map((error) => problemAt(file, text, 0, error)) };
  }
  const parts = cedar.policySetTextToParts(text);
  if (parts.type === 'failure') {
    return { rules: [], problems: parts.errors.map((error) => problemAt(file, text, 0, error)) };
  }
  const problems: PolicyProblem[] = parts.policy_templates.map((template) => ({
    file,
    ...placeOf(text, Math.max(0, text.indexOf(template))),
    message: 'a template (?principal, ?resource) is not a rule: name the principal and resource',
  }));
  const taken = new Set<number>();
  const rules: LocalRule[] = [];
  for (const part of parts.policies) {
    const offset = offsetOf(text, part, taken);
    problems.push(...vocabularyProblems(cedar, file, text, part, offset));
    const json = cedar.policyToJson(part);
    if (json.type === 'failure') problems.push(...json.errors.map((error) => problemAt(file, text, offset, error)));
    else if (hasUnsafeNumber(json.json)) {
      const message = `numbers in rules end at ±${Number.MAX_SAFE_INTEGER}`;
      problems.push({ file, ...placeOf(text, offset), message });
    } else rules.push(ruleOf(json.json, file, placeOf(text, offset).line, part));
  }
  rules.sort((left, right) => left.line - right.line);
  return { rules, problems };
}

function ruleOf(policy: PolicyJson, file: string, line: number, text: string): LocalRule {
  const named = policy.annotations?.id;
  const id = typeof named === 'string' && named !== '' ? named : `${file}:${line}`;
  return { id, file, line, effect: policy.effect, text, policy: normalizePolicy(policy) };
}

/** Cedar counts to 2^63, JSON on this platform to 2^53: what lies between would not be what was written. */
function hasUnsafeNumber(node: unknown): boolean {
  if (typeof node === 'number') return !Number.isSafeInteger(node);
  return typeof node === 'object' && node !== null && Object.values(node).some(hasUnsafeNumber);
}

/** Names and attributes that do not exist would be silently false when asked; here they are errors. */
function vocabularyProblems(
  cedar: Cedar,
  file: string,
  text: string,
  part: string,
  offset: number,
): readonly PolicyProblem[] {
  const answer = cedar.validate({ schema: localSchema, policies: { staticPolicies: { rule: part } } });
  const errors = answer.type === 'failure' ? answer.errors : answer.validationErrors.map(({ error }) => error);
  const seen = new Set<string>();
  return errors
    .map((error) => problemAt(file, text, offset, error))
    .filter((problem) => !seen.has(problem.message) && seen.add(problem.message));
}

function problemAt(file: string, text: string, offset: number, error: DetailedError): PolicyProblem {
  const [location] = error.sourceLocations ?? [];
  const hint = [location?.label, error.help].filter((part) => part !== null && part !== undefined).join('; ');
  const message = error.message
    .replace(/^failed to parse policies from string: /, '')
    .replace(/^for policy `rule`, /, '');
  return {
    file,
    ...placeOf(text, offset + charOffset(text.slice(offset), location?.start ?? 0)),
    message: hint === '' ? message : `${message} (${hint})`,
  };
}

/** The parser counts bytes, text counts UTF-16 units. */
function charOffset(text: string, byteOffset: number): number {
  const bytes = new TextEncoder().encode(text).subarray(0, byteOffset);
  return new TextDecoder().decode(bytes).length;
}

function placeOf(text: string, offset: number): { readonly line: number; readonly column: number } {
  const before = text.slice(0, offset);
  return { line: before.split('\n').length, column: offset - before.lastIndexOf('\n') };
}

/** The parts are slices of the text, in another order; equal ones take their places one after the other. */
function offsetOf(text: string, part: string, taken: Set<number>): number {
  let offset = text.indexOf(part);
  while (offset >= 0 && taken.has(offset)) offset = text.indexOf(part, offset + 1);
  if (offset < 0) return 0;
  taken.add(offset);
  return offset;
}
