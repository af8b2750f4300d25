import { appendFileSync, cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { convertModel } from "../../src/convert/convert.ts";
import { SenseVoiceError } from "../../src/error.ts";
import type { ModelFiles } from "../../src/model/sensevoice/modelFiles.ts";
import { fixture, floatTensors, temporaryFolder } from "../convert/folder.ts";
import { openModelFolder } from "../support/model.ts";

async function converted(): Promise<string> {
  const dir = join(temporaryFolder(), "model");
  await convertModel(fixture("funasr"), dir, { dtype: "f16", name: "toy" });
  return dir;
}

async function names(folder: ModelFiles): Promise<string[]> {
  const all: string[] = [];
  for await (const [name] of folder.tensors()) all.push(name);
  return all;
}

describe("a sound folder", () => {
  test("can be read again and again, also after stopping half-way", async () => {
    const folder = await openModelFolder(await converted());
    const all = await names(folder);
    for await (const _ of folder.tensors()) break;
    expect(await names(folder)).toEqual(all);
  });

  test("tensors do not share memory", async () => {
    const folder = await openModelFolder(await converted());
    const buffers = new Set<ArrayBufferLike>();
    for await (const [, { data }] of floatTensors(folder)) buffers.add(data.buffer);
    expect(buffers.size).toBe((await names(folder)).length);
  });
});

describe("a damaged folder is refused in one line", () => {
  const weights = (dir: string) => join(dir, "model.safetensors");
  test.each<[string, (dir: string) => void, RegExp]>([
    [
      "weights cut by a byte",
      (dir) => truncateSync(weights(dir), readFileSync(weights(dir)).length - 1),
      /model\.safetensors: expected \d+ bytes, got \d+; the file is damaged: convert or download it again/,
    ],
    ["weights with a byte more", (dir) => appendFileSync(weights(dir), "x"), /expected \d+ bytes, got/],
    ["no weights", (dir) => rmSync(weights(dir)), /model\.safetensors: ENOENT/],
    [
      "another tokenizer",
      (dir) => writeFileSync(join(dir, "tokenizer.model"), "x"),
      /tokenizer\.model: expected 22 bytes, got 1; the file is damaged/,
    ],
    [
      "a changed tokenizer",
      (dir) => writeFileSync(join(dir, "tokenizer.model"), "x".repeat(22)),
      /tokenizer\.model: expected sha256 [0-9a-f]{64}, got [0-9a-f]{64}; the file is damaged/,
    ],
    ["no JSON", (dir) => truncateSync(join(dir, "config.json"), 20), /config\.json: expected JSON/],
    [
      "an unknown version",
      (dir) => writeFileSync(join(dir, "config.json"), '{"format":"sensevoice","formatVersion":2}'),
      /formatVersion: expected 1 .*, got 2/,
    ],
    [
      "no config.json",
      (dir) => rmSync(join(dir, "config.json")),
      /expected a model folder, got one without config\.json/,
    ],
    ["no folder", (dir) => rmSync(dir, { recursive: true }), /there is no such folder/],
  ])("%s", async (_, damage, message) => {
    const dir = await converted();
    damage(dir);
    await expect(openModelFolder(dir)).rejects.toThrow(SenseVoiceError);
    await expect(openModelFolder(dir)).rejects.toThrow(message);
    await expect(openModelFolder(dir)).rejects.toThrow(/^[^\n]+$/);
  });

  test("a FunASR folder: say how to convert it", async () => {
    const dir = join(temporaryFolder(), "SenseVoiceSmall");
    cpSync(fixture("funasr"), dir, { recursive: true });
    await expect(openModelFolder(dir)).rejects.toThrow(
      /convert it first: sensevoice convert .*SenseVoiceSmall --out OUT/,
    );
  });

  test("one changed number anywhere is found before the last tensor is handed over", async () => {
    const dir = await converted();
    const total = (await names(await openModelFolder(dir))).length;
    const bytes = readFileSync(weights(dir));
    const dataStart = 8 + Number(bytes.readBigUInt64LE());
    for (const at of [dataStart, Math.floor((dataStart + bytes.length) / 2), bytes.length - 1]) {
      const damaged = Buffer.from(bytes);
      damaged[at] ^= 1;
      writeFileSync(weights(dir), damaged);
      const seen: string[] = [];
      const read = async () => {
        for await (const [name] of (await openModelFolder(dir)).tensors()) seen.push(name);
      };
      await expect(read()).rejects.toThrow(
        /^\[weights\] model\.safetensors: expected sha256 [0-9a-f]{64}, got [0-9a-f]{64}; the file is damaged: convert or download it again$/,
      );
      expect(seen.length).toBe(total - 1);
    }
  });

  test("a configuration of another model than the weights", async () => {
    const dir = await converted();
    const path = join(dir, "config.json");
    writeFileSync(path, readFileSync(path, "utf8").replace('"tpBlocks": 1', '"tpBlocks": 2'));
    await expect(names(await openModelFolder(dir))).rejects.toThrow(
      /"encoder\.tp_encoders\.1\..*" is missing/,
    );
  });
});
