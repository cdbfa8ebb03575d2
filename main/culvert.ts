#!/usr/bin/env node
/** The program `culvert`: the command line, and lazily behind it whatever a verb needs. The only file that sees command line and engine. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import packageFile from '../package.json' with { type: 'json' };
import type { Backends } from './cli/backends.ts';

const { version } = packageFile;
const here = fileURLToPath(new URL('.', import.meta.url));

/** What works without an engine works for its person alone. Throws `engine.not_permitted`. */
async function requirePerson(stateDirectory: string): Promise<void> {
  const { requirePerson: require } = await import('./engine/offline/authority.ts');
  await require(stateDirectory);
}

const programs: Backends = {
  async agents() {
    const { agentBackend } = await import('./sandbox/agent-backend.ts');
    const { lastSettingsFile } = await import('./engine/runtime/lineage-record.ts');
    return agentBackend([process.execPath, fileURLToPath(import.meta.url)], requirePerson, lastSettingsFile);
  },
  learning: () => import('./learning/learning.ts'),
  version,
  directory: here,
  async runEngine(options) {
    const { openEngine } = await import('./engine/compose.ts');
    return openEngine({
      ...options,
      version,
      ...(options.logFile === undefined ? { logDescriptor: 2 } : {}),
      consoleListener: async (deps) => {
        const { openConsole } = await import('./console/console.ts');
        return openConsole({ ...deps, assetsDir: join(here, 'app') });
      },
    });
  },
  async openOverlay({ listen, directory, release, seed }) {
    const { openOverlay, readOverlayRelease } = await import('./overlay/overlay.ts');
    const { seedOverlay } = await import('./overlay/seed.ts');
    const overlay = await openOverlay({
      ...(listen === undefined ? {} : { listen: `${listen.host}:${listen.port}` }),
      ...(directory === undefined ? {} : { dir: directory }),
      ...(release === undefined ? {} : { release: readOverlayRelease(release) }),
    });
    try {
      const seeded = seed === undefined ? undefined : await seedOverlay(overlay, seed, directory ?? process.cwd());
      return {
        controller: overlay.controller,
        router: overlay.router,
        tokens: seeded?.tokens ?? {},
        [Symbol.asyncDispose]: () => overlay.close(),
      };
    } catch (error) {
      await overlay.close();
      throw error;
    }
  },
  async readPassphrase(fileDescriptor) {
    const { readPassphrase } = await import('./identity/passphrase.ts');
    return readPassphrase({ credentialsDirectory: process.env['CREDENTIALS_DIRECTORY'], fileDescriptor });
  },
  async userKeychain() {
    const { userKeychain } = await import('./identity/keystore/keychain-keystore.ts');
    return userKeychain();
  },
  async openIdentities(stateDirectory, passphrase) {
    await requirePerson(stateDirectory);
    const { offlineIdentities } = await import('./engine/offline/offline.ts');
    return offlineIdentities(stateDirectory, passphrase);
  },
  async openSecrets(stateDirectory, passphrase) {
    await requirePerson(stateDirectory);
    const { offlineSecrets } = await import('./engine/hosting/secrets.ts');
    return offlineSecrets(stateDirectory, passphrase);
  },
  async verifyAudit(stateDirectory, answer, passed) {
    await requirePerson(stateDirectory);
    const { offlineVerify } = await import('./engine/offline/offline.ts');
    return offlineVerify(stateDirectory, answer, passed);
  },
  async searchAudit(stateDirectory, query) {
    await requirePerson(stateDirectory);
    const { offlineSearch } = await import('./engine/offline/offline.ts');
    return offlineSearch(stateDirectory, query);
  },
  async *exportAudit(stateDirectory, format, query) {
    await requirePerson(stateDirectory);
    const { offlineExport } = await import('./engine/offline/offline.ts');
    yield* offlineExport(stateDirectory, { format, query, version });
  },
  async repair(stateDirectory) {
    await requirePerson(stateDirectory);
    const { offlineRepair } = await import('./engine/offline/offline.ts');
    return offlineRepair(stateDirectory);
  },
  async checkPolicy(stateDirectory) {
    await requirePerson(stateDirectory);
    const { offlineCheckPolicy } = await import('./engine/offline/offline.ts');
    return offlineCheckPolicy(stateDirectory);
  },
  async policyDirectory(stateDirectory) {
    await requirePerson(stateDirectory);
    const { offlinePolicyDirectory } = await import('./engine/offline/offline.ts');
    return offlinePolicyDirectory(stateDirectory);
  },
  async doctor(stateDirectory, engine) {
    await requirePerson(stateDirectory);
    const { doctor } = await import('./engine/offline/doctor.ts');
    return doctor(stateDirectory, engine);
  },
  async showConfig(stateDirectory, file) {
    await requirePerson(stateDirectory);
    const { settingsFile, showSettings } = await import('./engine/offline/settings-file.ts');
    return showSettings(await settingsFile(stateDirectory, file));
  },
  async checkConfig(stateDirectory, file) {
    await requirePerson(stateDirectory);
    const { checkSettings, settingsFile } = await import('./engine/offline/settings-file.ts');
    return checkSettings(await settingsFile(stateDirectory, file), file !== undefined);
  },
  async setConfig(stateDirectory, given, name, value) {
    await requirePerson(stateDirectory);
    const { setSetting, settingsFile } = await import('./engine/offline/settings-file.ts');
    const file = await settingsFile(stateDirectory, given);
    await setSetting(file, name, value);
    return file;
  },
  async installService(options) {
    const { installService } = await import('./service/service.ts');
    return installService(options);
  },
  async uninstallService(options) {
    const { uninstallService } = await import('./service/service.ts');
    return uninstallService(options);
  },
  async bundle(stateDirectory, redaction) {
    await requirePerson(stateDirectory);
    const { offlineBundle } = await import('./engine/offline/offline.ts');
    return offlineBundle(stateDirectory, redaction, version);
  },
};

/** The whole of the command line, but for the one question that needs none of it. */
async function answer(args: readonly string[]): Promise<number> {
  if (args.length === 1 && (args[0] === '--version' || args[0] === '-V')) {
    process.stdout.write(`${version}\n`);
    return 0;
  }
  const [{ runCommandLine }, { nodeTerminal }] = await Promise.all([
    import('./cli/command-line.ts'),
    import('./cli/node-terminal.ts'),
  ]);
  return runCommandLine(args, { programs, terminal: nodeTerminal, signal: abort.signal });
}

const abort = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => abort.abort());
// A reader that went away (`culvert sessions | head`) ends the program, not with a stack.
process.stdout.on('error', () => process.exit(0));

process.exitCode = await answer(process.argv.slice(2));
// Everything is closed by now; a handle some library forgot must not keep a finished verb alive.
process.exit();
