/**
 * Rules say `principal == User::"alice"` and mean whoever Alice runs. Since the one who asks is known by its most exact name, and its
 * other names are parents, equality with a name becomes membership under it, and `is` asks whether such a name is known at all.
 * The same holds for a tool and its service. Pure: Cedar's JSON in, Cedar's JSON out.
 */
import type { Clause, Expr, PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';

type Subject = 'principal' | 'resource';

/** The attribute that is filled where the one who asks has a name of this type. Devices are always known. */
const namedBy: Readonly<Record<string, string | undefined>> = { Agent: 'agent', Program: 'path', User: 'user' };

/** The same rule with tests for identity turned into tests for membership; its input stays as it is. */
export function normalizePolicy(policy: PolicyJson): PolicyJson {
  const clauses: Clause[] = [];
  const scoped = { ...policy };
  for (const subject of ['principal', 'resource'] as const) {
    const scope = policy[subject];
    if (scope.op === '==' && 'entity' in scope) scoped[subject] = { op: 'in', entity: scope.entity };
    if (scope.op === 'is') {
      const within = scope.in === undefined ? { op: 'All' as const } : { op: 'in' as const, ...scope.in };
      scoped[subject] = within;
      clauses.push({ kind: 'when', body: isNamed(subject, scope.entity_type) });
    }
  }
  const conditions = policy.conditions.map((clause) => ({ ...clause, body: rewrite(clause.body) as Expr }));
  return { ...scoped, conditions: [...clauses, ...conditions] };
}

function rewrite(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(rewrite);
  if (typeof node !== 'object' || node === null) return node;
  const entries = Object.entries(node);
  const [first] = entries;
  if (entries.length === 1 && first !== undefined) {
    const [operator, operand] = first;
    // A literal is data, whatever it looks like.
    if (operator === 'Value') return node;
    const changed = rewriteOperator(operator, operand);
    if (changed !== undefined) return changed;
  }
  return Object.fromEntries(entries.map(([key, value]) => [key, rewrite(value)]));
}

function rewriteOperator(operator: string, operand: unknown): unknown {
  if (typeof operand !== 'object' || operand === null) return undefined;
  const { left, right } = operand as { left?: unknown; right?: unknown };
  if (operator === '==' || operator === '!=') {
    const [subject, name] = subjectOf(left) === undefined ? [right, left] : [left, right];
    if (subjectOf(subject) === undefined || !isEntity(name)) return undefined;
    const member = { in: { left: subject, right: name } };
    return operator === '==' ? member : { '!': { arg: member } };
  }
  if (operator === 'contains' && subjectOf(right) !== undefined) return { in: { left: right, right: left } };
  if (operator === 'is') {
    const subject = subjectOf(left);
    const { entity_type: type, in: within } = operand as { entity_type: string; in?: Expr };
    if (subject === undefined) return undefined;
    const named = isNamed(subject, type);
    return within === undefined ? named : { '&&': { left: named, right: { in: { left, right: within } } } };
  }
  return undefined;
}

function isNamed(subject: Subject, type: string): Expr {
  const attribute = namedBy[type];
  if (subject === 'principal' && attribute !== undefined) {
    return { '!=': { left: { '.': { left: { Var: subject }, attr: attribute } }, right: { Value: '' } } };
  }
  if (subject === 'principal' && type === 'Device') return { Value: true };
  return { is: { left: { Var: subject }, entity_type: type } };
}

function subjectOf(node: unknown): Subject | undefined {
  const name = (node as { Var?: unknown } | null)?.Var;
  return name === 'principal' || name === 'resource' ? name : undefined;
}

function isEntity(node: unknown): boolean {
  const value = (node as { Value?: unknown } | null)?.Value;
  return typeof value === 'object' && value !== null && '__entity' in value;
}
