/** Private keys that live in this process's memory: made here or read from the encodings the peers write. */
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { TunnelerError } from '../../base/errors.ts';

/** A new EC key, PKCS#8 PEM: P-256 for ES256, P-384 for ES384. */
export function newPrivateKeyPem(algorithm: 'ES256' | 'ES384'): string {
  const namedCurve = algorithm === 'ES256' ? 'P-256' : 'P-384';
  const { privateKey } = generateKeyPairSync('ec', { namedCurve });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}

/** Any PEM private key the peers write (SEC1, PKCS#1, PKCS#8) as PKCS#8 PEM. Throws `identity.corrupt`. */
export function readPrivateKeyPem(pem: string): string {
  try {
    return createPrivateKey(pem).export({ type: 'pkcs8', format: 'pem' }) as string;
  } catch (error) {
    throw new TunnelerError('identity.corrupt', 'the private key is not a PEM key that can be read', { cause: error });
  }
}
