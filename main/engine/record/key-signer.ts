/** An opened key as a signer of notes, wherever it is kept. */
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { hashFor, type NoteSigner } from '../../audit/note.ts';
import type { OpenKey } from '../../identity/identities.ts';

/** `name`: what the key goes by in the notes it signs. */
export function keySigner(name: string, key: OpenKey): NoteSigner {
  if (key.kind === 'hardware') {
    return { name, publicKeySpki: key.publicKeySpki, sign: (data) => key.sign(data) };
  }
  const privateKey = createPrivateKey(key.privateKeyPem);
  const publicKey = createPublicKey(privateKey);
  return {
    name,
    publicKeySpki: publicKey.export({ type: 'spki', format: 'der' }),
    sign: (data) => Promise.resolve(sign(hashFor(publicKey), data, privateKey)),
  };
}
