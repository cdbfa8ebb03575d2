/**
 * From an enrol request to an identity on disk. Everything that can fail without the controller is tried before the one-time token is
 * spent: name, key store, passphrase, key, and room on the disk.
 */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { defined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { IdentityStore, KeyUnlock, OpenKey } from '../../identity/identities.ts';
import type { KeystoreChoice } from '../../identity/keystore-choice.ts';
import { importIdentityFile } from './identity-import.ts';
import {
  chooseKeystore,
  commonFields,
  keep,
  requireFree,
  type EnrolledRecord,
  type EnrollRequest,
  type NewIdentityDeps,
} from './new-identity.ts';

/** What the SDK's enrolment yields, as far as it is kept. */
export interface EnrolledIdentity {
  readonly signIn: 'certificate' | 'password' | 'external';
  readonly apis: readonly string[];
  readonly caPem: string;
  readonly certPem?: string;
  readonly controllerId?: string;
  readonly name?: string;
  readonly username?: string;
}

/** What an enrolment needs beside the request. */
export interface EnrolmentDeps extends NewIdentityDeps {
  readonly stateDirectory: string;
  /** What unlocks keys made here where the request brings nothing of its own. */
  readonly unlock: KeyUnlock;
  readonly enrollToken: (request: {
    readonly jwt: string;
    readonly prepareKey: () => Promise<OpenKey>;
    readonly thirdParty?: { readonly certPem: string; readonly keyPem: string };
    readonly name?: string;
    readonly password?: string;
    readonly signal?: AbortSignal;
  }) => Promise<EnrolledIdentity>;
  readonly inspectNetwork: (
    url: string,
    /** Of the certificate a person compared; undefined where nobody did. */
    fingerprint: string | undefined,
    signal: AbortSignal | undefined,
  ) => Promise<Pick<EnrolledIdentity, 'apis' | 'caPem'>>;
  /** Reads a token without spending it; throws `ziti.enroll.token_invalid`. */
  readonly nameOfToken: (jwt: string) => string;
}

/** Room asked of the disk before a token is spent: an identity file with a long chain and bundle. */
const reserveBytes = 256 * 1024;

/**
 * Enrol. Throws `identity.exists`, `identity.name_invalid`, `identity.keystore_*`, `identity.passphrase_missing`,
 * `identity.write_failed`, `ziti.enroll.*`, `ziti.controller.*`; whatever it throws, no half identity is left.
 */
export async function enrollIdentity(
  request: EnrollRequest,
  deps: EnrolmentDeps,
  signal?: AbortSignal,
): Promise<EnrolledRecord> {
  const given: KeyUnlock = request.passphrase === undefined ? deps.unlock : { passphrase: request.passphrase };
  if (request.method === 'import') return importIdentityFile(request, given, deps);
  const url = request.method === 'url' || /^https:\/\//.test(request.source);
  const name = request.name ?? (url ? new URL(request.source).hostname : deps.nameOfToken(request.source));
  await requireFree(deps.store, name);
  const handed = wrappingOf(request);
  const { kind, tokenUri } = handed === undefined ? await chooseKeystore(request.keystore, deps.store) : userKeystore;
  const unlock: KeyUnlock = {
    ...(handed ?? given),
    ...defined({ tokenUri, pin: request.pin }),
  };
  const common = commonFields(request, name, kind, deps.uid);
  if (url) {
    const network = await deps.inspectNetwork(request.source, request.fingerprint, signal);
    const record = { ...common, apis: network.apis, caPem: network.caPem };
    const { username, password } = request;
    if (username === undefined || password === undefined) return keep(record, unlock, deps, 'url');
    const { reference } = await deps.store
      .keystore(kind)
      .keepPassword({ kind: 'password', username, password }, unlock);
    return keep({ ...record, keyReference: reference }, unlock, deps, 'password');
  }

  const keystore = deps.store.keystore(kind);
  let reference: string | undefined;
  await using reserve = reserveSpace(deps.stateDirectory, name);
  try {
    const { username = '', password } = request;
    if (password !== undefined) {
      await reserve.take();
      reference = (await keystore.keepPassword({ kind: 'password', username, password }, unlock)).reference;
    }
    const enrolled = await deps.enrollToken({
      jwt: request.source,
      ...(request.certificate === undefined || request.key === undefined
        ? {}
        : { thirdParty: { certPem: request.certificate, keyPem: request.key } }),
      ...defined({ name: request.name, password: request.password, signal }),
      prepareKey: async () => {
        await reserve.take();
        const made = await keystore.create(name, 'ES256', unlock);
        reference = made.reference;
        return made.key;
      },
    });
    if (password !== undefined && (enrolled.username ?? username) !== username) {
      // The administrator's word on the name counts.
      const spare = reference;
      const named = { kind: 'password', username: enrolled.username ?? username, password } as const;
      reference = (await keystore.keepPassword(named, unlock)).reference;
      if (spare !== undefined) await eraseOrphan(keystore, spare, unlock, deps.log);
    }
    if (enrolled.signIn === 'certificate' && reference === undefined) {
      // The credential is a third party's: its key moves into the key store.
      const taken = await keystore.import(name, request.key ?? '', unlock);
      reference = taken.reference;
    }
    await reserve.giveBack();
    return await keep(
      {
        ...common,
        ...defined({ keyReference: reference }),
        apis: enrolled.apis,
        caPem: enrolled.caPem,
        ...defined({ certPem: enrolled.certPem, controllerId: enrolled.controllerId, controllerName: enrolled.name }),
      },
      unlock,
      deps,
      'token',
    );
  } catch (error) {
    if (reference !== undefined) await eraseOrphan(keystore, reference, unlock, deps.log);
    throw error;
  }
}

const userKeystore: KeystoreChoice = { kind: 'keychain' };

/** What a user hands over because this engine cannot look into that user's keychain. */
function wrappingOf({ wrappingKey, keychainAccount }: EnrollRequest): KeyUnlock | undefined {
  if (wrappingKey === undefined || keychainAccount === undefined) return undefined;
  return { wrappingKey: Buffer.from(wrappingKey, 'base64'), keychainAccount };
}

async function eraseOrphan(
  keystore: ReturnType<IdentityStore['keystore']>,
  reference: string,
  unlock: KeyUnlock,
  log: Log,
): Promise<void> {
  await keystore.erase(reference, unlock).catch((error: unknown) => log.warn('identity.key_left', { error }));
}

interface Reserve extends AsyncDisposable {
  take(): Promise<void>;
  giveBack(): Promise<void>;
}

/** Real bytes on the disk, given back just before the identity needs them: a full disk shows before the token is spent. */
function reserveSpace(stateDirectory: string, name: string): Reserve {
  const path = join(stateDirectory, `.reserve-${process.pid}-${name}`);
  const giveBack = (): Promise<void> => rm(path, { force: true });
  return {
    async take() {
      try {
        await writeFile(path, Buffer.alloc(reserveBytes, 0x2e), { mode: 0o600, flush: true });
      } catch (error) {
        await giveBack();
        throw new TunnelerError(
          'identity.write_failed',
          `there is no room for an identity: ${(error as Error).message}`,
          {
            cause: error,
            details: { identity: name, next: 'free some space and try again; the token has not been spent' },
          },
        );
      }
    },
    giveBack,
    [Symbol.asyncDispose]: giveBack,
  };
}
