/**
 * One file of local contracts, YAML or JSON:
 *
 *     contracts:
 *       - service: plc-*            # a name pattern, or a list of them
 *         contract: { maxDurationSeconds: 7200, modbus: { allow: read } }
 */
import * as v from 'valibot';
import { isCollection, LineCounter, parseDocument, type Document } from 'yaml';
import { parseEngagement } from '../../base/engagement.ts';
import { toTunnelerError } from '../../base/errors.ts';
import { compileGlob } from '../../base/glob.ts';
import type { LocalContract } from '../contract-book.ts';
import type { PolicyProblem } from './cedar-file.ts';

const pattern = v.pipe(v.string(), v.minLength(1));
const contractFile = v.strictObject({
  contracts: v.array(
    v.strictObject({
      service: v.union([pattern, v.pipe(v.array(pattern), v.minLength(1))]),
      contract: v.record(v.string(), v.unknown()),
    }),
  ),
});

type Path = readonly (string | number)[];

/** The contracts of one file, and what is wrong with it. */
export interface ContractFile {
  readonly contracts: readonly LocalContract[];
  readonly problems: readonly PolicyProblem[];
}

/** Parses one file of contracts; faults are problems with line and column, never thrown. */
export function parseContractFile(file: string, text: string): ContractFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, stringKeys: true });
  const failures = [...document.errors, ...document.warnings];
  if (failures.length > 0) {
    const problems = failures.map((failure) => ({
      file,
      line: failure.linePos?.[0].line ?? 1,
      column: failure.linePos?.[0].col ?? 1,
      message: failure.message.split('\n')[0] ?? failure.message,
    }));
    return { contracts: [], problems };
  }
  const at = (path: Path, message: string): PolicyProblem => ({ file, ...placeOf(document, lines, path), message });
  const parsed = v.safeParse(contractFile, document.toJS({ maxAliasCount: 20 }));
  if (!parsed.success) {
    const problems = parsed.issues.map((issue) => {
      const path = issue.path?.map((item) => item.key as string | number) ?? [];
      return at(path, `${path.join('.') || 'file'}: ${issue.message}`);
    });
    return { contracts: [], problems };
  }
  const contracts: LocalContract[] = [];
  const problems: PolicyProblem[] = [];
  parsed.output.contracts.forEach((entry, index) => {
    const services = [entry.service].flat();
    try {
      const contract = parseEngagement(entry.contract, services.join(', '));
      contracts.push({ origin: file, services: services.map((service) => compileGlob(service)), contract });
    } catch (error) {
      const failure = toTunnelerError(error);
      const issues = (failure.details.issues ?? []) as readonly { readonly path: string }[];
      const path = (issues[0]?.path ?? '').split('.').filter((key) => key !== '');
      problems.push(at(['contracts', index, 'contract', ...path], failure.message));
    }
  });
  return { contracts, problems };
}

/** Where in the file a path stands; the nearest ancestor that does where it stands nowhere. */
function placeOf(
  document: Document,
  lines: LineCounter,
  path: Path,
): { readonly line: number; readonly column: number } {
  for (let length = path.length; length > 0; length -= 1) {
    const part = path.slice(0, length).map((key) => (typeof key === 'string' && /^\d+$/.test(key) ? Number(key) : key));
    const parent = document.getIn(part.slice(0, -1), true);
    const last = part.at(-1);
    if (isCollection(parent)) {
      for (const item of parent.items) {
        const key = (item as { key?: { value?: unknown; range?: readonly number[] | null } }).key;
        const start = key?.value === last ? key?.range?.[0] : undefined;
        if (start !== undefined) return place(lines, start);
      }
    }
    const node = document.getIn(part, true) as { range?: readonly number[] | null } | undefined;
    const start = node?.range?.[0];
    if (start !== undefined) return place(lines, start);
  }
  return { line: 1, column: 1 };
}

function place(lines: LineCounter, offset: number): { readonly line: number; readonly column: number } {
  const { line, col } = lines.linePos(offset);
  return { line, column: col };
}
