/** Who may dial and host what, by a controller's policies as far as they are known. Pure. */
import type { Reason } from '../base/reason.ts';
import { rolesSelect, type Semantic } from '../base/roles.ts';
import { mayNotDial } from '../policy/reasons.ts';

/** An identity of the network. */
export interface NetworkIdentity {
  readonly id: string;
  readonly name: string;
  readonly roleAttributes: readonly string[];
  /** Its name on this device, where it is one of this device's; the record has that one. */
  readonly local?: string;
}

/** A service, and its contract as the controller sends it. */
export interface NetworkService {
  readonly id: string;
  readonly name: string;
  readonly roleAttributes: readonly string[];
  readonly contract: unknown;
}

/** A service policy. */
export interface NetworkPolicy {
  readonly id: string;
  readonly name: string;
  readonly type: 'Dial' | 'Bind';
  readonly semantic: Semantic;
  readonly identityRoles: readonly string[];
  readonly serviceRoles: readonly string[];
  readonly postureCheckRoles: readonly string[];
}

/** A posture check; whether it passes is each identity's own, and known of this device's alone. */
export interface NetworkCheck {
  readonly id: string;
  readonly name: string;
  readonly roleAttributes: readonly string[];
  /** What was supposed of it, for every identity. */
  readonly supposed?: boolean;
  /** By identity. */
  readonly passes: Readonly<Record<string, boolean>>;
}

/** One controller's network. */
export interface Network {
  /** The controller's own account of it; else what its identities on this device were told. */
  readonly isWhole: boolean;
  readonly identities: readonly NetworkIdentity[];
  readonly services: readonly NetworkService[];
  readonly policies: readonly NetworkPolicy[];
  readonly checks: readonly NetworkCheck[];
}

/** Why an identity may not; undefined where it may. One policy whose checks all pass suffices. */
export function accessRefusal(
  network: Network,
  identity: NetworkIdentity,
  service: NetworkService,
  type: 'Dial' | 'Bind',
): Reason | undefined {
  const granting = network.policies.filter(
    (policy) =>
      policy.type === type &&
      rolesSelect(policy.identityRoles, policy.semantic, identity) &&
      rolesSelect(policy.serviceRoles, policy.semantic, service),
  );
  const name = identity.local ?? identity.name;
  if (granting.length === 0) {
    if (type === 'Dial') return mayNotDial(name, service.name);
    return {
      code: 'permission.dial',
      sentence: `${name} may not host ${service.name}`,
      next: 'a service policy of type Bind at the controller has to name this identity',
      rule: 'controller:service-policy',
    };
  }
  const failing = granting.map((policy) => failingChecks(network, policy, identity));
  if (failing.some((checks) => checks.length === 0)) return undefined;
  const labels = [...new Set(failing.flat().map((check) => check.name))];
  return {
    code: 'posture.failed',
    sentence: `${service.name} asks for a posture that ${name} does not meet: ${labels.join(', ')}`,
    rule: 'controller:posture',
  };
}

function failingChecks(network: Network, policy: NetworkPolicy, identity: NetworkIdentity): readonly NetworkCheck[] {
  return network.checks.filter(
    (check) =>
      rolesSelect(policy.postureCheckRoles, policy.semantic, check) &&
      // What nobody knows of another device is taken to pass: only what is known to fail shuts a service.
      (check.supposed ?? check.passes[identity.id] ?? true) === false,
  );
}
