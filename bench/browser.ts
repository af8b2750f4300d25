/**
 * WASM in Chromium against Node, side by side: `npx tsx bench/browser.ts [--model FOLDER] [--rounds N]`. The same clips of
 * test/eval, the same threads, a round here and a round there in turn; the answers are compared before anything is timed.
 * Prints JSON: seconds for all clips, the best and the median round of each, and Chromium's as multiples of Node's.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createEngine, readAudio } from "../src/node.ts";
import { TINY } from "../src/weights/home.ts";
import { buildSite, evalClips, openBrowser, openPage, removeFolder, root, serveSite } from "../test/browser/support.ts";

const { values } = parseArgs({ options: { model: { type: "string" }, rounds: { type: "string", default: "7" } } });
const model = values.model ?? TINY;
const clips = evalClips();
const sounds = await Promise.all(clips.map(({ path }) => readAudio(join(root, path))));
const site = await buildSite();
const server = await serveSite({ folders: [site, ["/model/", model], root] });
const chromium = await openBrowser();
if (typeof chromium === "string") throw new Error(`Chromium: ${chromium}`);
const page = await openPage(chromium.browser, server.address);

const results = [];
for (const threads of [1, 2]) {
  const engine = await createEngine({ model, device: "cpu", threads });
  const inNode = async () => {
    const start = performance.now();
    const tokens = [];
    for (const pcm of sounds) tokens.push([...(await engine.run(pcm)).tokens]);
    return { seconds: (performance.now() - start) / 1000, tokens };
  };
  const options = { paths: clips.map(({ path }) => `/${path}`), threads };
  const handle = await page.evaluateHandle(async ({ paths, threads }) => {
    const engine = await remote.createEngine({ model: "/model/", keep: false, device: "cpu", threads });
    return { engine, sounds: await Promise.all(paths.map((path) => here.readAudio(path))) };
  }, options);
  const inChromium = () =>
    handle.evaluate(async ({ engine, sounds }) => {
      const start = performance.now();
      const tokens = [];
      for (const pcm of sounds) tokens.push([...(await engine.run(pcm)).tokens]);
      return { seconds: (performance.now() - start) / 1000, tokens };
    });
  assert.deepEqual((await inChromium()).tokens, (await inNode()).tokens); // and both are warm
  const seconds: Record<"node" | "chromium", number[]> = { node: [], chromium: [] };
  for (let round = 0; round < Number(values.rounds); round++) {
    seconds.node.push((await inNode()).seconds);
    seconds.chromium.push((await inChromium()).seconds);
  }
  const figures = (list: number[]) => {
    const sorted = list.toSorted((a, b) => a - b);
    return { best: sorted[0], median: sorted[sorted.length >> 1] };
  };
  const [node, browser] = [figures(seconds.node), figures(seconds.chromium)];
  const ratio = { best: browser.best / node.best, median: browser.median / node.median };
  const devices = {
    node: engine.deviceDescription,
    chromium: await handle.evaluate(({ engine }) => engine.deviceDescription),
  };
  results.push({ threads, devices, node, chromium: browser, ratio });
  await handle.evaluate(({ engine }) => engine.close());
  await engine.close();
}
const sound = sounds.reduce((sum, { length }) => sum + length, 0) / 16_000;
const versions = { node: process.version, chromium: chromium.browser.version() };
console.log(JSON.stringify({ clips: clips.length, sound, versions, results }, null, 2));
await chromium.close();
await server.close();
removeFolder(site);
