/** From what a person filled in to what the engine is asked. */
import { defined } from '../../../main/base/defined.ts';
import type { EnrolSource } from './enrol-source.ts';

/** The form as filled in; empty text is no answer. */
export interface EnrolRequest {
  readonly name: string;
  readonly keystore: 'auto' | 'keychain' | 'tpm' | 'pkcs11' | 'file';
  readonly passphrase: string;
  readonly pkcs11: string;
  readonly certificate: string;
  readonly key: string;
  /** Of a certificate that the person compared. */
  readonly fingerprint?: string;
}

/** The engine's `identity.enroll` request; fields left empty are left out. */
export function enrolRequest(source: Exclude<EnrolSource, { kind: 'unknown' }>, form: EnrolRequest) {
  const keystore = form.keystore === 'pkcs11' && form.pkcs11.trim() !== '' ? form.pkcs11.trim() : form.keystore;
  return {
    source: source.kind === 'url' ? source.url : source.text,
    method:
      source.kind === 'url'
        ? ('url' as const)
        : source.kind === 'identity-file'
          ? ('import' as const)
          : ('token' as const),
    name: form.name.trim(),
    ...(keystore === 'auto' ? {} : { keystore }),
    ...(form.keystore === 'file' && form.passphrase !== '' ? { passphrase: form.passphrase } : {}),
    ...(form.certificate.trim() === '' ? {} : { certificate: form.certificate.trim() }),
    ...defined({ fingerprint: form.fingerprint }),
    ...(form.key.trim() === '' ? {} : { key: form.key.trim() }),
  };
}
