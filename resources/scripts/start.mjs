// `npm start`: whatever is missing is installed and built, then the demo. Arguments go on to it (`npm start -- --once`).
import { spawn } from 'node:child_process';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureBuilt, ensureInstalled } from './prepare.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
ensureInstalled(root);
await ensureBuilt(root);

const demo = spawn(process.execPath, [join(root, 'dist', 'culvert.mjs'), 'demo', ...process.argv.slice(2)], {
  stdio: 'inherit',
});
// The terminal sends Ctrl-C to both; the demo cleans up and then ends, and so does this.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => demo.kill(signal));
demo.on('exit', (code) => process.exit(code ?? 1));
