import { expect, test } from "vitest";
import { BYTES, hear, kept, list, model, TEXT, usePlace } from "./keptSupport.ts";

const place = usePlace();

test.for(["here", "remote"])(
  "%s: a model is fetched once, listed, used without the network, removed",
  async (entry) => {
    const page = await place.open();
    const address = new URL("/models/tiny", place.address).href;
    const first = await hear(page, { model }, entry);
    expect(first.text).toBe(TEXT);
    expect(first.downloaded.at(-1)).toBe(BYTES);
    expect(first.downloaded).toEqual(first.downloaded.toSorted((a, b) => a - b));
    const before = Date.now();
    const [entryOfList] = await list(page);
    expect(entryOfList).toMatchObject({ name: address, whole: true });
    expect(entryOfList.bytes).toBeGreaterThanOrEqual(BYTES);
    expect(Math.abs(entryOfList.date - before)).toBeLessThan(60_000);

    place.asked = [];
    expect(await hear(page, { model }, entry)).toEqual({ text: TEXT, downloaded: [] });
    expect(place.asked).toEqual(["GET config.json", "HEAD config.json"]);

    place.weights = "down";
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
  const page = await place.open();
  await hear(page, { model, keep: "mine" });
  place.asked = [];
  expect((await hear(page, { model: "mine" })).text).toBe(TEXT);
  expect(place.asked).toEqual([]);
  expect(await list(page)).toMatchObject([{ name: "mine" }]);
});

test('"tiny" is kept as well; with keep: false nothing is', async () => {
  const page = await place.open();
  expect((await hear(page, { model: "tiny" })).text).toBe(TEXT);
  expect(await list(page)).toMatchObject([{ name: "tiny", whole: true }]);
  expect(await hear(page, { model, keep: false })).toEqual({ text: TEXT, downloaded: [] });
  expect(await list(page)).toHaveLength(1);
});

test("two tabs at once fetch a model once", async () => {
  const pages = [await place.open(), await place.open()];
  const heard = await Promise.all(pages.map((page) => hear(page, { model })));
  expect(heard.map(({ text }) => text)).toEqual([TEXT, TEXT]);
  expect(place.asked.filter((line) => line.startsWith("GET model.safetensors"))).toHaveLength(1);
});

test("another configuration on the server: its files are fetched, the old ones given back", async () => {
  const page = await place.open();
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
  place.asked = [];
  expect((await hear(page, { model, keep: "mine" })).text).toBe(TEXT);
  expect(place.asked.filter((line) => line.startsWith("GET model.safetensors"))).toHaveLength(1);
  expect(Object.keys(await kept(page)).toSorted()).toEqual(Object.keys(before).toSorted());
});

test("where a browser has no storage nothing is kept, and all works", async () => {
  const page = await place.open();
  await page.evaluate(() => Object.defineProperty(navigator.storage, "getDirectory", { value: undefined }));
  expect(await hear(page, { model })).toEqual({ text: TEXT, downloaded: [] });
  expect(await list(page)).toEqual([]);
});
