/** Reads `policy.d`: `*.cedar` rules and `*.yaml`, `*.yml`, `*.json` contracts, in the order of their names. All of it, or not at all. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { listIfThere } from '../../files/read-if-there.ts';
import type { LocalContract } from '../contract-book.ts';
import { parseCedarFile, type PolicyProblem } from './cedar-file.ts';
import { policySetOf, type Cedar, type LocalRule } from './cedar-rules.ts';
import { parseContractFile } from './contract-file.ts';

/** What `policy.d` holds, taken as a whole. */
export interface PolicyFiles {
  /** Names of the files read. */
  readonly files: readonly string[];
  readonly rules: readonly LocalRule[];
  readonly contracts: readonly LocalContract[];
  /** Empty where everything can be used. */
  readonly problems: readonly PolicyProblem[];
  /** Loaded where there are rules. */
  readonly cedar: Cedar | undefined;
}

/** A folder that does not exist holds no rules. Every other fault is a problem, never an exception. */
export async function readPolicyFiles(dir: string): Promise<PolicyFiles> {
  const files: string[] = [];
  const rules: LocalRule[] = [];
  const contracts: LocalContract[] = [];
  const problems: PolicyProblem[] = [];
  let cedar: Cedar | undefined;
  for (const file of await policyFileNames(dir, problems)) {
    const text = await readText(join(dir, file), file, problems);
    if (text === undefined) continue;
    files.push(file);
    if (file.endsWith('.cedar')) {
      cedar ??= await import('@cedar-policy/cedar-wasm/nodejs');
      const read = parseCedarFile(cedar, file, text);
      rules.push(...read.rules);
      problems.push(...read.problems);
    } else {
      const read = parseContractFile(file, text);
      contracts.push(...read.contracts);
      problems.push(...read.problems);
    }
  }
  problems.push(...doubled(rules));
  if (cedar !== undefined && problems.length === 0) problems.push(...setProblems(cedar, rules));
  return { files, rules, contracts, problems, cedar };
}

/** What `culvert policy check` says of a folder: `message` begins with `line:column`. */
export async function checkPolicies(dir: string): Promise<{
  readonly ok: boolean;
  readonly files: number;
  readonly rules: number;
  readonly errors: readonly { readonly file: string; readonly message: string }[];
}> {
  const read = await readPolicyFiles(dir);
  const errors = read.problems.map(({ file, line, column, message }) => ({
    file: `${file}:${line}:${column}`,
    message,
  }));
  return {
    ok: errors.length === 0,
    files: read.files.length,
    rules: read.rules.length + read.contracts.length,
    errors,
  };
}

async function policyFileNames(dir: string, problems: PolicyProblem[]): Promise<readonly string[]> {
  try {
    const names = await listIfThere(dir);
    return names.filter((name) => /^[^.].*\.(cedar|ya?ml|json)$/.test(name)).sort();
  } catch (error) {
    problems.push(unreadable(dir, error));
    return [];
  }
}

async function readText(path: string, file: string, problems: PolicyProblem[]): Promise<string | undefined> {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
  } catch (error) {
    problems.push(unreadable(file, error));
    return undefined;
  }
}

function unreadable(file: string, error: unknown): PolicyProblem {
  return { file, line: 1, column: 1, message: error instanceof Error ? error.message : String(error) };
}

/** What parses rule by rule must also stand as one set. */
function setProblems(cedar: Cedar, rules: readonly LocalRule[]): readonly PolicyProblem[] {
  const answer = cedar.checkParsePolicySet({ staticPolicies: policySetOf(rules) });
  if (answer.type === 'success') return [];
  const [first] = rules;
  const place = { file: first?.file ?? '*.cedar', line: first?.line ?? 1, column: 1 };
  return answer.errors.map((error) => ({ ...place, message: error.message }));
}

/** Two rules of one id could not be told apart in the record. */
function doubled(rules: readonly LocalRule[]): readonly PolicyProblem[] {
  const first = new Map<string, LocalRule>();
  return rules.flatMap((rule) => {
    const other = first.get(rule.id);
    if (other === undefined) {
      first.set(rule.id, rule);
      return [];
    }
    const message = `@id("${rule.id}") is taken by ${other.file}:${other.line}`;
    return [{ file: rule.file, line: rule.line, column: 1, message }];
  });
}
