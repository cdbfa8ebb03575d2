import { defined } from '../../base/defined.ts';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { Option, type Command } from 'commander';
import type { IdentityView } from '../../api/views.ts';
import { isTunnelerError } from '../../base/errors.ts';
import { bareToken, isToken } from '../../base/token-text.ts';
import { addVerb, usage, type Cli, type CommonOptions } from '../cli.ts';
import type { EnrollRequest } from '../enroll-request.ts';
import { withPinOf } from '../caller-files.ts';
import { parseDescriptor, typedPassword, withPassphrase } from '../passphrase.ts';
import { withProgress } from '../progress.ts';
import { enrollForUser } from '../user-keychain.ts';
import { facts, relative } from '../table.ts';

/** Names longer than this are not shown again: one may be a token that was cut. */
const longestEchoed = 200;

interface Options extends CommonOptions {
  readonly name?: string;
  readonly keystore?: string;
  readonly scope?: 'machine' | 'user';
  readonly passphraseFd?: string;
  readonly pinFd?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly username?: string;
  readonly jit?: true;
  readonly fingerprint?: string;
}

/** `culvert enroll`: a one-time token, or a controller's address, becomes an identity; with and without a running engine. */
export function addEnroll(program: Command, cli: Cli): void {
  addVerb(program, 'enroll <source>', 'a token file, - for standard input, the token itself, or an https URL')
    .option('--name <name>', 'the name later verbs use (default: the one in the token)')
    .option('--keystore <store>', 'keychain, tpm, pkcs11, file, or a pkcs11: URI (default: what the host has)')
    .addOption(new Option('--scope <scope>', 'whom it serves').choices(['machine', 'user']))
    .option('--passphrase-fd <n>', 'read the passphrase of a file key from this descriptor')
    .option('--pin-fd <n>', 'read the PIN of a key in the TPM or on a token from this descriptor')
    .option('--cert <file>', "certificate of a third party's CA (PEM)")
    .option('--key <file>', 'key of that certificate (PEM)')
    .option(
      '--username <name>',
      'enrol by username and password; the password is asked for or read from standard input',
    )
    .option('--fingerprint <sha256>', 'with a URL: the fingerprint of the certificate that the controller shows')
    .option('--jit', 'use short-lived session certificates towards routers')
    .action(async (source: string, options: Options) => {
      const request = await enrollRequest(source, options, cli);
      const question = { text: 'Passphrase that will protect the key', twice: true };
      const identity = await withPassphrase(cli, options.passphraseFd, question, (passphrase) => {
        const complete = passphrase === undefined ? request : { ...request, passphrase };
        return confirmed(complete, cli, options, (asked) =>
          withProgress(cli, 'enrolling', () =>
            cli.withEngineOr(
              options,
              (engine) => enrollForUser(asked, engine, options, cli),
              async () => (await cli.programs.openIdentities(cli.stateDirectory(options), passphrase)).enroll(asked),
            ),
          ),
        );
      });
      cli.print(options, identity, (view) => describe(view, cli));
    });
}

/**
 * Enrol; where nobody vouches for the certificate that a controller's address leads to, show it to the person and go on only at their word.
 * Without a terminal the failure stands, and says what to give.
 */
async function confirmed(
  request: EnrollRequest,
  cli: Cli,
  options: Options,
  enroll: (request: EnrollRequest) => Promise<IdentityView>,
): Promise<IdentityView> {
  try {
    return await enroll(request);
  } catch (error) {
    if (!isTunnelerError(error, 'ziti.controller.certificate') || request.fingerprint !== undefined) throw error;
    const { sha256, origin } = error.details;
    if (typeof sha256 !== 'string' || options.json === true) throw error;
    const shown = `No authority of this system vouches for ${String(origin)}. Its certificate has the SHA-256 fingerprint\n  ${sha256}\n`;
    const answer = await cli.terminal.ask(`${shown}Is that what the administrator says? [y/N] `);
    if (!/^y(es)?$/i.test(answer?.trim() ?? '')) throw error;
    return enroll({ ...request, fingerprint: sha256 });
  }
}

async function enrollRequest(source: string, options: Options, cli: Cli): Promise<EnrollRequest> {
  const url = /^https?:\/\//i.test(source);
  if (/^http:\/\//i.test(source)) throw usage('a controller is reached by https only');
  const text =
    url || isToken(source) ? source : source === '-' ? await cli.terminal.readInput() : await readSource(source);
  const password = options.username === undefined ? undefined : await typedPassword(cli);
  const pinDescriptor = parseDescriptor(options.pinFd, '--pin-fd');
  const pin = pinDescriptor === undefined ? undefined : await cli.programs.readPassphrase(pinDescriptor);
  const method: EnrollRequest['method'] = options.username !== undefined ? 'password' : url ? 'url' : 'token';
  return defined({
    source: method === 'token' ? bareToken(text) : text.trim(),
    method,
    ...nameOf(source, options),
    ...(options.keystore === undefined ? {} : { keystore: await withPinOf(options.keystore) }),
    scope: options.scope,
    pin,
    ...(options.cert === undefined ? {} : { certificate: await readPem(options.cert, '--cert') }),
    ...(options.key === undefined ? {} : { key: await readPem(options.key, '--key') }),
    username: options.username,
    password,
    jit: options.jit,
    fingerprint: options.fingerprint,
  });
}

/** The name given, else a token file's own; else the engine takes the token's. */
function nameOf(source: string, options: Options): { name?: string } {
  if (options.name !== undefined) return { name: options.name };
  if (isToken(source)) return {};
  const file = /^[A-Za-z0-9_-][A-Za-z0-9._@ -]{0,127}$/.exec(basename(source, '.jwt'))?.[0];
  return source === '-' || source.startsWith('https:') || file === undefined ? {} : { name: file };
}

async function readSource(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    // A secret that is no token in form may have been meant: what is long is not repeated.
    const { code = 'unreadable', message } = error as NodeJS.ErrnoException;
    throw usage(
      `cannot read the token: ${file.length > longestEchoed ? `its file is not to be read (${code})` : message}`,
    );
  }
}

async function readPem(file: string, option: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw usage(`${option}: ${(error as Error).message}`);
  }
}

/** A few lines about an identity that has just come to be. */
export function describe(identity: IdentityView, cli: Cli): string {
  const expires = identity.certExpiresAt;
  return `${identity.name} is enrolled\n${facts(
    [
      ['controller', identity.controller],
      ['key', identity.keystore],
      ['scope', identity.scope],
      ['certificate', expires === undefined ? undefined : `expires ${relative(expires, cli.clock.now())}`],
    ],
    cli.paint,
  )}`;
}
