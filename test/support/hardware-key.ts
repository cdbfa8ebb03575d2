/** A key that behaves as hardware does: it signs and shows its public half, and never gives itself away. */
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import type { IdentityKey } from '../../main/ziti/ziti.ts';

export function hardwareLike(privateKeyPem: string): IdentityKey & { kind: 'hardware' } {
  const key = createPrivateKey(privateKeyPem);
  const curve = key.asymmetricKeyDetails?.namedCurve;
  const algorithm = curve === 'secp384r1' ? 'ES384' : 'ES256';
  return {
    kind: 'hardware',
    algorithm,
    publicKeySpki: createPublicKey(key).export({ format: 'der', type: 'spki' }),
    sign: (data) => Promise.resolve(sign(algorithm === 'ES384' ? 'sha384' : 'sha256', data, key)),
  };
}
