import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = fileURLToPath(new URL("../", import.meta.url));
const sound = join(root, "samples", "zh-happy.wav");
const TEXT = "祝你生日快乐😊\n"; // samples/expected.jsonl

const scratch = mkdtempSync(join(tmpdir(), "sensevoice-package-"));
const app = join(scratch, "app");
let packed: string[] = [];
let offline = false;

const runIn = async (cwd: string, command: string, ...args: string[]) =>
  (await promisify(execFile)(command, args, { cwd, maxBuffer: 2 ** 24 })).stdout;

beforeAll(async () => {
  mkdirSync(app);
  const json = await runIn(root, "npm", "pack", "--json", "--pack-destination", scratch); // builds first
  const [{ filename, files }] = JSON.parse(json.slice(json.indexOf("[\n")));
  packed = files.map(({ path }: { path: string }) => path);
  writeFileSync(join(app, "package.json"), '{ "private": true, "type": "module" }');
  const quiet = ["--prefer-offline", "--no-audit", "--no-fund"];
  await runIn(app, "npm", "install", ...quiet, join(scratch, filename)).catch((error) => {
    offline = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENOTCACHED/.test(error.stderr);
    if (!offline) throw error;
  });
}, 300_000);

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A test of the installed package, shown as skipped where its dependencies cannot be had. */
const installedTest = (name: string, body: () => Promise<void>) =>
  test(name, async ({ skip }) => {
    skip(offline, "the package registry cannot be reached");
    await body();
  });

test("the tarball holds the build, the demonstration model and the texts, and nothing else", () => {
  const expected = /^(dist\/.+\.(js|d\.ts|wasm)|weights\/tiny\/[^/]+|package\.json|README\.md|LICENSE)$/;
  expect(packed.filter((path) => !expected.test(path))).toEqual([]);
  const needed = [
    ...["dist/node.js", "dist/node.d.ts", "dist/cli/main.js", "README.md", "LICENSE"],
    ...["config.json", "model.safetensors", "tokenizer.model"].map((name) => `weights/tiny/${name}`),
  ];
  expect(needed.filter((path) => !packed.includes(path))).toEqual([]);
});

installedTest("npx sensevoice FILE", async () => {
  const args = ["--no-install", "sensevoice", "--device", "cpu", "--model", "tiny", sound];
  expect(await runIn(app, "npx", ...args)).toBe(TEXT);
});

installedTest('import { createEngine, readAudio } from "sensevoice"', async () => {
  const script = `
    import { createEngine, readAudio } from "sensevoice";
    const engine = await createEngine({ device: "cpu" });
    console.log((await engine.run(await readAudio(process.argv[2]))).text);
    await engine.close();`;
  writeFileSync(join(app, "use.mjs"), script);
  expect(await runIn(app, process.execPath, "use.mjs", sound)).toBe(TEXT);
});

installedTest("its types need no more than those of Node, or of the browser", async () => {
  const script = `
    import { createEngine, readAudio, type Emotion, type EngineOptions, type Transcript } from "sensevoice";
    const options: EngineOptions = { model: "tiny", device: "cpu" };
    const engine = await createEngine(options);
    const transcript: Transcript = await engine.run(await readAudio("a.wav"), { language: "zh" });
    export const emotion: Emotion = transcript.emotion;
    export const starts: readonly number[] = (transcript.words ?? []).map(({ start }) => start);
    // @ts-expect-error: there is no such device
    await createEngine({ device: "tpu" });`;
  writeFileSync(join(app, "use.mts"), script);
  const tsc = join(root, "node_modules", ".bin", "tsc");
  const strict = "--ignoreConfig --noEmit --strict --module nodenext --skipLibCheck false".split(" ");
  const node = ["--target", "es2023", "--lib", "es2023", "--types", "node"];
  const types = ["--typeRoots", join(root, "node_modules", "@types")];
  await expect(runIn(app, tsc, ...strict, ...node, ...types, "use.mts")).resolves.toBe("");
  const browser = ["--target", "esnext", "--lib", "esnext,dom", "--types", ""];
  await expect(runIn(app, tsc, ...strict, ...browser, "use.mts")).resolves.toBe("");
});
