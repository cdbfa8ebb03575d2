/** Enrolled identities on disk and where their keys live. Joint types; made by `openIdentityStore` in `identity/identity-store.ts`. */
import type { ErrorCode, TunnelerError } from '../base/errors.ts';
import type { UserId } from '../base/user-id.ts';

/** Where keys can be kept. */
export type KeystoreKind = 'file' | 'keychain' | 'tpm' | 'pkcs11';

/** How an identity proves itself, by what its record holds. */
export function proofOf(record: Pick<IdentityFile, 'certPem' | 'keyReference'>): IdentityProof {
  if (record.certPem !== undefined) return 'certificate';
  return record.keyReference === undefined ? 'external' : 'password';
}

/** What an identity signs in with. */
export type IdentityProof = 'certificate' | 'password' | 'external';

/** What the store knows without opening the key. */
export interface IdentityFile {
  readonly name: string;
  readonly enabled: boolean;
  readonly scope: 'machine' | 'user';
  /** The user it serves, for scope `user`. */
  readonly ownerUid?: UserId;
  readonly keystore: KeystoreKind;
  /** What the key store needs to find the key, or without a certificate the password; absent for identities that only sign in externally. */
  readonly keyReference?: string;
  /** Controller API URLs, the first preferred. */
  readonly apis: readonly string[];
  readonly caPem: string;
  /** Chain, leaf first; absent for identities that only sign in externally. */
  readonly certPem?: string;
  /** Name and id at the controller, as far as known. */
  readonly controllerName?: string;
  readonly controllerId?: string;
  /** Software keys: authenticate, then use a short-lived session certificate. */
  readonly jit: boolean;
  /** A renewal under way: the certificate that will be the one once the controller has confirmed it. Both are kept until then. */
  readonly staged?: StagedCertificate;
  /** Fields of an imported identity file we do not know, kept. */
  readonly foreign: Readonly<Record<string, unknown>>;
}

/** A renewed certificate that is not in force yet. */
export interface StagedCertificate {
  readonly certPem: string;
  readonly caPem?: string;
  /** Of the new key, where keys roll. */
  readonly keyReference?: string;
}

/** An opened key. Software keys can be exported into TLS; hardware ones only sign. */
export type OpenKey =
  | { readonly kind: 'software'; /** PKCS#8 PEM; in memory only. */ readonly privateKeyPem: string }
  | {
      readonly kind: 'hardware';
      readonly publicKeySpki: Uint8Array;
      readonly algorithm: 'ES256' | 'ES384' | 'RS256';
      /** DER-encoded signature over `data` (hashed with the algorithm's hash). */
      sign(data: Uint8Array): Promise<Uint8Array>;
    };

/** What an identity without a certificate signs in with; kept sealed in the place of a key. */
export interface OpenPassword {
  readonly kind: 'password';
  readonly username: string;
  /** In memory only. */
  readonly password: string;
}

/** What opens a key: none is stored. */
export interface KeyUnlock {
  readonly passphrase?: string;
  readonly wrappingKey?: Uint8Array;
  /** Where the user's own keychain keeps `wrappingKey`, for keys made under it. */
  readonly keychainAccount?: string;
  readonly pin?: string;
  /** `pkcs11` only, when a key is made: the `pkcs11:` URI of the token to make it on, or of a key that is there already. */
  readonly tokenUri?: string;
}

/** One way of keeping keys. Every implementation passes `test/conformance/keystore.ts`. */
export interface Keystore {
  readonly kind: KeystoreKind;
  /** Can it work here, now? A reason and next step where it cannot. */
  available(): Promise<
    | { readonly ok: true }
    | { readonly ok: false; readonly code: ErrorCode; readonly sentence: string; readonly next?: string }
  >;
  /** Make a key under `name`; `reference` is what the identity file keeps. */
  create(
    name: string,
    algorithm: 'ES256' | 'ES384',
    unlock: KeyUnlock,
  ): Promise<{ readonly reference: string; readonly key: OpenKey }>;
  /** Take in an existing software key; throws `base.unsupported` where the store only makes its own. */
  import(
    name: string,
    privateKeyPem: string,
    unlock: KeyUnlock,
  ): Promise<{ readonly reference: string; readonly key: OpenKey }>;
  /** Keep a password as a key is kept; throws `base.unsupported` where the store only makes keys. */
  keepPassword(password: OpenPassword, unlock: KeyUnlock): Promise<{ readonly reference: string }>;
  open(reference: string, unlock: KeyUnlock): Promise<OpenKey>;
  /** What {@link keepPassword} kept. Throws as {@link open}. */
  openPassword(reference: string, unlock: KeyUnlock): Promise<OpenPassword>;
  erase(reference: string, unlock: KeyUnlock): Promise<void>;
}

/** A row of the store: a good identity, or one whose file cannot be read and why. One broken file never hides the others. */
export type IdentityEntry =
  | { readonly kind: 'good'; readonly record: IdentityFile }
  | { readonly kind: 'broken'; readonly name: string; readonly error: TunnelerError };

/** Everything enrolled on this host, one file an identity; each change is atomic: a crash leaves the old or the new. */
export interface IdentityStore {
  list(): Promise<readonly IdentityEntry[]>;
  /** Throws `identity.unknown` or `identity.corrupt`. */
  get(name: string): Promise<IdentityFile>;
  /** Throws `identity.exists`, `identity.write_failed`. */
  add(record: IdentityFile): Promise<void>;
  /** Write the record anew under its name; where the key's reference changed, the old key is erased afterwards. */
  update(record: IdentityFile, unlock: KeyUnlock): Promise<void>;
  rename(name: string, to: string): Promise<void>;
  /** Forget it and erase its key. A broken identity can be removed too. */
  remove(name: string, unlock: KeyUnlock): Promise<void>;
  keystore(kind: KeystoreKind): Keystore;
  /** Open the key of an identity. Throws `identity.passphrase_*`, `identity.keystore_*`, `identity.corrupt`. */
  openKey(record: IdentityFile, unlock: KeyUnlock): Promise<OpenKey>;
  /** Whatever it signs in with: its key, its password, or nothing of its own. Throws as {@link openKey}. */
  openProof(record: IdentityFile, unlock: KeyUnlock): Promise<OpenKey | OpenPassword | undefined>;
}
