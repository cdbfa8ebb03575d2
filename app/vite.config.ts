/** Builds the window to dist/app: relative addresses, no inline script or style, so that the strictest CSP holds. */
import react from '@vitejs/plugin-react';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig, type Plugin } from 'vite';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = `${root}dist`;

/** Leaves a list of the files that went in, for the bill of materials; a build to elsewhere is none that ships. */
const listInputs: Plugin = {
  name: 'list-inputs',
  writeBundle({ dir }, bundle) {
    if (dir !== `${dist}/app`) return;
    const inputs = Object.values(bundle).flatMap((part) => (part.type === 'chunk' ? part.moduleIds : []));
    writeFileSync(
      `${dist}/window.meta.json`,
      JSON.stringify(inputs.filter((id) => id.startsWith(root)).map((id) => id.slice(root.length))),
    );
  },
};

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  plugins: [react(), listInputs],
  build: {
    outDir: `${dist}/app`,
    emptyOutDir: true,
    target: 'chrome120',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
    // one page from this machine to this machine: split by screens it came up later, not sooner, for each request costs more than is saved
    chunkSizeWarningLimit: 1200,
  },
});
