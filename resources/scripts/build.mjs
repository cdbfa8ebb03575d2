// Builds everything that is built with npm's packages alone: the programs with esbuild, the window with Vite.
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { spawnSync } from 'node:child_process';
import { build } from 'esbuild';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
const dist = join(root, 'dist');
const stamp = join(dist, 'culvert.mjs');

/** CommonJS packages inside an ES module bundle still ask for `require`. */
const requireBanner =
  "import { createRequire as culvertCreateRequire } from 'node:module'; const require = culvertCreateRequire(import.meta.url);";

const common = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  sourcemap: true,
  logLevel: 'warning',
  // Packages stay in node_modules: several are native, and none need be parsed anew at each start.
  packages: 'external',
  loader: { '.node': 'copy' },
};

/** What every start needs is put into the program: finding it in node_modules takes longer than reading it. */
const bundledAtStart = {
  name: 'bundled-at-start',
  setup(builder) {
    const files = { commander: 'commander/esm.mjs', valibot: 'valibot/dist/index.mjs' };
    builder.onResolve({ filter: /^(commander|valibot)$/ }, ({ path }) => ({
      path: join(root, 'node_modules', files[path]),
      sideEffects: path === 'commander',
    }));
  },
};

rmSync(join(dist, 'chunks'), { recursive: true, force: true });
rmSync(stamp, { force: true }); // a build that fails half way must not look finished

// Lazy imports become chunks of their own: the overlay and the engine are loaded only by the verbs that ask for them.
await build({
  ...common,
  entryPoints: { culvert: 'main/culvert.ts' },
  outdir: 'dist',
  format: 'esm',
  splitting: true,
  entryNames: '[name]',
  chunkNames: 'chunks/[name]-[hash]',
  outExtension: { '.js': '.mjs' },
  banner: { js: requireBanner },
  metafile: true,
  plugins: [bundledAtStart],
}).then(({ metafile }) => writeFileSync(join(dist, 'culvert.meta.json'), JSON.stringify(metafile)));

if (existsSync(join(root, 'main/shell/main.ts'))) {
  const shell = { ...common, external: ['electron'] };
  await build({
    ...shell,
    entryPoints: { main: 'main/shell/main.ts' },
    outdir: 'dist/shell',
    format: 'esm',
    outExtension: { '.js': '.mjs' },
    banner: { js: requireBanner },
  });
  if (existsSync(join(root, 'main/shell/preload.ts'))) {
    // A sandboxed preload script is CommonJS and whole.
    await build({
      ...shell,
      packages: 'bundle',
      entryPoints: { preload: 'main/shell/preload.ts' },
      outdir: 'dist/shell',
      format: 'cjs',
      outExtension: { '.js': '.cjs' },
    });
  }
}

if (existsSync(join(root, 'app/vite.config.ts'))) {
  const vite = join(root, 'node_modules/vite/bin/vite.js');
  const { status } = spawnSync(
    process.execPath,
    [vite, 'build', '--config', 'app/vite.config.ts', '--logLevel', 'warn'],
    {
      cwd: root,
      stdio: 'inherit',
      // Whoever builds, from a test say, gets what is shipped: a development build names the files it was made from.
      env: { ...process.env, NODE_ENV: 'production' },
    },
  );
  if (status !== 0) process.exit(1);
}
