/**
 * Culvert's shell in the Electron that fetch.mjs brings, packaged as its own: older than the one Culvert ships with, so the shell is bundled as
 * CommonJS for that one's Node and the window for its Chromium, with the few functions that both lack.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmod, cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, transform, type BuildOptions } from 'esbuild';
import { _electron, type ElectronApplication } from 'playwright-core';
import runtime from './runtime.json' with { type: 'json' };
import { buildWindow } from '../window/served-window.ts';
import { desktopMissing, type Desktop } from './desktop.ts';
import { openPerson, personMissing, type Person } from './person.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
/** Where the runtime is. */
export const brought = join(root, '.cache', `electron-${runtime.electron}`);
/** Node 18 and Chromium 114 lack these. Sources: nodejs.org/api/url.html, developer.mozilla.org/Web/JavaScript/Reference/Global_Objects/Symbol. */
const lacking = `
URL.canParse ??= (...given) => { try { new URL(...given); return true; } catch { return false; } };
Symbol.dispose ??= Symbol('dispose');
Symbol.asyncDispose ??= Symbol('asyncDispose');
`;

/** For `mustSkip`; undefined where the shell can be run. */
export function oldElectronMissing(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'needs Linux on x64';
  if (!existsSync(brought)) return 'needs Electron for tests (node test/support/electron/fetch.mjs)';
  const lacks = desktopMissing() ?? personMissing();
  if (lacks !== undefined) return lacks;
  return spawnSync('unshare', ['-U', 'true']).status === 0
    ? undefined
    : 'needs user namespaces, for Electron’s sandbox';
}

/** A person's machine with Culvert's desktop installed. */
export interface Installed extends AsyncDisposable {
  readonly person: Person;
  /** Start it with a driver for its window. Each start has the same profile, as one person's starts have. */
  launch(
    desktop: Desktop,
    args: readonly string[],
    env?: Readonly<Record<string, string>>,
  ): Promise<ElectronApplication>;
  /** Start it as the desktop does, for a link or a file. */
  start(desktop: Desktop, args: readonly string[]): ChildProcess;
}

/** @param updates where it looks for new versions; nowhere else is anything looked for. */
export async function installShell(updates: string): Promise<Installed> {
  const person = await openPerson();
  const place = join(person.home, '..', 'culvert-desktop');
  const executable = join(place, 'culvert-desktop');
  // What is brought stays as it is, also where it is only linked to.
  await cp(brought, place, { recursive: true, dereference: true });
  await cp(join(place, 'electron'), executable);
  await rm(join(place, 'electron'));
  await installApp(join(place, 'resources', 'app'));
  await writeFile(join(place, 'resources', 'app-update.yml'), `provider: generic\nurl: ${updates}\n`);
  const profile = [
    '--disable-gpu',
    `--user-data-dir=${join(person.home, 'profile')}`,
    '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
  ];
  // A wrapper, for the driver knows no users.
  const wrapper = join(place, 'as-person');
  await writeFile(wrapper, `#!/bin/sh\nexec ${person.as([executable]).join(' ')} "$@"\n`, { mode: 0o755 });
  return {
    person,
    launch: (desktop, args, env = {}) =>
      _electron.launch({
        executablePath: wrapper,
        args: [...profile, ...args],
        env: { ...desktop.env, ...env },
        cwd: person.home,
        chromiumSandbox: true,
        timeout: 30_000,
      }),
    start(desktop, args) {
      const [file = '', ...rest] = person.as([executable, ...profile, ...args]);
      return spawn(file, rest, { env: desktop.env, cwd: person.home, stdio: 'ignore' });
    },
    [Symbol.asyncDispose]: () => person[Symbol.asyncDispose](),
  };
}

interface Named {
  readonly version: string;
  readonly description: string;
}

/** What goes into a package of the shell, for an older Node and an older Chromium. */
export async function installApp(app: string): Promise<void> {
  await mkdir(app, { recursive: true });
  const common = {
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    target: 'node18',
    format: 'cjs',
    external: ['electron'],
    outExtension: { '.js': '.cjs' },
    logLevel: 'error',
  } satisfies BuildOptions;
  const here = "const culvertUrl = require('node:url').pathToFileURL(__filename).href;";
  await build({
    ...common,
    entryPoints: { main: 'main/shell/main.ts' },
    outdir: join(app, 'dist/shell'),
    define: { 'import.meta.url': 'culvertUrl' },
    banner: { js: `${here}${lacking}` },
  });
  await build({ ...common, entryPoints: { preload: 'main/shell/preload.ts' }, outdir: join(app, 'dist/shell') });
  // Found by name, as in a package.
  await build({
    ...common,
    entryPoints: { index: 'electron-updater' },
    outdir: join(app, 'node_modules/electron-updater'),
    outExtension: { '.js': '.js' },
  });
  const named = async (path: string): Promise<Named> => JSON.parse(await readFile(join(root, path), 'utf8')) as Named;
  const updater = await named('node_modules/electron-updater/package.json');
  const bundled = { name: 'electron-updater', version: updater.version, main: 'index.js' };
  await writeFile(join(app, 'node_modules/electron-updater/package.json'), JSON.stringify(bundled));
  const { version, description } = await named('package.json');
  const own = {
    ...{ name: 'culvert', productName: 'Culvert', version, description, author: 'The Culvert authors' },
    main: 'dist/shell/main.cjs',
    dependencies: { 'electron-updater': updater.version },
  };
  await writeFile(join(app, 'package.json'), JSON.stringify(own));
  await cp(join(root, 'resources/icons'), join(app, 'resources/icons'), { recursive: true });
  await cp(join(root, 'resources/update-keys.pem'), join(app, 'resources/update-keys.pem'));
  await using window = await buildWindow({ production: true });
  await cp(window.directory, join(app, 'dist/app'), { recursive: true });
  await chmod(join(app, 'dist/app'), 0o755); // it was somebody's own
  const assets = join(app, 'dist/app/assets');
  for (const name of await readdir(assets)) {
    const loader = name.endsWith('.js') ? 'js' : name.endsWith('.css') ? 'css' : undefined;
    if (loader === undefined) continue;
    const file = join(assets, name);
    const { code } = await transform(await readFile(file, 'utf8'), { loader, target: 'chrome114', minify: true });
    await writeFile(file, loader === 'js' ? `${lacking}${code}` : code);
  }
}
