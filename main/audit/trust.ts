/** Which keys a journal's checkpoints may be signed by, and who vouches for them. */
import { defined } from '../base/defined.ts';
import type { AuditSignerView } from '../api/record-views.ts';
import { keyNameOf, type NoteKey } from './note.ts';
import { isCertified, type SignerKey, type SignersFile } from './signers.ts';
import type { Fault } from './faults.ts';

/** What a state directory says beside its journal. */
export interface JournalFacts {
  /** Identities there are, with the key of their certificate where they have one. */
  readonly identities: readonly { readonly name: string; readonly publicKeySpki?: Uint8Array }[];
}

interface Counted {
  readonly key: SignerKey;
  readonly name: string;
  readonly note: NoteKey;
  checkpoints: number;
  signedUpTo: number | undefined;
}

/** The keys of one device, and how far each is to be trusted. */
export class SignerBook {
  readonly #file: SignersFile | undefined;
  readonly #keys: readonly Counted[];

  constructor(file: SignersFile | undefined) {
    this.#file = file;
    this.#keys = (file?.keys ?? []).map((key) => {
      const publicKeySpki = Buffer.from(key.publicKey, 'base64');
      const note = { name: file?.origin ?? '', publicKeySpki };
      return { key, name: keyNameOf(publicKeySpki), note, checkpoints: 0, signedUpTo: undefined };
    });
  }

  get origin(): string | undefined {
    return this.#file?.origin;
  }

  keys(): readonly NoteKey[] {
    return this.#keys.map(({ note }) => note);
  }

  count(by: NoteKey, upTo: number): void {
    const found = this.#keys.find(({ note }) => note === by);
    if (found === undefined) return;
    found.checkpoints += 1;
    found.signedUpTo = upTo;
  }

  views(): readonly AuditSignerView[] {
    return this.#keys.map(({ key, name, checkpoints, signedUpTo }) =>
      defined({
        key: name,
        epoch: key.epoch,
        madeAt: key.madeAt,
        keystore: key.keystore,
        certifiedBy: key.certificates.map(({ identity }) => identity),
        checkpoints,
        signedUpTo,
      }),
    );
  }

  /** What is wrong with the keys themselves; `seq` is where the journal ends. */
  fault(facts: JournalFacts, seq: number): Fault | undefined {
    const file = this.#file;
    const newest = this.#keys.at(-1);
    if (file === undefined || newest === undefined) return undefined;
    for (const { key, name } of this.#keys) {
      const forged = key.certificates.find((by) => !isCertified(file.origin, key, by));
      if (forged !== undefined) {
        const reason = `${forged.identity} did not vouch for the signing key ${name.slice(0, 16)}`;
        return { seq, reason, code: 'audit.fault.uncertified' };
      }
    }
    const able = facts.identities.flatMap(({ publicKeySpki }) => publicKeySpki ?? []);
    const vouched = newest.key.certificates.some(({ publicKey }) =>
      able.some((spki) => Buffer.from(publicKey, 'base64').equals(spki)),
    );
    if (able.length > 0 && !vouched) {
      const reason = `no identity here vouches for the signing key ${newest.name.slice(0, 16)}`;
      return { seq, reason, code: 'audit.fault.uncertified' };
    }
    if (newest.checkpoints === 0) {
      const reason = `the key ${newest.name.slice(0, 16)} was certified to sign the journal, and nothing here is signed by it`;
      return { seq, reason, code: 'audit.fault.unsigned' };
    }
    return undefined;
  }
}
