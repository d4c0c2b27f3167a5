import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

/** Where `npm run dev` finds a running server. */
const backend = process.env.MUSUBI_BACKEND ?? 'http://127.0.0.1:8080';

export default defineConfig({
  // Relative, so that one build works under any --base-path: the server
  // rewrites <base href> in index.html and everything else follows from it.
  base: './',
  plugins: [react()],
  build: {
    target: 'es2022',
    sourcemap: false,
    // Inlined data: URIs would need `font-src data:` in the content policy.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 600,
  },
  server: {
    proxy: { '/api': { target: backend, ws: true } },
  },
  test: {
    environment: 'happy-dom',
    include: ['src/**/*.test.{ts,tsx}'],
    setupFiles: ['src/test-setup.ts'],
  },
});
