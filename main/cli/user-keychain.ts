/** The user's own keychain, for identities of an engine that cannot look into it: keys are made here, and handed over the checked socket. */
import { statSync } from 'node:fs';
import { isTunnelerError } from '../base/errors.ts';
import type { IdentityView } from '../api/views.ts';
import type { Cli, CommonOptions } from './cli.ts';
import type { EnrollRequest } from './enroll-request.ts';
import type { Engine } from './backends.ts';

/** Enrol with a key that only this user's keychain opens, where that is asked for or possible; else as the engine can. */
export async function enrollForUser(
  request: EnrollRequest,
  engine: Engine,
  options: CommonOptions,
  cli: Cli,
): Promise<IdentityView> {
  const enroll = (complete: EnrollRequest): Promise<IdentityView> =>
    engine.identity.enroll(complete, { signal: cli.signal });
  if (!mayHandOver(request) || !isAnothers(cli.socketPath(options))) return enroll(request);
  const keychain = await cli.programs.userKeychain();
  const made = await keychain.make().catch((error: unknown) => {
    if (request.keystore === undefined && isTunnelerError(error, 'identity.keystore_unavailable')) return undefined;
    throw error;
  });
  if (made === undefined) return enroll(request);
  const { passphrase: _unused, ...rest } = request;
  const wrappingKey = Buffer.from(made.wrappingKey).toString('base64');
  try {
    return await enroll({ ...rest, keystore: 'keychain', scope: 'user', wrappingKey, keychainAccount: made.account });
  } catch (error) {
    await keychain.forget(made.account);
    throw error;
  }
}

/** What opens an identity whose wrapping key is in this user's keychain; undefined for any other. */
export async function handedOver(name: string, engine: Engine, cli: Cli): Promise<string | undefined> {
  const account = await accountOf(name, engine);
  if (account === undefined) return undefined;
  const wrappingKey = await (await cli.programs.userKeychain()).read(account);
  return Buffer.from(wrappingKey).toString('base64');
}

/** Remove an identity, and from this user's keychain what opened it. */
export async function removeForUser(name: string, engine: Engine, cli: Cli): Promise<void> {
  const account = await accountOf(name, engine);
  await engine.identity.remove({ name });
  if (account === undefined || process.getuid?.() === 0) return;
  await (await cli.programs.userKeychain()).forget(account);
}

async function accountOf(name: string, engine: Engine): Promise<string | undefined> {
  return (await engine.identity.list()).find((identity) => identity.name === name)?.keychainAccount;
}

function mayHandOver({ keystore, scope, method, passphrase }: EnrollRequest): boolean {
  if (scope === 'machine' || method === 'import' || method === 'url') return false;
  return keystore === 'keychain' || (keystore === undefined && passphrase === undefined);
}

/** Does the engine run as another user? Then it has no way to this user's keychain. */
function isAnothers(socketPath: string): boolean {
  const uid = process.getuid?.();
  return uid !== undefined && uid !== 0 && statSync(socketPath).uid !== uid;
}
