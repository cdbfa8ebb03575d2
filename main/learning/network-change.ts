/**
 * A change at the controller, as a file says it (YAML or JSON): contracts as in `policy.d`, and beside them service policies, role attributes
 * and posture. Each entry replaces what is there by its name, in the fields that it gives.
 *
 *     contracts:  [{ service: "plc-*", contract: { modbus: { allow: read } } }]     # null: the service loses its contract
 *     policies:   [{ name: ops, type: Dial, identityRoles: ["#ops"], serviceRoles: ["@plc-1"] }, { name: old, remove: true }]
 *     identities: [{ name: ada, roleAttributes: [ops] }]
 *     services:   [{ name: plc-1, roleAttributes: [floor] }]
 *     posture:    [{ check: antivirus, passes: false }]
 */
import * as v from 'valibot';
import { parse } from 'yaml';
import { defined } from '../base/defined.ts';
import { parseEngagement } from '../base/engagement.ts';
import { TunnelerError } from '../base/errors.ts';
import { compileGlob } from '../base/glob.ts';
import type { Network, NetworkPolicy } from './network-model.ts';

const text = v.pipe(v.string(), v.minLength(1));
const texts = v.array(text);
const roles = v.optional(v.array(v.pipe(v.string(), v.regex(/^[#@]./, 'expected #ATTRIBUTE, #all or @NAME'))));
const attributes = v.strictObject({ name: text, roleAttributes: texts });
const changeFile = v.strictObject({
  contracts: v.optional(
    v.array(
      v.strictObject({
        service: v.union([text, v.pipe(texts, v.minLength(1))]),
        contract: v.nullable(v.record(v.string(), v.unknown())),
      }),
    ),
    [],
  ),
  policies: v.optional(
    v.array(
      v.strictObject({
        name: text,
        remove: v.optional(v.literal(true)),
        type: v.optional(v.picklist(['Dial', 'Bind'])),
        semantic: v.optional(v.picklist(['AnyOf', 'AllOf'])),
        identityRoles: roles,
        serviceRoles: roles,
        postureCheckRoles: roles,
      }),
    ),
    [],
  ),
  identities: v.optional(v.array(attributes), []),
  services: v.optional(v.array(attributes), []),
  posture: v.optional(v.array(v.strictObject({ check: text, passes: v.boolean() })), []),
});

/** What a file changes. */
export type NetworkChange = v.InferOutput<typeof changeFile>;

/** `service`: whose contract the file is, where it holds one contract and nothing else. Throws `base.invalid` and `contract.invalid`. */
export function parseNetworkChange(file: string, content: string, service?: string): NetworkChange {
  let read: unknown;
  try {
    read = parse(content, { maxAliasCount: 20 });
  } catch (error) {
    throw invalid(`${file} is neither JSON nor YAML: ${(error as Error).message.split('\n')[0] ?? ''}`, error);
  }
  const isAlone = typeof read === 'object' && read !== null && !('contracts' in read) && service !== undefined;
  const parsed = v.safeParse(changeFile, isAlone ? { contracts: [{ service, contract: read }] } : read);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw invalid(`${file}: ${v.getDotPath(issue) ?? 'file'}: ${issue.message}`);
  }
  for (const entry of parsed.output.contracts) {
    if (entry.contract !== null) parseEngagement(entry.contract, [entry.service].flat().join(', '));
  }
  const isEmpty = Object.values(parsed.output).every((list) => list.length === 0);
  if (isEmpty) throw invalid(`${file} changes nothing`);
  return parsed.output;
}

function invalid(message: string, cause?: unknown): TunnelerError {
  return new TunnelerError('base.invalid', message, {
    ...defined({ cause }),
    details: {
      next: 'a change has contracts, policies, identities, services or posture: culvert policy simulate --help',
    },
  });
}

/** What a file names and a network does not have. */
export interface Unmatched {
  readonly what: 'service' | 'identity' | 'posture check';
  /** As the file writes it: a name, or a pattern of names. */
  readonly name: string;
}

/** The network as it would be. What can be told of only by somebody else is in `unknown`, in words; what there is not is in `unmatched`. */
export function changeNetwork(
  network: Network,
  change: NetworkChange,
): { readonly network: Network; readonly unknown: readonly string[]; readonly unmatched: readonly Unmatched[] } {
  const unknown: string[] = [];
  const unmatched: Unmatched[] = [];
  const isNamed = (
    one: { readonly id: string; readonly name: string; readonly local?: string },
    wanted: string,
  ): boolean => one.name === wanted || one.id === wanted || one.local === wanted;
  const byController = (what: string): void => {
    if (!network.isWhole) unknown.push(`${what} is known to the controller alone (--management)`);
  };

  const identities = network.identities.map((one) => ({
    ...one,
    ...change.identities.find(({ name }) => isNamed(one, name)),
    name: one.name,
  }));
  const services = network.services.map((one) => {
    const contract = change.contracts.findLast(({ service }) =>
      [service].flat().some((pattern) => compileGlob(pattern).matches(one.name)),
    );
    return {
      ...one,
      ...(contract === undefined ? {} : { contract: contract.contract ?? undefined }),
      ...change.services.find(({ name }) => isNamed(one, name)),
      name: one.name,
    };
  });
  const checks = network.checks.map((one) => {
    const supposed = change.posture.find(({ check }) => isNamed(one, check))?.passes;
    return { ...one, ...defined({ supposed }) };
  });
  if (change.identities.length + change.services.length > 0) byController('which policies name which attributes');

  /** `@NAME` as `@ID`; names of nothing known select nothing, and are told. */
  const resolved = (
    given: readonly string[] | undefined,
    all: readonly { id: string; name: string; local?: string }[],
    what: Unmatched['what'],
  ) =>
    given?.map((one) => {
      if (!one.startsWith('@')) return one;
      const found = all.find((entity) => isNamed(entity, one.slice(1)));
      if (found === undefined) unmatched.push({ what, name: one.slice(1) });
      return found === undefined ? one : `@${found.id}`;
    });
  let { policies } = network;
  for (const entry of change.policies) {
    const before = policies.find((one) => isNamed(one, entry.name));
    if (before === undefined) byController(`policy ${entry.name} as it is`);
    if (before === undefined && entry.remove === true && network.isWhole) {
      unknown.push(`there is no policy ${entry.name} to remove`);
    }
    policies = policies.filter((one) => !isNamed(one, entry.name));
    if (entry.remove === true) continue;
    const { semantic, type } = entry;
    const policy: NetworkPolicy = {
      id: before?.id ?? entry.name,
      name: entry.name,
      type: type ?? before?.type ?? 'Dial',
      semantic: semantic ?? before?.semantic ?? 'AnyOf',
      identityRoles: resolved(entry.identityRoles, identities, 'identity') ?? before?.identityRoles ?? [],
      serviceRoles: resolved(entry.serviceRoles, services, 'service') ?? before?.serviceRoles ?? [],
      postureCheckRoles: resolved(entry.postureCheckRoles, checks, 'posture check') ?? before?.postureCheckRoles ?? [],
    };
    if (policy.identityRoles.some((role) => role.startsWith('#') && role !== '#all')) {
      byController('which attributes an identity has');
    }
    policies = [...policies, policy];
  }
  const missing = (
    what: Unmatched['what'],
    all: Network['checks' | 'identities' | 'services'],
    wanted: readonly string[],
  ): void => {
    for (const name of wanted) if (!all.some((known) => isNamed(known, name))) unmatched.push({ what, name });
  };
  missing(
    'identity',
    identities,
    change.identities.map((one) => one.name),
  );
  missing(
    'service',
    services,
    change.services.map((one) => one.name),
  );
  missing(
    'posture check',
    checks,
    change.posture.map((one) => one.check),
  );
  for (const pattern of change.contracts.flatMap((one) => one.service)) {
    const glob = compileGlob(pattern);
    if (!services.some(({ name }) => glob.matches(name))) unmatched.push({ what: 'service', name: pattern });
  }
  return { network: { ...network, identities, services, checks, policies }, unknown: [...new Set(unknown)], unmatched };
}
