/**
 * The desktop as a package: laid out by electron-builder with the Electron that the registry has, packed by the project's own script, installed
 * beside the headless package, whose engine and Node it stands on, and started as somebody's own.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDesktop, type Desktop } from '../support/electron/desktop.ts';
import { openInspectedPage } from '../support/electron/inspected-page.ts';
import { brought, installApp, oldElectronMissing } from '../support/electron/old-electron.ts';
import { openPerson, type Person } from '../support/electron/person.ts';
import runtime from '../support/electron/runtime.json' with { type: 'json' };
import { openEmbeddedNetwork } from '../support/embedded-network.ts';
import type { Network } from '../support/network.ts';
import { mustSkip } from '../support/optional.ts';
import { addonMissing, toolsMissing } from '../support/tools.ts';
import { until } from '../support/until.ts';
import { ThrowAwaySystem, throwAwaySystemMissing } from './support/throw-away-system.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'culvert-desktop-package-'));
const missing = oldElectronMissing() ?? toolsMissing('dpkg-deb') ?? addonMissing() ?? throwAwaySystemMissing(directory);

function packed(script: string, ...args: readonly string[]): void {
  const own = [`resources/scripts/${script}`, '--out', directory, '--compression', 'none', ...args];
  const { status, stderr } = spawnSync(process.execPath, own, { cwd: project, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${script}: ${stderr}`);
}

describe.skipIf(mustSkip(missing))('the Debian package of the desktop', () => {
  let system: ThrowAwaySystem;
  let person: Person;
  let desktop: Desktop;
  let network: Network & AsyncDisposable;
  let shell: ChildProcess | undefined;

  beforeAll(async () => {
    await installApp(join(directory, 'app'));
    packed('package-deb.mjs');
    const electron = ['--electron', brought, '--electron-version', runtime.electron];
    packed('package-desktop.mjs', '--app', join(directory, 'app'), ...electron);
    system = new ThrowAwaySystem(directory, { shared: true });
    person = await openPerson();
    [desktop, network] = await Promise.all([openDesktop(person), openEmbeddedNetwork()]);
  }, 180_000);
  afterAll(async () => {
    shell?.kill('SIGTERM');
    await desktop?.[Symbol.asyncDispose]();
    system?.[Symbol.dispose]();
    await network?.[Symbol.asyncDispose]();
    await person?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  }, 60_000);

  const inPackages = (program: string): string => person.as([program]).join(' ');

  it('installs beside the headless one, is found by links and token files, and keeps its program to itself', async () => {
    const installed = await system.run('dpkg --force-depends -i /packages/*.deb', 90_000);
    expect(installed).toContain('Setting up culvert-desktop');
    const entry = await system.run('cat /usr/share/applications/culvert-desktop.desktop');
    expect(entry).toContain('MimeType=application/jwt;x-scheme-handler/culvert;\n');
    expect(entry).toContain('Exec=/usr/bin/culvert-desktop %U\n');
    expect(await system.run("dpkg-query -W -f '${Depends}' culvert-desktop")).toMatch(
      /^\s*culvert \(>= [\d.]+\), libgtk-3-0/,
    );
    const files = await system.run('ls /usr/lib/culvert-desktop/resources');
    expect(files.trim().split('\n')).toContain('app.asar');
    expect(await system.run('find /usr/lib/culvert-desktop ! -user root -o -perm /o+w ! -type l')).toBe('');
  });

  it('starts as somebody’s own before their engine, and enrols', async () => {
    const { admin } = network;
    const { id, jwt } = await admin.createIdentity('package-person');
    const credentials = join(person.home, 'credentials');
    mkdirSync(credentials);
    writeFileSync(join(credentials, 'culvert-passphrase'), 'correct horse\n');
    for (const path of [credentials, join(credentials, 'culvert-passphrase')]) chownSync(path, person.uid, person.uid);
    const env = `env -i PATH=/usr/bin:/bin HOME=${person.home} CREDENTIALS_DIRECTORY=${credentials}`;
    const as = `${env} ${inPackages('/usr/bin/culvert')}`;
    const ready = join(person.home, 'ready');
    await system.run(`${as} run --mode proxy --proxy-listen 127.0.0.1:0 --json >${ready} 2>${ready}.log &
for try in $(seq 600); do grep -q ready ${ready} && exit 0; sleep 0.05; done; cat ${ready}.log; exit 1`);

    const profile = join(person.home, 'profile');
    const switches = ['--disable-gpu', '--remote-debugging-port=0', `--user-data-dir=${profile}`];
    const [file = '', ...args] = [...system.within(), ...person.as(['/usr/bin/culvert-desktop']), ...switches];
    shell = spawn(file, args, { env: desktop.env, stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    shell.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const port = (): string | undefined => /DevTools listening on ws:\/\/127\.0\.0\.1:(\d+)/.exec(said)?.[1];
    await until(() => port() !== undefined || shell?.exitCode !== null, 30_000);
    if (port() === undefined) throw new Error(said);
    using page = await openInspectedPage(Number(port()));
    await page.shows('Welcome to Culvert');
    await page.evaluate(`(() => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([${JSON.stringify(jwt)}], 'person.jwt', { type: 'application/jwt' }));
      document.body.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }));
    })()`);
    await page.press('Enrol');
    await page.shows('You are in');
    expect(await admin.certificateFingerprints(id)).toHaveLength(1);
    // Both as that user: the engine by the Node of its package, the shell by Electron.
    const processes = await system.run('ps -eo uid,args');
    expect(processes).toMatch(new RegExp(`^\\s*${person.uid} /usr/lib/culvert/node/bin/node .*culvert\\.mjs run`, 'm'));
    expect(processes).toMatch(new RegExp(`^\\s*${person.uid} \\S*culvert-desktop\\b`, 'm'));
  }, 90_000);
});
