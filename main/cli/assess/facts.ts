/** Questions that several controls ask of the evidence. */
import type { Evidence } from './evidence.ts';

const every = <T>(all: readonly T[], holds: (one: T) => boolean): boolean => all.length > 0 && all.every(holds);

/** An identity is enrolled. */
export const hasIdentity = ({ identities }: Evidence): boolean => identities.length > 0;
/** Every identity works. */
export const allReady = ({ identities }: Evidence): boolean => every(identities, ({ state }) => state === 'ready');
/** Every key is in a TPM or on a token. */
export const allInHardware = ({ identities }: Evidence): boolean =>
  every(identities, ({ keystore }) => keystore === 'tpm' || keystore === 'pkcs11');
/** Some key is in a TPM or on a token. */
export const anyInHardware = ({ identities }: Evidence): boolean =>
  identities.some(({ keystore }) => keystore === 'tpm' || keystore === 'pkcs11');
/** Some identity has a second factor. */
export const anyMfa = ({ identities }: Evidence): boolean => identities.some(({ mfa }) => mfa !== 'none');
/** Every identity has a second factor. */
export const allMfa = ({ identities }: Evidence): boolean => every(identities, ({ mfa }) => mfa !== 'none');
/** Every identity proves itself by a certificate. */
export const allCertificates = ({ identities }: Evidence): boolean =>
  every(identities, ({ proof }) => proof === 'certificate');
/** Some agent dials as an identity of its own. */
export const anyAgent = ({ agents }: Evidence): boolean => agents.some(({ identity }) => identity !== undefined);
/** Every agent known dials as an identity of its own. */
export const allAgents = ({ agents }: Evidence): boolean => every(agents, ({ identity }) => identity !== undefined);
/** Every service is encrypted from end to end. */
export const allEncrypted = ({ services }: Evidence): boolean => every(services, ({ encrypted }) => encrypted);
/** Some service may be dialled or hosted. */
export const anyService = ({ services }: Evidence): boolean => services.length > 0;
/** Some service has a contract. */
export const anyContract = ({ policy }: Evidence): boolean => policy.contracts.length > 0;
/** Every service has a contract. */
export const allContracts = ({ services }: Evidence): boolean =>
  every(services, ({ contract }) => contract !== undefined);
/** Some contract turns a guard on. */
export const anyGuard = ({ policy }: Evidence): boolean => policy.contracts.some(({ guard }) => guard !== 'none');
/** Every contract turns a guard on. */
export const allGuarded = ({ policy }: Evidence): boolean => every(policy.contracts, ({ guard }) => guard !== 'none');
/** Some service asks something of the device. */
export const anyPosture = ({ policy }: Evidence): boolean => policy.posture.length > 0;
/** There are local rules. */
export const anyRule = ({ policy }: Evidence): boolean => policy.localRules.length > 0;
/** Every local rule can be read. */
export const rulesHold = ({ policy }: Evidence): boolean => policy.errors.length === 0;
/** A key of the device signs the record. */
export const isSigned = ({ verified }: Evidence): boolean => verified.signers.length > 0;
/** The record is what was written, and signed from its beginning. */
export const isWhole = ({ verified }: Evidence): boolean => verified.ok && verified.unsignedBefore === undefined;
/** The record is kept elsewhere too, or others' is kept here. */
export const isCollected = (evidence: Evidence): boolean => evidence.fleet !== undefined || isWitnessed(evidence);
/** Every device collected here is heard of, and none forked its journal. */
export const nobodySilent = ({ fleet }: Evidence): boolean =>
  fleet === undefined || every(fleet, ({ state, branches }) => state !== 'silent' && branches === 1);
/** No device collected here kept a session that access was taken from. */
export const allContained = ({ containment = [] }: Evidence): boolean =>
  containment.every(({ contained }) => contained);

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

/** The settings name a witness. */
export const isWitnessed = isSet('audit', 'witness');
