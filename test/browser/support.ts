import { cpSync, createReadStream, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { openChromium } from "../support/chromium.ts";

declare global {
  /** "sensevoice" and "sensevoice/worker" in a test's page. */
  var here: typeof import("../../src/browser.ts");
  var remote: typeof import("../../src/workerEntry.ts");
}

export const root = fileURLToPath(new URL("../../", import.meta.url));
const NAMED = [
  "kernels/wasm/worker.js",
  "kernels/wasm/kernels.wasm",
  "kernels/wasm/kernels-relaxed.wasm",
  "audio/fbank.wasm",
];
const TYPES: Readonly<Record<string, string>> = {
  ".js": "text/javascript",
  ".wasm": "application/wasm",
  ".html": "text/html",
  ".css": "text/css",
};

/** Bundles the package's two entries for a browser with esbuild into a new folder. */
export async function buildSite(): Promise<string> {
  const outdir = mkdtempSync(join(tmpdir(), "site-"));
  await build({
    entryPoints: ["browser.ts", "workerEntry.ts", "workerProgram.ts"].map((name) => join(root, "src", name)),
    ...{ outdir, bundle: true, splitting: true, format: "esm", target: "es2022" },
  });
  for (const path of NAMED) cpSync(join(root, "src", path), join(outdir, basename(path)));
  return outdir;
}

const PAGE = `<!doctype html><meta charset="utf-8"><title>test</title><link rel="icon" href="data:,">
<script type="module">
import * as here from "/browser.js";
import * as remote from "/workerEntry.js";
Object.assign(window, { here, remote });
</script>`;

export interface SiteOptions {
  /** Folders at the site's root, or at a path of it; the first that has a file serves it. */
  readonly folders: readonly (string | readonly [path: string, folder: string])[];
  /** Whether the headers are sent without which there are no threads. */
  readonly isolated?: boolean;
  /** Answers a request in another way; returns whether it did. */
  readonly answer?: (path: string, request: IncomingMessage, response: ServerResponse) => boolean;
}

/** Serves files with ranges; at `/` a page with both entries, unless a folder has its own. */
export async function serveSite({ folders, isolated = true, answer }: SiteOptions) {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "", "http://x").pathname);
    response.setHeader("cross-origin-resource-policy", "same-origin");
    if (isolated) {
      response.setHeader("cross-origin-opener-policy", "same-origin");
      response.setHeader("cross-origin-embedder-policy", "require-corp");
    }
    if (answer?.(path, request, response)) return;
    const file = folders
      .map((entry) => (typeof entry === "string" ? (["/", entry] as const) : entry))
      .filter(([at]) => path.startsWith(at))
      .map(([at, folder]) => join(folder, path === "/" ? "index.html" : path.slice(at.length)))
      .find(existsSync);
    if (file && statSync(file).isFile()) sendFile(file, request, response);
    else if (path === "/") response.setHeader("content-type", "text/html").end(PAGE);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `http://localhost:${(server.address() as AddressInfo).port}/`,
    close: () => new Promise((resolve) => server.close(resolve).closeAllConnections()),
  };
}

/** A file, or its bytes from `range` on. */
export function sendFile(file: string, { headers, method }: IncomingMessage, response: ServerResponse): void {
  const { size } = statSync(file);
  const start = Number(/^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1] ?? 0);
  response.setHeader("content-type", TYPES[extname(file)] ?? "application/octet-stream");
  response.setHeader("content-length", size - start);
  if (start > 0) response.writeHead(206, { "content-range": `bytes ${start}-${size - 1}/${size}` });
  if (method === "HEAD") response.end();
  else createReadStream(file, { start }).pipe(response);
}

/** Chromium with WebGPU, if this machine has it. */
export async function openBrowser(flags: readonly string[] = []) {
  return openChromium(["--enable-unsafe-webgpu", ...flags]);
}

/** A page with both entries; what goes wrong in it without being caught is an error of the test. */
export async function openPage(browser: Browser | BrowserContext, address: string): Promise<Page> {
  const page = await browser.newPage();
  page.on("pageerror", (error) => {
    throw error;
  });
  await page.goto(address);
  await page.waitForFunction(() => globalThis.remote !== undefined);
  return page;
}

export interface Clip {
  readonly key: string;
  readonly path: string;
}

/** Every tenth clip of test/eval. */
export function evalClips(): Clip[] {
  const lines = readFileSync(join(root, "test/eval/manifest.jsonl"), "utf8").trim().split("\n");
  const clips = lines.map((line) => {
    const { key, source } = JSON.parse(line) as { key: string; source: string };
    return { key, path: `test/eval/${source}` };
  });
  return clips.filter((_, i) => i % Math.floor(clips.length / 20) === 0).slice(0, 20);
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}
