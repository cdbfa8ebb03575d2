// `npm run bench [-- PART…]`: builds, then measures Culvert beside OpenZiti's Go tunnelers on this machine.
import { spawnSync } from 'node:child_process';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureBuilt, ensureInstalled } from './prepare.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
ensureInstalled(root);
await ensureBuilt(root);
const { build } = await import('esbuild');
// Beside the support modules, which find their files from where they stand.
const bundle = join(root, 'test', 'support', '.bench.mjs');
await build({
  entryPoints: [join(root, 'test', 'bench', 'main.ts')],
  outfile: bundle,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  packages: 'external',
  logLevel: 'warning',
});
// Many idle connections need many descriptors at both ends.
const shell = `ulimit -n "$(ulimit -Hn)"; exec "$0" "$@"`;
const { status } = spawnSync('bash', ['-c', shell, process.execPath, bundle, ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
});
process.exit(status ?? 1);
