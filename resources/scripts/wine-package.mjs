/** The Windows package as somebody gets it: unpacked and started, installed and taken away again, under Wine. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { unzipSync } from 'fflate';
import { drive, runWindows, startWindows } from './wine-place.mjs';

/** Every step by its name; a step throws where it fails. `root`: the checkout. */
export function packageSteps(root) {
  mkdirSync(drive, { recursive: true });
  const place = mkdtempSync(join(drive, 'culvert-package-'));
  const onDrive = (path) => `C:${path.slice(drive.length).replaceAll('/', '\\')}`;
  const packages = join(place, 'packages');
  const program = join(place, 'culvert', 'culvert.cmd');
  const installed = join(drive, 'Program Files', 'Culvert');
  const cmd = (...words) => runWindows('cmd', ['/c', ...words]);
  return {
    'is built on Linux': () => {
      const { status } = spawnSync(process.execPath, ['resources/scripts/package-win.mjs', '--out', packages], {
        cwd: root,
        stdio: 'inherit',
      });
      expect(status === 0, `package-win ended with ${status}`);
    },
    'is unpacked, and tells its version': () => {
      const zip = readdirSync(packages).find((name) => name.endsWith('.zip'));
      for (const [path, bytes] of Object.entries(unzipSync(readFileSync(join(packages, zip))))) {
        mkdirSync(dirname(join(place, path)), { recursive: true });
        writeFileSync(join(place, path), bytes);
      }
      const { code, out, err } = cmd(onDrive(program), 'version', '--json');
      expect(code === 0 && JSON.parse(out).platform === 'win32', `version: ${out}${err}`);
    },
    'starts an engine, which answers on its pipe and stops': async () => {
      const state = onDrive(join(place, 'state'));
      const words = ['run', '--mode', 'proxy', '--proxy-listen', '127.0.0.1:0', '--state', state, '--json'];
      const engine = startWindows('cmd', ['/c', onDrive(program), ...words]);
      try {
        await engine.saying((text) => text.includes('"ready":true'));
        const status = cmd(onDrive(program), 'status', '--state', state, '--json');
        expect(status.code === 0 && JSON.parse(status.out).mode === 'proxy', `status: ${status.out}${status.err}`);
      } finally {
        engine.stop();
      }
    },
    'will not be a service out of a place that others may change': () => {
      const { code, err } = cmd(onDrive(program), 'service', 'install', '--dry-run', '--json');
      expect(code === 1 && JSON.parse(err).error.code === 'engine.service_unreachable', `service: ${err}`);
    },
    'is installed by its installer, and taken away': async () => {
      const setup = readdirSync(packages).find((name) => name.endsWith('-setup.exe'));
      if (setup === undefined) return 'needs makensis (nsis)';
      runWindows(onDrive(join(packages, setup)), ['/S']);
      const { code, out } = cmd(onDrive(join(installed, 'culvert.cmd')), '--version');
      expect(code === 0 && out.trim() !== '', `--version: ${out}`);
      runWindows(onDrive(join(installed, 'uninstall.exe')), ['/S']);
      // It works by a copy of itself, which nobody waits for.
      for (let turn = 0; existsSync(installed) && turn < 600; turn += 1) await delay(100);
      expect(!existsSync(installed), 'the program is still there');
    },
    'leaves nothing here': () => rmSync(place, { recursive: true, force: true }),
  };
}

function expect(holds, otherwise) {
  if (!holds) throw new Error(otherwise);
}
