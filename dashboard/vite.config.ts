/// <reference types="node" />
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

import { tanstackRouter } from "@tanstack/router-plugin/vite";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const STATIC = join(import.meta.dirname, "../src/gatefleet/admin/static");

/** Writes a .br and a .gz beside every text file, so that nothing is compressed while it is served. */
function precompressed(): Plugin {
  return {
    name: "precompressed",
    apply: "build",
    closeBundle() {
      const files = readdirSync(join(STATIC, "assets")).filter((name) => /\.(js|css|svg)$/.test(name));
      for (const name of files) {
        const path = join(STATIC, "assets", name);
        const text = readFileSync(path);
        if (text.length < 1024) continue;
        writeFileSync(`${path}.gz`, gzipSync(text, { level: 9 }));
        writeFileSync(`${path}.br`, brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }));
      }
    },
  };
}

export default defineConfig({
  plugins: [tanstackRouter({ target: "react", autoCodeSplitting: true, quoteStyle: "double" }), react(), precompressed()],
  resolve: { alias: { "@": join(import.meta.dirname, "src") } },
  // admin puts a fresh nonce in its place with each answer (Content-Security-Policy)
  html: { cspNonce: "GATEFLEET_NONCE" },
  build: {
    outDir: STATIC,
    emptyOutDir: true,
    target: "es2023",
    modulePreload: { polyfill: false },
    // the Content-Security-Policy knows no data: addresses for scripts and styles
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1500,
  },
  server: { port: 5173, proxy: { "/api": "http://127.0.0.1:7080", "/apisix": "http://127.0.0.1:7080" } },
});
