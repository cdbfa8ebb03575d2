// `npm run dev`: watches main/ and app/, builds what changed (about two seconds) and runs the demo anew, whose console serves the window as it
// was just built. Arguments go on to the demo (`npm run dev -- --mode tun`). Ctrl-C ends both.
import { spawn, spawnSync } from 'node:child_process';
import { watch } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureBuilt, ensureInstalled } from './prepare.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
/** Editors write a file in several steps. */
const settleMs = 200;

ensureInstalled(root);
await ensureBuilt(root);
let demo = startDemo();
let pending;
let ending = false;
for (const folder of ['main', 'app']) {
  watch(join(root, folder), { recursive: true }, () => {
    clearTimeout(pending);
    pending = setTimeout(rebuild, settleMs);
  });
}
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    ending = true;
    demo.once('exit', () => process.exit(0));
    if (demo.exitCode === null) demo.kill('SIGINT');
    else process.exit(0);
  });
}

/** A build that fails leaves the demo as it is, with the compiler's words on the screen. */
function rebuild() {
  const { status } = spawnSync(process.execPath, [join(root, 'resources/scripts/build.mjs')], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0 || ending) return;
  const again = () => {
    if (!ending) demo = startDemo();
  };
  if (demo.exitCode !== null) return again();
  demo.once('exit', again);
  demo.kill('SIGINT');
}

function startDemo() {
  return spawn(process.execPath, [join(root, 'dist/culvert.mjs'), 'demo', ...process.argv.slice(2)], {
    cwd: root,
    stdio: 'inherit',
  });
}
