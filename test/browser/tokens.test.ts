import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createEngine, readAudio } from "../../src/node.ts";
import { buildSite, evalClips, openBrowser, openPage, removeFolder, root, serveSite } from "./support.ts";

const clips = evalClips();
let site: string;
let server: Awaited<ReturnType<typeof serveSite>>;
let chromium: Awaited<ReturnType<typeof openBrowser>>;
let expected: (readonly number[])[];
const asked = new Set<string>();

beforeAll(async () => {
  [site, chromium] = [await buildSite(), await openBrowser()];
  server = await serveSite({
    folders: [site, root],
    answer: (path) => {
      asked.add(path);
      return false;
    },
  });
  await using engine = await createEngine({ model: "tiny", device: "cpu", threads: 1, weights: "f16" });
  expected = [];
  for (const { path } of clips) expected.push((await engine.run(await readAudio(join(root, path)))).tokens);
});

afterAll(async () => {
  if (typeof chromium !== "string") await chromium.close();
  await server.close();
  removeFolder(site);
});

const CASES = [
  { entry: "here", device: "cpu", threads: 1, described: "1 thread" },
  { entry: "remote", device: "cpu", threads: 2, described: "2 threads" },
  { entry: "remote", device: "webgpu", threads: undefined, described: "swiftshader" },
] as const;

test.for(CASES)("20 clips on $device, $described, from $entry: Node's tokens", async (options, context) => {
  if (typeof chromium === "string") return context.skip(`Chromium: ${chromium}`);
  expect(clips).toHaveLength(20);
  const page = await openPage(chromium.browser, server.address);
  const { tokens, description } = await page.evaluate(
    async ({ paths, entry, device, threads }) => {
      const engine = await globalThis[entry].createEngine({ model: "tiny", device, threads, weights: "f16" });
      const tokens = [];
      for (const path of paths) tokens.push((await engine.run(await here.readAudio(`/${path}`))).tokens);
      const description = engine.deviceDescription;
      await engine.close();
      return { tokens, description };
    },
    { ...options, paths: clips.map(({ path }) => path) },
  );
  expect(description).toContain(options.described);
  expect(tokens).toEqual(expected);
  expect(asked).toContain("/fbank.wasm");
  await page.close();
});
