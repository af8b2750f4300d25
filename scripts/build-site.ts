/**
 * Builds the page: `npm run site`. The result, `dist-site/`, is static: it can lie under any path of any server. Where that
 * sends no `Cross-Origin-Opener-Policy: same-origin` and `Cross-Origin-Embedder-Policy: require-corp`, the page's service
 * worker adds them. Names of scripts carry a hash of their contents, so that a server may let browsers keep them.
 *
 *     npx tsx scripts/build-site.ts [FOLDER] [--without-model]      # the package has the model elsewhere
 */
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";
import { demoSound } from "./site/demoSound.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** @param site the folder to write; what was there is gone */
export async function buildSite(site = join(root, "dist-site"), withModel = true): Promise<void> {
  rmSync(site, { recursive: true, force: true });
  mkdirSync(join(site, "assets"), { recursive: true });
  const [script] = await bundle(join(root, "web/main.ts"), join(site, "assets"));
  const [style] = await bundle(join(root, "web/style/page.css"), join(site, "assets"));
  const page = readFileSync(join(root, "web/index.html"), "utf8");
  writeFileSync(
    join(site, "index.html"),
    page.replace("{style}", `assets/${style}`).replace("{script}", `assets/${script}`),
  );
  cpSync(join(root, "web/icon.svg"), join(site, "icon.svg"));
  writeFileSync(join(site, "web.json"), `${JSON.stringify({ service: false })}\n`);
  for (const name of withModel ? ["config.json", "model.safetensors", "tokenizer.model"] : []) {
    cpSync(join(root, "weights/tiny", name), join(site, "weights/tiny", name));
  }
  writeFileSync(join(site, "demo.wav"), await demoSound());
  await bundleServiceWorker(site);
}

/** What keeps the page's files in the browser: all but the model, which the engine keeps, and the example. */
async function bundleServiceWorker(site: string): Promise<void> {
  const files = readdirSync(site, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => relative(site, join(parentPath, name)).replaceAll("\\", "/"))
    .filter((name) => !/^weights\/|^(web\.json|demo\.wav)$/.test(name))
    .sort();
  const isMore = (name: string) => /^assets\/(decode-|flac-|quantize-|kernels-|funasr-|open-|live-)/.test(name);
  const hash = createHash("sha256");
  for (const name of files) hash.update(name).update(readFileSync(join(site, name)));
  await build({
    entryPoints: [join(root, "web/serviceWorker.ts")],
    bundle: true,
    minify: true,
    target: "es2022",
    outfile: join(site, "sw.js"),
    define: {
      FILES: JSON.stringify(files.filter((name) => !isMore(name))),
      MORE: JSON.stringify(files.filter(isMore)),
      VERSION: JSON.stringify(hash.digest("hex").slice(0, 16)),
    },
    logLevel: "warning",
  });
}

/** Bundles a script or a style sheet. @returns the names of what it became, the entry's first */
async function bundle(entry: string, folder: string): Promise<string[]> {
  const { metafile } = await build({
    entryPoints: [entry],
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    minify: true,
    sourcemap: false,
    legalComments: "none",
    outdir: folder,
    entryNames: "[name]-[hash]",
    chunkNames: "[name]-[hash]",
    plugins: [emitUrls(folder)],
    external: ["webgpu"],
    metafile: true,
    absWorkingDir: root,
    logLevel: "warning",
  });
  const outputs = Object.entries(metafile.outputs);
  const first = outputs.find(([, { entryPoint }]) => entryPoint === relative(root, entry))?.[0];
  return [first!, ...outputs.map(([path]) => path).filter((path) => path !== first)].map((path) => basename(path));
}

/** Scripts and WASM files that a script names by `new URL("./name", import.meta.url)` are put beside it. */
function emitUrls(folder: string): Plugin {
  const emitted = new Map<string, Promise<string>>();
  const emit = (path: string) => {
    let name = emitted.get(path);
    if (!name) {
      name = /\.[jt]s$/.test(path) ? bundle(path, folder).then(([first]) => first) : copyHashed(path, folder);
      emitted.set(path, name);
    }
    return name;
  };
  return {
    name: "emit-urls",
    setup({ onLoad }) {
      onLoad({ filter: /\/(src|web)\/.*\.ts$/ }, async ({ path }) => {
        let contents = readFileSync(path, "utf8");
        for (const [whole, name] of contents.matchAll(/new URL\("(\.[^"]+\.(?:[jt]s|wasm))", import\.meta\.url\)/g)) {
          const file = await emit(join(dirname(path), name));
          contents = contents.replace(whole, `new URL("./${file}", import.meta.url)`);
        }
        return { contents, loader: "ts" };
      });
    },
  };
}

async function copyHashed(path: string, folder: string): Promise<string> {
  const bytes = readFileSync(path);
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 8);
  const name = basename(path).replace(/(\.\w+)$/, `-${hash}$1`);
  writeFileSync(join(folder, name), bytes);
  return name;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [folder] = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
  await buildSite(folder, !process.argv.includes("--without-model"));
}
