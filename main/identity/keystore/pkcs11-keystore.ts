/**
 * Key store `pkcs11`: an EC key on any PKCS#11 token (smart card, YubiKey, HSM, SoftHSM2), made there and never extractable, or one that is
 * there already and named by the URI. The identity keeps the URI; a PIN stands in it only where the user put it there.
 */
import { createHash, randomBytes } from 'node:crypto';
import { loadNative, type Native, type TokenKey, type TokenPlace } from 'node-tun';
import { defined } from '../../base/defined.ts';
import { isTunnelerError, TunnelerError, type ErrorCode } from '../../base/errors.ts';
import { derSignature, spkiOfPoint } from '../ecdsa.ts';
import { noPasswords } from './no-passwords.ts';
import type { Keystore, KeyUnlock, OpenKey } from '../identities.ts';
import { requireTrustedModule } from '../pkcs11/trusted-module.ts';
import { formatTokenUri, parseTokenUri, type TokenUri } from '../pkcs11/uri.ts';

const label = 'culvert';

/** Needs the native addon; without it every call says so. `modules`: those that the settings name, beside those only root can have placed. */
export function pkcs11Keystore(modules: readonly string[] = []): Keystore {
  const placeOf = (uri: TokenUri, unlock: KeyUnlock): TokenPlace => {
    requireTrustedModule(uri.modulePath, modules);
    return placeOn(uri, unlock);
  };
  return {
    kind: 'pkcs11',
    available() {
      const found = loadNative();
      if (found.ok) return Promise.resolve({ ok: true });
      const next = 'install a Rust toolchain and run npm ci again, or use another --keystore';
      return Promise.resolve({ ok: false, code: 'identity.keystore_unavailable', sentence: found.reason, next });
    },
    async create(_name, algorithm, unlock) {
      const uri = requireUri(unlock);
      // A URI that names a key means that key: tokens are often provisioned beforehand.
      const named = uri.id !== undefined || uri.label !== undefined;
      const key = named
        ? await onToken((native) => native.tokenFind(placeOf(uri, unlock)))
        : await onToken((native) =>
            native.tokenGenerate(
              placeOf(uri, unlock),
              algorithm === 'ES384' ? 'P-384' : 'P-256',
              randomBytes(16),
              label,
            ),
          );
      const reference = formatTokenUri({ ...uri, id: Buffer.from(key.id).toString('hex'), label: undefined });
      return { reference, key: opened(reference, key, (uri) => placeOf(uri, unlock)) };
    },
    import: () =>
      Promise.reject(
        new TunnelerError(
          'base.unsupported',
          'a token key is made on the token; an existing key cannot be moved onto it',
        ),
      ),
    ...noPasswords,
    async open(reference, unlock) {
      const uri = ownUri(reference);
      const place = placeOf(uri, unlock);
      try {
        return opened(reference, await onToken((native) => native.tokenFind(place)), () => place);
      } catch (error) {
        // A token shows its private keys only to who gave the PIN.
        if (place.pin !== undefined || !isTunnelerError(error, 'identity.corrupt')) throw error;
        throw new TunnelerError('identity.passphrase_missing', 'the key on the token is guarded by its PIN', {
          cause: error,
          details: { next: 'hand it over with culvert identity unlock' },
        });
      }
    },
    async erase(reference, unlock) {
      const uri = ownUri(reference);
      if (uri.id === undefined)
        throw new TunnelerError('identity.corrupt', 'the identity does not say which key on the token is its own');
      await onToken((native) => native.tokenDestroy(placeOf(uri, unlock)));
    },
  };
}

function opened(reference: string, key: TokenKey, placeOf: (uri: TokenUri) => TokenPlace): OpenKey {
  const coordinate = (key.point.length - 1) / 2;
  const algorithm = key.curve === 'P-384' ? 'ES384' : 'ES256';
  const uri = parseTokenUri(reference);
  return {
    kind: 'hardware',
    algorithm,
    publicKeySpki: spkiOfPoint(key.curve, key.point.subarray(1, 1 + coordinate), key.point.subarray(1 + coordinate)),
    async sign(data) {
      const digest = createHash(algorithm === 'ES384' ? 'sha384' : 'sha256')
        .update(data)
        .digest();
      const { point: signature } = await onToken((native) => native.tokenSign(placeOf(uri), digest));
      const half = signature.length / 2;
      return derSignature(signature.subarray(0, half), signature.subarray(half));
    },
  };
}

function requireUri(unlock: KeyUnlock): TokenUri {
  if (unlock.tokenUri === undefined) {
    throw new TunnelerError('base.invalid', 'the pkcs11 key store needs to know the token', {
      details: { next: '--keystore "pkcs11:token=NAME?module-path=PATH&pin-value=PIN"' },
    });
  }
  return parseTokenUri(unlock.tokenUri);
}

function ownUri(reference: string): TokenUri {
  try {
    return parseTokenUri(reference);
  } catch (error) {
    throw new TunnelerError('identity.corrupt', 'the identity names its key in a way nothing here understands', {
      cause: error,
    });
  }
}

function placeOn(uri: TokenUri, unlock: KeyUnlock): TokenPlace {
  const { modulePath: module, token, slot, id, label } = uri;
  const pin = unlock.pin ?? uri.pin ?? unlock.passphrase;
  return defined({ module, token, slot, pin, id: id === undefined ? undefined : Buffer.from(id, 'hex'), label });
}

/** The addon's fault codes in our words. */
const faults: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  UNAVAILABLE: [
    'identity.keystore_unavailable',
    'check module-path and token in the PKCS#11 URI (pkcs11-tool --list-slots shows them)',
  ],
  REMOVED: ['identity.token_removed', 'put the token back, then enable the identity again'],
  PIN: ['identity.passphrase_wrong', 'give the right PIN: too many wrong ones lock the token'],
  LOCKED: ['identity.keystore_locked', 'unlock the token with its SO PIN (pkcs11-tool --init-pin)'],
  NOKEY: [
    'identity.corrupt',
    'the key is not on this token: use the token it was made on, give its PIN, or enrol anew',
  ],
};

async function onToken<T>(work: (native: Native) => Promise<T>): Promise<T> {
  const found = loadNative();
  if (!found.ok) throw new TunnelerError('identity.keystore_unavailable', found.reason);
  try {
    return await work(found.native);
  } catch (error) {
    const [, code = '', text = ''] = /^([A-Z]+): (.*)$/s.exec((error as Error).message) ?? [];
    const [known, next] = faults[code] ?? [
      'identity.keystore_unavailable',
      'see the token’s own tools for what this means',
    ];
    throw new TunnelerError(known, `PKCS#11: ${text || (error as Error).message}`, { cause: error, details: { next } });
  }
}
