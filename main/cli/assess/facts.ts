/** Questions that several controls ask of the evidence. */
import type { Evidence } from './evidence.ts';

const every = <T>(all: readonly T[], holds: (one: T) => boolean): boolean => all.length > 0 && all.every(holds);

export const hasIdentity = ({ identities }: Evidence): boolean => identities.length > 0;
export const allReady = ({ identities }: Evidence): boolean => every(identities, ({ state }) => state === 'ready');
export const allInHardware = ({ identities }: Evidence): boolean =>
  every(identities, ({ keystore }) => keystore === 'tpm' || keystore === 'pkcs11');
export const anyInHardware = ({ identities }: Evidence): boolean =>
  identities.some(({ keystore }) => keystore === 'tpm' || keystore === 'pkcs11');
export const anyMfa = ({ identities }: Evidence): boolean => identities.some(({ mfa }) => mfa !== 'none');
export const allMfa = ({ identities }: Evidence): boolean => every(identities, ({ mfa }) => mfa !== 'none');
export const allCertificates = ({ identities }: Evidence): boolean =>
  every(identities, ({ proof }) => proof === 'certificate');
export const anyAgent = ({ agents }: Evidence): boolean => agents.some(({ identity }) => identity !== undefined);
export const allAgents = ({ agents }: Evidence): boolean => every(agents, ({ identity }) => identity !== undefined);
export const allEncrypted = ({ services }: Evidence): boolean => every(services, ({ encrypted }) => encrypted);
export const anyService = ({ services }: Evidence): boolean => services.length > 0;
export const anyContract = ({ policy }: Evidence): boolean => policy.contracts.length > 0;
export const allContracts = ({ services }: Evidence): boolean =>
  every(services, ({ contract }) => contract !== undefined);
export const anyGuard = ({ policy }: Evidence): boolean => policy.contracts.some(({ guard }) => guard !== 'none');
export const allGuarded = ({ policy }: Evidence): boolean => every(policy.contracts, ({ guard }) => guard !== 'none');
export const anyPosture = ({ policy }: Evidence): boolean => policy.posture.length > 0;
export const anyRule = ({ policy }: Evidence): boolean => policy.localRules.length > 0;
export const rulesHold = ({ policy }: Evidence): boolean => policy.errors.length === 0;
export const isSigned = ({ verified }: Evidence): boolean => verified.signers.length > 0;
export const isWhole = ({ verified }: Evidence): boolean => verified.ok && verified.unsignedBefore === undefined;
export const isCollected = (evidence: Evidence): boolean => evidence.fleet !== undefined || isWitnessed(evidence);
export const nobodySilent = ({ fleet }: Evidence): boolean =>
  fleet === undefined || every(fleet, ({ state, branches }) => state !== 'silent' && branches === 1);

/** A contract somewhere has this term. */
export function withTerm(...names: readonly string[]): (evidence: Evidence) => boolean {
  return ({ policy }) => policy.contracts.some(({ terms }) => names.some((name) => terms[name] !== undefined));
}

/** The settings have this, by its path. */
export function isSet(...path: readonly string[]): (evidence: Evidence) => boolean {
  return ({ settings }) => {
    let at: unknown = settings.config;
    for (const step of path)
      at = typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[step] : undefined;
    return at !== undefined;
  };
}

export const isWitnessed = isSet('audit', 'witness');
