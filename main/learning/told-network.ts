/** A network by what the identities of one device were told of it: access as policies of their own, checks as they stand. Pure. */
import type { IdentityView, PolicyView, ServiceView } from '../api/views.ts';
import { defined } from '../base/defined.ts';
import type { Network, NetworkCheck, NetworkIdentity, NetworkPolicy } from './network-model.ts';

/** What a running engine says of its identities. */
export interface ToldOfNetworks {
  readonly identities: readonly IdentityView[];
  readonly services: readonly ServiceView[];
  readonly policy: Pick<PolicyView, 'contracts' | 'errors'>;
}

/** One for each controller, by its address. */
export function toldNetworks(told: ToldOfNetworks): ReadonlyMap<string, Network> {
  const controllers = [...new Set(told.identities.map(({ controller }) => controller))];
  return new Map(controllers.map((controller) => [controller, networkAt(controller, told)]));
}

/** `network` with what this device knows of its own identities in it: their names here, and which checks they pass. */
export function withOwn(network: Network, own: Network): Network {
  return {
    ...network,
    identities: network.identities.map((one) => {
      const { local } = own.identities.find(({ id, name }) => id === one.id || name === one.name) ?? {};
      return { ...one, ...defined({ local }) };
    }),
    checks: network.checks.map((check) => ({
      ...check,
      passes: own.checks.find(({ id }) => id === check.id)?.passes ?? {},
    })),
  };
}

function networkAt(controller: string, { identities, services, policy }: ToldOfNetworks): Network {
  const own = identities
    .filter((view) => view.controller === controller)
    .map((view): NetworkIdentity => ({
      id: view.id ?? view.name,
      name: view.controllerName ?? view.name,
      roleAttributes: [],
      local: view.name,
    }));
  const idOf = new Map(own.map(({ id, local }) => [local, id]));
  const seen = services.filter(({ identity }) => idOf.has(identity));
  const policies = new Map<string, NetworkPolicy>();
  const checks = new Map<string, NetworkCheck>();
  for (const { id, identity, permissions, posture } of seen) {
    const who = idOf.get(identity) ?? identity;
    for (const type of permissions) {
      const asked = posture.filter(({ policyType }) => policyType === type);
      // A policy that asks for nothing has no name here: what it grants is all that was told of it.
      const ids = new Set(asked.length === 0 ? [''] : asked.map(({ policyId = '' }) => policyId));
      for (const policyId of ids) {
        const roles = asked.filter((check) => (check.policyId ?? '') === policyId).flatMap((check) => check.id ?? []);
        policies.set(JSON.stringify([policyId, who, id, type]), {
          id: JSON.stringify([policyId, who, id, type]),
          name: policyId,
          type,
          semantic: 'AnyOf',
          identityRoles: [`@${who}`],
          serviceRoles: [`@${id}`],
          postureCheckRoles: roles.map((check) => `@${check}`),
        });
      }
    }
    for (const { id: check, name, passing } of posture) {
      if (check === undefined) continue;
      const passes = { ...checks.get(check)?.passes, [who]: passing };
      checks.set(check, { id: check, name: name ?? check, roleAttributes: [], passes });
    }
  }
  // One that cannot be read is in force as well: nothing is dialled under it.
  const contracts = [...policy.contracts, ...policy.errors];
  const byId = new Map(seen.map((view) => [view.id, view]));
  return {
    isWhole: false,
    identities: own,
    services: [...byId.values()].map(({ id, name, workgroups, identity }) => ({
      id,
      name,
      roleAttributes: workgroups,
      contract: contracts.find((one) => one.service === name && one.identity === identity)?.granted,
    })),
    policies: [...policies.values()],
    checks: [...checks.values()],
  };
}
