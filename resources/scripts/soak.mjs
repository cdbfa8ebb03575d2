// `npm run soak [-- SECONDS]`: the nightly soak, twenty minutes unless told: a whole engine in `tun` mode under resets, half-closes, slow readers
// and router restarts. Needs root on Linux. CULVERT_NETWORK=embedded takes the embedded overlay instead of OpenZiti.
import { spawnSync } from 'node:child_process';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureBuilt, ensureInstalled } from './prepare.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
ensureInstalled(root);
await ensureBuilt(root);
const seconds = process.argv[2] ?? '1200';
const args = ['--no-install', 'vitest', 'run', '--config', 'test/vitest.config.ts', 'test/system/engine-soak.test.ts'];
const { status } = spawnSync('npx', args, {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, CULVERT_SOAK_SECONDS: seconds, CULVERT_REQUIRE_ALL: '1' },
});
process.exit(status ?? 1);
