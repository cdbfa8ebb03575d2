/** Builds the scene: the window over a fake engine, as one static page. */
import react from '@vitejs/plugin-react';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  plugins: [react()],
  build: {
    outDir: fileURLToPath(new URL('../../../dist/scene', import.meta.url)),
    emptyOutDir: true,
    target: 'chrome120',
  },
});
