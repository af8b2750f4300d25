import { execFile, spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { packPackage } from "./support/pack.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const sound = join(root, "samples", "zh-happy.wav");
const TEXT = "祝你生日快乐😊\n"; // samples/expected.jsonl

const scratch = mkdtempSync(join(tmpdir(), "sensevoice-package-"));
const app = join(scratch, "app");
const modules = join(app, "node_modules");
let packed: string[] = [];

const runIn = async (cwd: string, command: string, ...args: string[]) =>
  (await promisify(execFile)(command, args, { cwd, maxBuffer: 2 ** 24 })).stdout;

/**
 * Packs, and installs the tarball as npm does, but without a registry: its dependencies are those of this checkout. Only
 * what package.json declares is there to be found.
 */
beforeAll(async () => {
  const { tarball, files } = await packPackage(scratch);
  packed = files;
  const installed = join(modules, "sensevoice");
  mkdirSync(installed, { recursive: true });
  mkdirSync(join(modules, ".bin"));
  writeFileSync(join(app, "package.json"), '{ "private": true, "type": "module" }');
  await runIn(installed, "tar", "-xzf", tarball, "--strip-components=1");
  const { bin, dependencies } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
  for (const [name, path] of Object.entries<string>(bin)) {
    chmodSync(join(installed, path), 0o755);
    symlinkSync(join("..", "sensevoice", path), join(modules, ".bin", name));
  }
  for (const name of Object.keys(dependencies)) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(root, "node_modules", name), join(modules, name));
  }
}, 300_000);

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test("the tarball holds the build, the demonstration model and the texts, and nothing else", () => {
  const expected =
    /^(dist\/.+\.(js|d\.ts|wasm)|dist\/site\/[\w./-]+\.(html|css|svg|json|wav)|weights\/tiny\/[^/]+|package\.json|README\.md|LICENSE|THIRD-PARTY-NOTICES\.md)$/;
  expect(packed.filter((path) => !expected.test(path))).toEqual([]);
  const needed = [
    ...[
      "dist/node.js",
      "dist/node.d.ts",
      "dist/nodeEntry.js",
      "dist/browser.js",
      "dist/workerEntry.js",
      "dist/workerEntry.d.ts",
      "dist/workerProgram.js",
      "dist/tensorEntry.js",
      "dist/cli/main.js",
      "dist/audio/fbank.wasm",
      "README.md",
      "LICENSE",
      "THIRD-PARTY-NOTICES.md",
    ],
    ...["config.json", "model.safetensors", "tokenizer.model"].map((name) => `weights/tiny/${name}`),
  ];
  expect(needed.filter((path) => !packed.includes(path))).toEqual([]);
});

test("npx sensevoice FILE", async () => {
  const args = ["--no-install", "sensevoice", "--device", "cpu", "--model", "tiny", sound];
  expect(await runIn(app, "npx", ...args)).toBe(TEXT);
});

test("npx sensevoice serve", async () => {
  const main = join(modules, ".bin", "sensevoice");
  const child = spawn(main, ["serve", "--device", "cpu", "--model", "tiny", "--port", "0"], { cwd: app });
  const line = await new Promise<string>((resolve) => child.stdout.once("data", (chunk) => resolve(String(chunk))));
  const body = new FormData();
  body.append("file", new Blob([readFileSync(sound)]));
  body.append("format", "text");
  const address = /^listening on (http:\/\/127\.0\.0\.1:\d+)\n$/.exec(line)?.[1];
  expect(await (await fetch(`${address}/`)).text()).toContain("<title>SenseVoice</title>");
  expect((await fetch(`${address}/weights/tiny/config.json`)).status).toBe(200);
  const answer = await fetch(`${address}/v1/transcribe`, { method: "POST", body });
  expect(await answer.text()).toBe(TEXT);
  child.kill("SIGTERM");
  expect(await new Promise((resolve) => child.once("exit", resolve))).toBe(0);
});

test('import { createEngine, readAudio } from "sensevoice"', async () => {
  const script = `
    import { createEngine, readAudio } from "sensevoice";
    const engine = await createEngine({ device: "cpu" });
    console.log((await engine.run(await readAudio(process.argv[2]))).text);
    await engine.close();`;
  writeFileSync(join(app, "use.mjs"), script);
  expect(await runIn(app, process.execPath, "use.mjs", sound)).toBe(TEXT);
});

test("its types need no more than those of Node, or of the browser", async () => {
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
  const inWorker = `
    import { createEngine, listModels, type RemoteEngine, type Segment } from "sensevoice/worker";
    const engine: RemoteEngine = await createEngine({ model: "tiny", keep: "mine" });
    export const segments: AsyncGenerator<Segment> = engine.transcribe(new Blob([]));
    export const bytes: readonly number[] = (await listModels()).map(({ bytes }) => bytes);`;
  writeFileSync(join(app, "worker.mts"), inWorker);
  const tsc = join(root, "node_modules", ".bin", "tsc");
  const strict = "--ignoreConfig --noEmit --strict --module nodenext --skipLibCheck false".split(" ");
  const node = ["--target", "es2023", "--lib", "es2023", "--types", "node"];
  const types = ["--typeRoots", join(root, "node_modules", "@types")];
  await expect(runIn(app, tsc, ...strict, ...node, ...types, "use.mts")).resolves.toBe("");
  const browser = ["--target", "esnext", "--lib", "esnext,dom", "--types", ""];
  await expect(runIn(app, tsc, ...strict, ...browser, "use.mts", "worker.mts")).resolves.toBe("");
});
