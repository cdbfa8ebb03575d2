/** A session bus of its own with gnome-keyring on it, unlocked, for tests: the real Secret Service, and nobody's real secrets. */
import { existsSync } from 'node:fs';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toolsMissing } from './tools.ts';
import { until } from './until.ts';

export const softKeyringMissing = (): string | undefined =>
  toolsMissing('gnome-keyring-daemon', 'dbus-daemon', 'gdbus', 'secret-tool');

export interface SoftKeyring extends AsyncDisposable {
  /** For the programs that shall use it. */
  readonly env: Readonly<Record<string, string>>;
  /** Lock the collection, as a screen saver or the user does. */
  lock(): void;
  /** The user signs in again. */
  unlock(): Promise<void>;
}

/** @param owner whose it is, where root starts it for somebody else. */
export async function startSoftKeyring(
  owner: { readonly uid?: number; readonly gid?: number } = {},
): Promise<SoftKeyring> {
  const home = await mkdtemp(join(tmpdir(), 'culvert-keyring-'));
  if (owner.uid !== undefined && owner.gid !== undefined) await chown(home, owner.uid, owner.gid);
  const base = { ...process.env, HOME: home, XDG_RUNTIME_DIR: home, XDG_DATA_HOME: join(home, 'data') };
  const bus = spawn('dbus-daemon', ['--session', '--nofork', '--print-address=1'], {
    ...owner,
    env: base,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let address = '';
  bus.stdout.on('data', (chunk: Buffer) => (address += chunk.toString()));
  await until(() => address.includes('\n'));
  const env = {
    HOME: home,
    XDG_RUNTIME_DIR: home,
    XDG_DATA_HOME: join(home, 'data'),
    DBUS_SESSION_BUS_ADDRESS: address.trim(),
  };
  const start = async (): Promise<ChildProcess> => {
    const daemon = spawn('gnome-keyring-daemon', ['--foreground', '--unlock', '--components=secrets'], {
      ...owner,
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    daemon.stdin.end('a passphrase\n');
    let said = '';
    daemon.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await until(() => said.includes('GNOME_KEYRING_CONTROL') || existsSync(join(home, 'keyring', 'control')), 15_000);
    return daemon;
  };
  let daemon = await start();
  return {
    env,
    lock: () => {
      const service = ['--dest', 'org.freedesktop.secrets', '--object-path', '/org/freedesktop/secrets'];
      const method = [
        '--method',
        'org.freedesktop.Secret.Service.Lock',
        "['/org/freedesktop/secrets/collection/login']",
      ];
      execFileSync('gdbus', ['call', '--session', ...service, ...method], {
        ...owner,
        env: { ...process.env, ...env },
      });
    },
    async unlock() {
      await stopped(daemon);
      daemon = await start();
    },
    async [Symbol.asyncDispose]() {
      await stopped(daemon);
      await stopped(bus);
      await rm(home, { recursive: true, force: true });
    },
  };
}

function stopped(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) {
      resolve();
      return;
    }
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
  });
}
