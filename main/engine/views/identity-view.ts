/** An identity as clients see it: from its record, what its context knows, and where it stands. */
import { X509Certificate } from 'node:crypto';
import { defined, whenDefined } from '../../base/defined.ts';
import type { IdentityView } from '../../api/views.ts';
import { userKeychainAccount } from '../../identity/keystore/keychain-keystore.ts';
import { proofOf, type IdentityFile } from '../../identity/identities.ts';
import type { ZitiContext, ZitiService } from '../../ziti/model.ts';
import type { IdentityStatus } from './identity-status.ts';
import { controllerOrigin } from './views.ts';

/** What the controller said of its second factor; absent until it was asked. */
export interface MfaStanding {
  readonly enrolled: boolean;
  readonly verified: boolean;
  readonly lastVerifiedAt?: number;
}

/** What an identity's view is made of. */
export interface SeenIdentity {
  readonly name: string;
  readonly record: IdentityFile | undefined;
  readonly context: Pick<ZitiContext, 'controller' | 'identity'> | undefined;
  readonly standing: IdentityStatus;
  readonly services: readonly ZitiService[];
  readonly mfa: MfaStanding | undefined;
}

/** The view of one identity. */
export function identityView({ name, record, context, standing, services, mfa }: SeenIdentity): IdentityView {
  const controller = context?.controller();
  const known = context?.identity();
  const id = known?.id ?? record?.controllerId;
  const controllerName = known?.name ?? record?.controllerName;
  const keychainAccount = userKeychainAccount(record?.keyReference);
  const { state, reason, loginProviders } = standing;
  return {
    name,
    keystore: record === undefined || record.keyReference === undefined ? 'none' : record.keystore,
    scope: record?.scope ?? 'machine',
    ...defined({ owner: whenDefined(record?.ownerUid, String) }),
    ...defined({ keychainAccount }),
    state,
    ...defined({ reason }),
    ...defined({ proof: record && proofOf(record) }),
    controller: controllerOrigin(controller?.url ?? record?.apis[0]),
    controllers: record?.apis ?? [],
    ...defined({ controllerVersion: controller?.version, authentication: controller?.authentication }),
    ...(record === undefined ? {} : leafOf(record)),
    ...defined({ id, controllerName }),
    mfa: mfaView(standing, mfa),
    ...defined({ loginProviders }),
    services: {
      dial: services.filter((service) => service.permissions.includes('Dial')).length,
      bind: services.filter((service) => service.permissions.includes('Bind')).length,
    },
  };
}

function mfaView({ state }: IdentityStatus, mfa: MfaStanding | undefined): IdentityView['mfa'] {
  if (state === 'mfa-required') return 'required';
  if (mfa === undefined || !mfa.enrolled) return 'none';
  return mfa.verified || mfa.lastVerifiedAt !== undefined ? 'enrolled' : 'pending';
}

type Leaf = Pick<IdentityView, 'certExpiresAt' | 'fingerprint'>;

/** Views are made many times a second, and to read a certificate takes most of a millisecond. */
const leaves = new WeakMap<IdentityFile, Leaf>();

/** Expiry and SHA-256 of its chain's leaf, as far as it can be read. */
function leafOf(record: IdentityFile): Leaf {
  const known = leaves.get(record) ?? readLeaf(record.certPem);
  leaves.set(record, known);
  return known;
}

function readLeaf(certPem: string | undefined): Leaf {
  if (certPem === undefined) return {};
  try {
    const leaf = new X509Certificate(certPem);
    return {
      certExpiresAt: new Date(leaf.validTo).toISOString(),
      fingerprint: leaf.fingerprint256.replaceAll(':', '').toLowerCase(),
    };
  } catch {
    // The context will say what is wrong with it; a view only leaves it out.
    return {};
  }
}
