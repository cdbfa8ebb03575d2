/** Signs with the key of an identity's certificate, software or hardware alike. */
import { createPrivateKey, sign, X509Certificate } from 'node:crypto';
import type { OpenKey } from '../../identity/identities.ts';
import type { CallerProof } from '../../peer/words.ts';

/** Proves who an identity is. */
export interface CertificateSigner {
  /** The certificate's chain, and the signature of its key over the UTF-8 of `text`. */
  prove(text: string): Promise<CallerProof>;
}

/** `certPem`: leaf first. */
export function certificateSigner(certPem: string, key: OpenKey): CertificateSigner {
  return {
    async prove(text) {
      const data = Buffer.from(text);
      const signature =
        key.kind === 'hardware' ? await key.sign(data) : signBySoftware(certPem, key.privateKeyPem, data);
      return { chain: certPem, signature: Buffer.from(signature).toString('hex') };
    },
  };
}

function signBySoftware(certPem: string, privateKeyPem: string, data: Buffer): Buffer {
  return sign(hashFor(new X509Certificate(certPem).publicKey), data, createPrivateKey(privateKeyPem));
}

/** The hash that goes with a key: that of its strength. */
export function hashFor(key: Pick<X509Certificate['publicKey'], 'asymmetricKeyDetails'>): 'sha256' | 'sha384' {
  return key.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'sha384' : 'sha256';
}
