/**
 * The device's own signing key: made beside the first identity's key, vouched for by each identity, opened whenever something opens it. A key
 * that is lost (a replaced TPM, a key file that is gone) is followed by another, in an epoch of its own that names the one before.
 */
import type { Audit } from '../../audit/audit.ts';
import { parseCheckpoint } from '../../audit/checkpoint.ts';
import { keyNameOf, parseNote, type NoteSigner } from '../../audit/note.ts';
import {
  auditSignersPath,
  certifiedText,
  originOf,
  readSigners,
  type SignerKey,
  type SignersFile,
} from '../../audit/signers.ts';
import type { Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import { isTunnelerError, toTunnelerError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { SerialQueue } from '../../base/serial-queue.ts';
import { writeAtomically } from '../../files/write-atomically.ts';
import type { IdentityFile, KeyUnlock, OpenKey } from '../../identity/identities.ts';
import type { Keystores } from '../../identity/keystores.ts';
import { keySigner } from './key-signer.ts';
import { makeSigningKey } from './make-key.ts';

/** Where the key is kept, and who vouches for it. */
export interface JournalKeyDeps {
  readonly stateDirectory: string;
  /** Where the device's own keys are kept; see {@link deviceKeystores}. */
  readonly keystores: Keystores;
  readonly audit: Pick<Audit, 'record' | 'setSigner' | 'checkpoint' | 'signedCheckpoint' | 'resumedAt'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** The key, open or not. */
export class JournalKey implements AsyncDisposable {
  readonly #deps: JournalKeyDeps;
  readonly #changes = new SerialQueue();
  #signer: NoteSigner | undefined;
  #closed = false;

  constructor(deps: JournalKeyDeps) {
    this.#deps = deps;
  }

  /** Signs the journal now, after whatever is being opened; undefined while nothing opens the key. */
  async signer(): Promise<NoteSigner | undefined> {
    await this.#changes.idle();
    return this.#signer;
  }

  /** Sign from now on with the key there is, if `unlock` opens it. Never rejects: without, the journal waits for an identity. */
  open(unlock: KeyUnlock): Promise<void> {
    return this.#quietly(async () => {
      const file = readSigners(this.#deps.stateDirectory);
      if (file !== undefined && file !== 'damaged') await this.#open(file, unlock);
    });
  }

  /**
   * An identity's key was opened: it vouches for the device's key, which is made now where there is none, or where the one there was is lost.
   * `key` is absent for identities that have none. Never rejects.
   */
  identityOpened(record: IdentityFile, key: OpenKey | undefined, unlock: KeyUnlock): Promise<void> {
    return this.#quietly(async () => {
      const found = readSigners(this.#deps.stateDirectory);
      if (found === 'damaged') {
        this.#deps.log.error('audit.signers_damaged', { file: auditSignersPath(this.#deps.stateDirectory) });
        return;
      }
      const usable = found !== undefined && (await this.#usable(found, unlock));
      const file = usable ? found : await this.#make(found, record, unlock);
      const certified = key !== undefined && (await this.#certify(file, record.name, key));
      if (!usable) await this.#deps.audit.setSigner(this.#signer);
      else if (certified) await this.#deps.audit.checkpoint();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#changes.idle();
  }

  /** False only where the key in use is lost for good. */
  async #usable(file: SignersFile, unlock: KeyUnlock): Promise<boolean> {
    if (this.#signer !== undefined) return true;
    try {
      await this.#open(file, unlock);
      return true;
    } catch (error) {
      if (isTunnelerError(error, 'identity.corrupt')) return false;
      // Locked, or not plugged in: it is there, and something else will open it.
      this.#deps.log.debug('audit.signer_not_opened', { error: toTunnelerError(error) });
      return true;
    }
  }

  async #open(file: SignersFile, unlock: KeyUnlock): Promise<void> {
    const newest = newestOf(file);
    if (this.#signer !== undefined) return;
    const key = await this.#deps.keystores.keystore(newest.keystore).open(newest.reference, unlock);
    this.#signer = keySigner(file.origin, key);
    await this.#deps.audit.setSigner(this.#signer);
  }

  /** Of the next epoch: kept in the file before anything is signed, and in the journal with what it follows. */
  async #make(before: SignersFile | undefined, beside: IdentityFile, unlock: KeyUnlock): Promise<SignersFile> {
    const { audit, keystores, clock, log, stateDirectory } = this.#deps;
    const made = await makeSigningKey('audit', beside, keystores, unlock);
    const { publicKeySpki } = keySigner('', made.key);
    const last = before === undefined ? undefined : newestOf(before);
    const previous = last === undefined ? undefined : followed(last, audit.signedCheckpoint());
    const key: SignerKey = {
      epoch: (last?.epoch ?? 0) + 1,
      publicKey: Buffer.from(publicKeySpki).toString('base64'),
      keystore: beside.keystore,
      reference: made.reference,
      madeAt: new Date(clock.now()).toISOString(),
      ...defined({ previous }),
      certificates: [],
    };
    const file = {
      version: 1 as const,
      origin: before?.origin ?? originOf(publicKeySpki),
      keys: [...(before?.keys ?? []), key],
    };
    await writeSigners(stateDirectory, file);
    this.#signer = keySigner(file.origin, made.key);
    audit.record({
      kind: 'signer.made',
      epoch: key.epoch,
      key: keyNameOf(publicKeySpki),
      publicKey: key.publicKey,
      keystore: key.keystore,
      // Records that no key of this journal was there to sign.
      ...(previous === undefined ? { after: audit.resumedAt } : { previous, reason: 'the key before it is lost' }),
    });
    log.info('audit.signer_made', { epoch: key.epoch, keystore: key.keystore });
    return file;
  }

  /** True where this identity had not vouched with this key before. */
  async #certify(file: SignersFile, identity: string, key: OpenKey): Promise<boolean> {
    const newest = newestOf(file);
    const by = keySigner(identity, key);
    const publicKey = Buffer.from(by.publicKeySpki).toString('base64');
    if (newest.certificates.some((one) => one.publicKey === publicKey)) return false;
    const text = certifiedText(file.origin, newest.epoch, Buffer.from(newest.publicKey, 'base64'));
    const signature = Buffer.from(await by.sign(Buffer.from(text))).toString('base64');
    const certificates = [...newest.certificates, { identity, publicKey, signature }];
    const keys = [...file.keys.slice(0, -1), { ...newest, certificates }];
    await writeSigners(this.#deps.stateDirectory, { ...file, keys });
    this.#deps.audit.record({
      kind: 'signer.certified',
      identity,
      epoch: newest.epoch,
      key: keyNameOf(Buffer.from(newest.publicKey, 'base64')),
      by: keyNameOf(by.publicKeySpki),
      signature,
    });
    return true;
  }

  #quietly(act: () => Promise<void>): Promise<void> {
    return this.#changes.run(async () => {
      if (this.#closed) return;
      try {
        await act();
      } catch (error) {
        // The identity works all the same; `audit verify` says what is not signed.
        this.#deps.log.warn('audit.not_signed', { error: toTunnelerError(error) });
      }
    });
  }
}

function newestOf(file: SignersFile): SignerKey {
  const newest = file.keys.at(-1);
  if (newest === undefined) throw new Error('unreachable: the file has one key at least');
  return newest;
}

/** The key before, and the last head it signed. */
function followed(last: SignerKey, note: string | undefined): SignerKey['previous'] {
  const checkpoint = parseCheckpoint(parseNote(note ?? '')?.text ?? '');
  return {
    key: keyNameOf(Buffer.from(last.publicKey, 'base64')),
    count: checkpoint?.count ?? 0,
    head: checkpoint?.head ?? '0'.repeat(64),
  };
}

function writeSigners(stateDirectory: string, file: SignersFile): Promise<void> {
  return writeAtomically(auditSignersPath(stateDirectory), `${JSON.stringify(file)}\n`);
}
