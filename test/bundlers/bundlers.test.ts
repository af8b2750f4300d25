import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build as esbuild } from "esbuild";
import { build as vite } from "vite";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openBrowser, root, serveSite } from "../browser/support.ts";
import { packPackage } from "../support/pack.ts";

/** A page that imports the packed package, built by each bundler without a configuration, then run in Chromium. */

declare global {
  var hear: (address: string) => Promise<string[]>;
}

const bundlers = fileURLToPath(new URL("./", import.meta.url));
const installed = existsSync(join(bundlers, "node_modules/next"));
const run = promisify(execFile);
/** What a browser's bundle takes in. */
const NEEDED = ["@audio/decode-mp3", "@audio/decode-opus", "@audio/decode-vorbis", "@noble/hashes", "fft.js"];

let app: string;
let chromium: Awaited<ReturnType<typeof openBrowser>>;

/** Unpacks the package as npm would install it, in a folder below this one: Next.js follows no links out of it. */
beforeAll(async () => {
  if (!installed && process.env.REQUIRE_CHROMIUM === "1") {
    throw new Error("test/bundlers: not installed: npm --prefix test/bundlers install --no-package-lock");
  }
  app = mkdtempSync(join(bundlers, ".page-"));
  cpSync(join(bundlers, "page"), app, { recursive: true });
  const sensevoice = join(app, "node_modules/sensevoice");
  mkdirSync(sensevoice, { recursive: true });
  const { tarball } = await packPackage(app);
  await run("tar", ["-xzf", tarball, "--strip-components=1"], { cwd: sensevoice });
  for (const name of [...NEEDED, "@wasm-audio-decoders/flac"]) install(name);
  writeFileSync(join(app, "package.json"), '{ "private": true }');
  chromium = await openBrowser();
}, 300_000);

afterAll(async () => {
  rmSync(app, { recursive: true, force: true });
  if (typeof chromium === "object") await chromium.close();
});

/** Copies an installed package and those that it needs. */
function install(name: string): void {
  const [from, to] = [join(root, "node_modules", name), join(app, "node_modules", name)];
  if (existsSync(to)) return;
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to, { recursive: true, dereference: true });
  const { dependencies = {} } = JSON.parse(readFileSync(join(from, "package.json"), "utf8"));
  for (const needed of Object.keys(dependencies)) install(needed);
}

/** A site's folders by the paths under which they are served. */
type Site = readonly (readonly [path: string, folder: string])[];

const BUILDS: Readonly<Record<string, () => Promise<Site>>> = {
  async Vite() {
    await vite({ root: app, configFile: false, logLevel: "error", build: { outDir: "vite" } });
    return [["/", join(app, "vite")]];
  },
  async webpack() {
    const { webpack } = createRequire(join(bundlers, "package.json"))("webpack");
    await new Promise<void>((resolve, reject) => {
      const options = { context: app, mode: "production", output: { path: join(app, "webpack") } };
      webpack(options, (error: Error | null, stats: { hasErrors(): boolean; toString(): string }) => {
        if (error || stats.hasErrors()) reject(error ?? new Error(stats.toString()));
        else resolve();
      });
    });
    writeFileSync(
      join(app, "webpack/index.html"),
      '<!doctype html><meta charset="utf-8"><script defer src="main.js"></script>',
    );
    return [["/", join(app, "webpack")]];
  },
  // It neither builds Workers nor copies files that are named by an address: docs/browser.md.
  async esbuild() {
    const outdir = join(app, "esbuild");
    const dist = join(app, "node_modules/sensevoice/dist");
    await esbuild({
      entryPoints: [join(app, "src/index.js"), join(dist, "workerProgram.js")],
      ...{ outdir, entryNames: "[name]", bundle: true, splitting: true, format: "esm" },
    });
    for (const name of ["worker.js", "kernels.wasm", "kernels-relaxed.wasm"]) {
      cpSync(join(dist, "kernels/wasm", name), join(outdir, name));
    }
    cpSync(join(dist, "audio/fbank.wasm"), join(outdir, "fbank.wasm"));
    cpSync(join(dist, "../weights"), join(outdir, "weights"), { recursive: true });
    writeFileSync(
      join(outdir, "index.html"),
      '<!doctype html><meta charset="utf-8"><script type="module" src="index.js"></script>',
    );
    return [["/", outdir]];
  },
  async "Next.js"() {
    const next = join(bundlers, "node_modules/.bin/next");
    await run(next, ["build"], {
      cwd: app,
      env: { ...process.env, NODE_ENV: "production", NEXT_TELEMETRY_DISABLED: "1" },
    });
    return [
      ["/_next/", join(app, ".next")],
      ["/", join(app, ".next/server/app")],
    ];
  },
};

test.for(Object.keys(BUILDS))("%s builds a page without configuration", { timeout: 300_000 }, async (name, context) => {
  if (!installed) return context.skip("not installed: npm --prefix test/bundlers install --no-package-lock");
  const folders = await BUILDS[name]();
  if (typeof chromium === "string") return context.skip(`Chromium: ${chromium}`);
  const server = await serveSite({ folders: [...folders, ["/", root]] });
  const page = await chromium.browser.newPage();
  const failures: string[] = [];
  page.on("pageerror", (error) => failures.push(String(error)));
  try {
    await page.goto(server.address);
    await page.waitForFunction(() => globalThis.hear !== undefined);
    const heard = await page.evaluate(() => globalThis.hear("/samples/zh-happy.wav"));
    const described = expect.stringMatching(/2 threads$/);
    expect(heard).toEqual(["祝你生日快乐😊", described, "祝你生日快乐😊", described]);
    expect(failures).toEqual([]);
  } finally {
    await page.close();
    await server.close();
  }
});

test("examples/browser", { timeout: 100_000 }, async (context) => {
  if (typeof chromium === "string") return context.skip(`Chromium: ${chromium}`);
  const folder = join(app, "example");
  cpSync(join(root, "examples/browser"), folder, { recursive: true });
  await vite({ root: folder, configFile: false, logLevel: "error", build: { outDir: "built" } });
  const server = await serveSite({ folders: [["/", join(folder, "built")]] });
  const page = await chromium.browser.newPage();
  try {
    await page.goto(server.address);
    await page.setInputFiles("input", join(root, "samples/zh-happy.wav"));
    await page.waitForFunction(() => document.querySelector("output")?.textContent?.startsWith("done"));
    expect(await page.locator("li").allTextContents()).toEqual([expect.stringMatching(/^0\.\d s: 祝你生日快乐/)]);
  } finally {
    await page.close();
    await server.close();
  }
});
