import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { buildSite, openBrowser, openPage, removeFolder, root, sendFile, serveSite } from "./support.ts";

const SIZE = 13_800_612;
const BYTES = SIZE + 13_944;
const TEXT = "祝你生日快乐😊";

let site: string;
let server: Awaited<ReturnType<typeof serveSite>>;
let chromium: Awaited<ReturnType<typeof openBrowser>>;
let context: BrowserContext;
/** What was asked for below /models, with the byte it began at. */
let asked: string[];
/** How a request for the weights is answered instead; "down": nothing below /models is. */
let weights: ((request: IncomingMessage, response: ServerResponse) => void) | "down" | undefined;

/** Below /models the server has the demonstration model, in any folder. */
function answer(path: string, request: IncomingMessage, response: ServerResponse): boolean {
  if (!path.startsWith("/models/")) return false;
  const range = request.headers.range?.replace("bytes=", "") ?? "";
  asked.push(`${request.method} ${path.split("/").at(-1)} ${range}`.trim());
  const file = join(root, "weights", path.replace("/models/", "").replace(/^[^/]+/, "tiny"));
  if (weights === "down") response.destroy();
  else if (weights && path.endsWith(".safetensors")) weights(request, response);
  else if (path.includes("/vad/")) response.writeHead(404).end();
  else sendFile(file, request, response);
  return true;
}

beforeAll(async () => {
  [site, chromium] = [await buildSite(), await openBrowser()];
  server = await serveSite({ folders: [site, root], answer });
});

beforeEach(async (test) => {
  [asked, weights] = [[], undefined];
  if (typeof chromium === "string") return test.skip(`Chromium: ${chromium}`);
  context = await chromium.browser.newContext();
});

afterEach(() => context?.close());

afterAll(async () => {
  if (typeof chromium !== "string") await chromium.close();
  await server.close();
  removeFolder(site);
});

/** What a page hears with a model, or the error's message; and the bytes that its progress told of. */
async function hear(
  page: Page,
  options: { model: string; keep?: boolean | string; vadModel?: string },
  entry = "here",
) {
  return page.evaluate(
    async ({ options, entry }) => {
      const downloaded: number[] = [];
      try {
        const engine = await globalThis[entry as "here"].createEngine({
          ...{ device: "cpu", threads: 1, ...options },
          onProgress: ({ task, done }) => void (task === "download" && downloaded.push(done)),
        });
        const { text } = await engine.run(await here.readAudio("/samples/zh-happy.wav"));
        await engine.close();
        return { text, downloaded };
      } catch (error) {
        return { text: String(error), downloaded };
      }
    },
    { options, entry },
  );
}

const model = "/models/tiny";
const open = () => openPage(context, server.address);
const list = (page: Page) => page.evaluate(async () => (await here.listModels()).map((m) => ({ ...m, date: +m.date })));
/** The files of the only model that is kept, by name. */
const kept = (page: Page) =>
  page.evaluate(async () => {
    const sizes: Record<string, number> = {};
    const models = await (await navigator.storage.getDirectory()).getDirectoryHandle("sensevoice-models");
    for await (const folder of (models as unknown as { values(): AsyncIterable<FileSystemDirectoryHandle> }).values()) {
      for await (const file of (folder as unknown as { values(): AsyncIterable<FileSystemFileHandle> }).values()) {
        sizes[file.name] = (await file.getFile()).size;
      }
    }
    return sizes;
  });

test.for(["here", "remote"])(
  "%s: a model is fetched once, listed, used without the network, removed",
  async (entry) => {
    const page = await open();
    const address = new URL("/models/tiny", server.address).href;
    const first = await hear(page, { model }, entry);
    expect(first.text).toBe(TEXT);
    expect(first.downloaded.at(-1)).toBe(BYTES);
    expect(first.downloaded).toEqual(first.downloaded.toSorted((a, b) => a - b));
    const before = Date.now();
    const [entryOfList] = await list(page);
    expect(entryOfList).toMatchObject({ name: address, whole: true });
    expect(entryOfList.bytes).toBeGreaterThanOrEqual(BYTES);
    expect(Math.abs(entryOfList.date - before)).toBeLessThan(60_000);

    asked = [];
    expect(await hear(page, { model }, entry)).toEqual({ text: TEXT, downloaded: [] });
    expect(asked).toEqual(["GET config.json", "HEAD config.json"]);

    weights = "down";
    expect(await hear(page, { model }, entry)).toEqual({ text: TEXT, downloaded: [] });
    expect((await hear(page, { model: address }, entry)).text).toBe(TEXT);
    expect(await page.evaluate((name) => remote.removeModel(name), address)).toBe(true);
    expect(await page.evaluate((name) => here.removeModel(name), address)).toBe(false);
    expect(await list(page)).toEqual([]);
    expect((await hear(page, { model }, entry)).text).toMatch(
      /^SenseVoiceError: \[weights\] .*config\.json: Failed to fetch/,
    );
  },
);

test("a model is kept under a name: by that name nothing is asked for", async () => {
  const page = await open();
  await hear(page, { model, keep: "mine" });
  asked = [];
  expect((await hear(page, { model: "mine" })).text).toBe(TEXT);
  expect(asked).toEqual([]);
  expect(await list(page)).toMatchObject([{ name: "mine" }]);
});

test('"tiny" is kept as well; with keep: false nothing is', async () => {
  const page = await open();
  expect((await hear(page, { model: "tiny" })).text).toBe(TEXT);
  expect(await list(page)).toMatchObject([{ name: "tiny", whole: true }]);
  expect(await hear(page, { model, keep: false })).toEqual({ text: TEXT, downloaded: [] });
  expect(await list(page)).toHaveLength(1);
});

test.for(["here", "remote"])("%s: cut connections: goes on where the last one ended", async (entry) => {
  const page = await open();
  const bytes = readFileSync(join(root, "weights/tiny/model.safetensors"));
  weights = (request, response) => {
    const start = Number(/\d+/.exec(request.headers.range ?? "0")?.[0]);
    const end = Math.min(start + 5_000_000, SIZE);
    const head = { "content-length": SIZE - start, "content-range": `bytes ${start}-${SIZE - 1}/${SIZE}` };
    response.writeHead(start ? 206 : 200, head);
    response.write(bytes.subarray(start, end), () => (end < SIZE ? response.destroy() : response.end()));
  };
  expect((await hear(page, { model }, entry)).text).toBe(TEXT);
  const ranges = asked.filter((line) => line.startsWith("GET model.safetensors"));
  expect(ranges.length).toBeGreaterThan(2);
  expect(ranges[1]).toMatch(/ \d{6,}-$/);
});

test("a connection that only breaks: one line after five attempts; the next call goes on", async () => {
  const page = await open();
  weights = (request, response) => {
    if (request.headers.range) response.destroy();
    else {
      response.writeHead(200, { "content-length": SIZE });
      response.write(readFileSync(join(root, "weights/tiny/model.safetensors")).subarray(0, 900_000), () =>
        response.destroy(),
      );
    }
  };
  const { text } = await hear(page, { model });
  expect(text).toMatch(
    /^SenseVoiceError: \[models\] http.*model\.safetensors: .*; gave up after 5 attempts: \d+ of 13800612 bytes are kept, the next call goes on from there$/,
  );
  expect(await list(page)).toMatchObject([{ whole: false }]);
  const [, part] = Object.entries(await kept(page)).find(([name]) => name.endsWith(".part")) ?? [];
  expect(part).toBeGreaterThan(0);
  [weights, asked] = [undefined, []];
  expect((await hear(page, { model })).text).toBe(TEXT);
  expect(asked).toContain(`GET model.safetensors ${part}-`);
  expect(Object.keys(await kept(page)).filter((name) => name.endsWith(".part"))).toEqual([]);
});

test("a server without ranges begins anew; wrong bytes are fetched twice, then refused", async () => {
  const page = await open();
  const bytes = readFileSync(join(root, "weights/tiny/model.safetensors"));
  bytes[1e6] ^= 1;
  weights = (_, response) => response.writeHead(200, { "content-length": SIZE }).end(bytes);
  expect((await hear(page, { model })).text).toMatch(
    /expected sha256 406a\w+, got \w+; the server's file is not the mo/,
  );
  expect(asked.filter((line) => line === "GET model.safetensors")).toHaveLength(2);
  let cut = true;
  bytes[1e6] ^= 1;
  weights = (_, response) => {
    response.writeHead(200, { "content-length": SIZE });
    if (cut) response.write(bytes.subarray(0, 4e6), () => response.destroy());
    else response.end(bytes);
    cut = false;
  };
  expect((await hear(page, { model })).text).toBe(TEXT);
});

test("too little space: one line before anything is fetched", async () => {
  const page = await open();
  const session = await context.newCDPSession(page);
  const origin = new URL(server.address).origin;
  await session.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 5e6 });
  for (const entry of ["here", "remote"]) {
    expect((await hear(page, { model }, entry)).text).toMatch(
      /^SenseVoiceError: \[models\] http.*\/models\/tiny: expected 14 MB of space to keep it, the browser leaves [34] MB: remove other/,
    );
  }
  expect(asked.filter((line) => line.includes("model.safetensors"))).toEqual([]);
  expect((await hear(page, { model, keep: false })).text).toBe(TEXT);
});

test.for(["here", "remote"])("%s: the disk is full midway: one line; the next call goes on", async (entry) => {
  const page = await open();
  const session = await context.newCDPSession(page);
  const origin = new URL(server.address).origin;
  const bytes = readFileSync(join(root, "weights/tiny/model.safetensors"));
  weights = async (_, response) => {
    response.writeHead(200, { "content-length": SIZE });
    response.write(bytes.subarray(0, 3e6));
    await session.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 6e6 });
    response.end(bytes.subarray(3e6));
  };
  expect((await hear(page, { model }, entry)).text).toMatch(
    /: expected \d+ MB of space to keep it, the browser leaves \d+ MB/,
  );
  await session.send("Storage.overrideQuotaForOrigin", { origin });
  weights = undefined;
  expect((await hear(page, { model }, entry)).text).toBe(TEXT);
});

test("a tab that is closed while a model comes: the next one goes on from there", async () => {
  const page = await open();
  const bytes = readFileSync(join(root, "weights/tiny/model.safetensors"));
  weights = (_, response) => void response.writeHead(200, { "content-length": SIZE }).write(bytes.subarray(0, 6e6));
  const address = new URL("/models/tiny", server.address).href;
  await page.evaluate((model) => void remote.createEngine({ model, device: "cpu" }).catch(() => {}), address);
  await expect.poll(async () => Math.max(0, ...Object.values(await kept(page).catch(() => ({}))))).toBe(6e6);
  await page.close();
  [weights, asked] = [undefined, []];
  expect((await hear(await open(), { model }, "remote")).text).toBe(TEXT);
  expect(asked).toContain("GET model.safetensors 6000000-");
});

test.for([
  ["a byte of the weights is another", 5_000_000],
  ["the weights are cut", -1],
] as const)("%s: found, fetched again; without the network one line", async ([, at]) => {
  const page = await open();
  await hear(page, { model });
  const damage = () =>
    page.evaluate(async (at) => {
      const models = await (await navigator.storage.getDirectory()).getDirectoryHandle("sensevoice-models");
      const folders = (models as unknown as { values(): AsyncIterable<FileSystemDirectoryHandle> }).values();
      for await (const folder of folders) {
        for await (const file of (folder as unknown as { values(): AsyncIterable<FileSystemFileHandle> }).values()) {
          if ((await file.getFile()).size < 1e7) continue;
          const writable = await file.createWritable({ keepExistingData: true });
          if (at < 0) await writable.truncate(1e7);
          else await writable.write({ type: "write", position: at, data: new Uint8Array([1, 2, 3]) });
          await writable.close();
        }
      }
    }, at);
  await damage();
  asked = [];
  expect((await hear(page, { model })).text).toBe(TEXT);
  expect(asked.filter((line) => line.startsWith("GET") && !line.includes("config"))).toEqual(["GET model.safetensors"]);
  await damage();
  weights = "down";
  expect((await hear(page, { model })).text).toMatch(
    /^SenseVoiceError: \[models\] http.*: what is kept is damaged \(.*\) and cannot be fetched again from http.*: .*Failed/,
  );
  weights = undefined;
  expect((await hear(page, { model })).text).toBe(TEXT);
});

test("two tabs at once fetch a model once", async () => {
  const pages = [await open(), await open()];
  const heard = await Promise.all(pages.map((page) => hear(page, { model })));
  expect(heard.map(({ text }) => text)).toEqual([TEXT, TEXT]);
  expect(asked.filter((line) => line.startsWith("GET model.safetensors"))).toHaveLength(1);
});

test("another configuration on the server: its files are fetched, the old ones given back", async () => {
  const page = await open();
  await hear(page, { model, keep: "mine" });
  const before = await kept(page);
  await page.evaluate(async () => {
    const models = await (await navigator.storage.getDirectory()).getDirectoryHandle("sensevoice-models");
    for await (const folder of (models as unknown as { values(): AsyncIterable<FileSystemDirectoryHandle> }).values()) {
      const file = await folder.getFileHandle("model.json");
      const record = JSON.parse(await (await file.getFile()).text());
      record.configs["config.json"] = record.configs["config.json"].replaceAll("406ae4", "506ae4");
      record.sums = Object.fromEntries(
        Object.entries(record.sums).map(([name, sum]) => [name.replace("406ae4", "506ae4"), sum]),
      );
      const writable = await file.createWritable();
      await writable.write(JSON.stringify(record));
      await writable.close();
      for await (const handle of (folder as unknown as { values(): AsyncIterable<FileSystemFileHandle> }).values()) {
        if (!handle.name.startsWith("406ae4")) continue;
        await (handle as unknown as { move(name: string): Promise<void> }).move(handle.name.replace("4", "5"));
      }
    }
  });
  asked = [];
  expect((await hear(page, { model, keep: "mine" })).text).toBe(TEXT);
  expect(asked.filter((line) => line.startsWith("GET model.safetensors"))).toHaveLength(1);
  expect(Object.keys(await kept(page)).toSorted()).toEqual(Object.keys(before).toSorted());
});

test("where a browser has no storage nothing is kept, and all works", async () => {
  const page = await open();
  await page.evaluate(() => Object.defineProperty(navigator.storage, "getDirectory", { value: undefined }));
  expect(await hear(page, { model })).toEqual({ text: TEXT, downloaded: [] });
  expect(await list(page)).toEqual([]);
});
