import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { hear, kept, list, model, SIZE, TEXT, usePlace } from "./keptSupport.ts";
import { root } from "./support.ts";

const place = usePlace();

test.for(["here", "remote"])("%s: cut connections: goes on where the last one ended", async (entry) => {
  const page = await place.open();
  const bytes = readFileSync(join(root, "weights/tiny/model.safetensors"));
  place.weights = (request, response) => {
    const start = Number(/\d+/.exec(request.headers.range ?? "0")?.[0]);
    const end = Math.min(start + 5_000_000, SIZE);
    const head = { "content-length": SIZE - start, "content-range": `bytes ${start}-${SIZE - 1}/${SIZE}` };
    response.writeHead(start ? 206 : 200, head);
    response.write(bytes.subarray(start, end), () => (end < SIZE ? response.destroy() : response.end()));
  };
  expect((await hear(page, { model }, entry)).text).toBe(TEXT);
  const ranges = place.asked.filter((line) => line.startsWith("GET model.safetensors"));
  expect(ranges.length).toBeGreaterThan(2);
  expect(ranges[1]).toMatch(/ \d{6,}-$/);
});

test("a connection that only breaks: one line after five attempts; the next call goes on", async () => {
  const page = await place.open();
  place.weights = (request, response) => {
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
  [place.weights, place.asked] = [undefined, []];
  expect((await hear(page, { model })).text).toBe(TEXT);
  expect(place.asked).toContain(`GET model.safetensors ${part}-`);
  expect(Object.keys(await kept(page)).filter((name) => name.endsWith(".part"))).toEqual([]);
});

test("a server without ranges begins anew; wrong bytes are fetched twice, then refused", async () => {
  const page = await place.open();
  const bytes = readFileSync(join(root, "weights/tiny/model.safetensors"));
  bytes[1e6] ^= 1;
  place.weights = (_, response) => response.writeHead(200, { "content-length": SIZE }).end(bytes);
  expect((await hear(page, { model })).text).toMatch(
    /expected sha256 406a\w+, got \w+; the server's file is not the mo/,
  );
  expect(place.asked.filter((line) => line === "GET model.safetensors")).toHaveLength(2);
  let cut = true;
  bytes[1e6] ^= 1;
  place.weights = (_, response) => {
    response.writeHead(200, { "content-length": SIZE });
    if (cut) response.write(bytes.subarray(0, 4e6), () => response.destroy());
    else response.end(bytes);
    cut = false;
  };
  expect((await hear(page, { model })).text).toBe(TEXT);
});

test("too little space: one line before anything is fetched", async () => {
  const page = await place.open();
  const session = await place.context.newCDPSession(page);
  const origin = new URL(place.address).origin;
  await session.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 5e6 });
  for (const entry of ["here", "remote"]) {
    expect((await hear(page, { model }, entry)).text).toMatch(
      /^SenseVoiceError: \[models\] http.*\/models\/tiny: expected 14 MB of space to keep it, the browser leaves [34] MB: remove other/,
    );
  }
  expect(place.asked.filter((line) => line.includes("model.safetensors"))).toEqual([]);
  expect((await hear(page, { model, keep: false })).text).toBe(TEXT);
});

test.for(["here", "remote"])("%s: the disk is full midway: one line; the next call goes on", async (entry) => {
  const page = await place.open();
  const session = await place.context.newCDPSession(page);
  const origin = new URL(place.address).origin;
  const bytes = readFileSync(join(root, "weights/tiny/model.safetensors"));
  place.weights = async (_, response) => {
    response.writeHead(200, { "content-length": SIZE });
    response.write(bytes.subarray(0, 3e6));
    await session.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 6e6 });
    response.end(bytes.subarray(3e6));
  };
  expect((await hear(page, { model }, entry)).text).toMatch(
    /: expected \d+ MB of space to keep it, the browser leaves \d+ MB/,
  );
  await session.send("Storage.overrideQuotaForOrigin", { origin });
  place.weights = undefined;
  expect((await hear(page, { model }, entry)).text).toBe(TEXT);
});

test("a tab that is closed while a model comes: the next one goes on from there", async () => {
  const page = await place.open();
  const bytes = readFileSync(join(root, "weights/tiny/model.safetensors"));
  place.weights = (_, response) =>
    void response.writeHead(200, { "content-length": SIZE }).write(bytes.subarray(0, 6e6));
  const address = new URL("/models/tiny", place.address).href;
  await page.evaluate((model) => void remote.createEngine({ model, device: "cpu" }).catch(() => {}), address);
  await expect.poll(async () => Math.max(0, ...Object.values(await kept(page).catch(() => ({}))))).toBe(6e6);
  await page.close();
  [place.weights, place.asked] = [undefined, []];
  expect((await hear(await place.open(), { model }, "remote")).text).toBe(TEXT);
  expect(place.asked).toContain("GET model.safetensors 6000000-");
});

test.for([
  ["a byte of the weights is another", 5_000_000],
  ["the weights are cut", -1],
] as const)("%s: found, fetched again; without the network one line", async ([, at]) => {
  const page = await place.open();
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
  place.asked = [];
  expect((await hear(page, { model })).text).toBe(TEXT);
  expect(place.asked.filter((line) => line.startsWith("GET") && !line.includes("config"))).toEqual([
    "GET model.safetensors",
  ]);
  await damage();
  place.weights = "down";
  expect((await hear(page, { model })).text).toMatch(
    /^SenseVoiceError: \[models\] http.*: what is kept is damaged \(.*\) and cannot be fetched again from http.*: .*Failed/,
  );
  place.weights = undefined;
  expect((await hear(page, { model })).text).toBe(TEXT);
});
