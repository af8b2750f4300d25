import { createHash } from "node:crypto";
import { appendFileSync, cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { convertModel } from "../../src/convert/convert.ts";
import { SenseVoiceError } from "../../src/error.ts";
import { configText } from "../../src/model/sensevoice/configFile.ts";
import type { ModelFiles } from "../../src/model/sensevoice/modelFiles.ts";
import { sha256 } from "../../src/weights/file.ts";
import { fixture, floatTensors, temporaryFolder } from "../convert/folder.ts";
import { openModelFolder } from "../support/model.ts";
import { expectNoFileLeftOpen } from "../support/openFiles.ts";

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

  test("leaves no file open, read to its end or not, whole or damaged", async () => {
    const dir = await converted();
    await expectNoFileLeftOpen(async () => names(await openModelFolder(dir)));
    await expectNoFileLeftOpen(async () => {
      for await (const _ of (await openModelFolder(dir)).tensors()) break;
    });
    truncateSync(join(dir, "model.safetensors"), 1000);
    await expectNoFileLeftOpen(async () => {
      await expect(openModelFolder(dir).then(names)).rejects.toThrow("damaged");
      await expect(openModelFolder(temporaryFolder())).rejects.toThrow("config.json");
    });
  });

  test("tensors do not share memory", async () => {
    const folder = await openModelFolder(await converted());
    const buffers = new Set<ArrayBufferLike>();
    for await (const [, { data }] of floatTensors(folder)) buffers.add(data.buffer);
    expect(buffers.size).toBe((await names(folder)).length);
  });
});

describe("config.json", () => {
  const read = (dir: string) => readFileSync(join(dir, "config.json"), "utf8");
  const edit = (dir: string, text: string) => writeFileSync(join(dir, "config.json"), text);

  test("has the digest of itself: SHA-256 of its JSON without white space, but for the digest", async () => {
    const { digest, ...rest } = JSON.parse(read(await converted()));
    expect(digest).toBe(createHash("sha256").update(JSON.stringify(rest)).digest("hex"));
  });

  test("white space is free", async () => {
    const dir = await converted();
    edit(dir, JSON.stringify(JSON.parse(read(dir))));
    await names(await openModelFolder(dir));
  });

  test("any number, text or field that was edited is refused", async () => {
    const dir = await converted();
    const text = read(dir);
    const edits = [...text.matchAll(/-?\d+|"[^"]+"/g)].map(([token], i, all) => {
      const other = token.startsWith('"') ? `"x${token.slice(1)}` : String(Number(token) + 2);
      return text.slice(0, all[i].index) + other + text.slice(all[i].index + token.length);
    });
    edits.push(text.replace("{", '{"x": 1,'), text.replace(/,\s*"digest": ".*"/, ""));
    expect(edits.length).toBeGreaterThan(40);
    for (const edited of edits) {
      edit(dir, edited);
      await expect(openModelFolder(dir), edited).rejects.toThrow(/^\[weights\] config\.json: \S/);
      await expect(openModelFolder(dir), edited).rejects.toThrow(SenseVoiceError);
    }
  });

  test.each([
    ["heads", '"attentionHeads": 2', '"attentionHeads": 4'],
    ["frames", '"frameShiftMs": 10', '"frameShiftMs": 12'],
    ["low frame rate", '"lfrN": 2', '"lfrN": 3'],
  ])("sizes that also fit, %s: the digest tells", async (_, from, to) => {
    const dir = await converted();
    expect(read(dir)).toContain(from);
    edit(dir, read(dir).replace(from, to));
    await expect(openModelFolder(dir)).rejects.toThrow(
      /^\[weights\] config\.json: digest: expected the file's own: it was changed; convert or download the model again, got "[0-9a-f]{60}…"$/,
    );
  });

  test("nested 100 000 deep", async () => {
    const dir = await converted();
    edit(dir, read(dir).replace("{", `{"policy": ${"[".repeat(1e5)}${"]".repeat(1e5)},`));
    await expect(openModelFolder(dir)).rejects.toThrow(/^\[weights\] config\.json: digest: /);
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
    [
      "a configuration of 16 MiB and a byte",
      (dir) => truncateSync(join(dir, "config.json"), 2 ** 24 + 1),
      /config\.json: expected at most 16777216 bytes, got 16777217/,
    ],
    ["no JSON", (dir) => truncateSync(join(dir, "config.json"), 20), /config\.json: expected JSON/],
    [
      "an unknown version",
      (dir) => writeFileSync(join(dir, "config.json"), '{"format":"sensevoice","formatVersion":3}'),
      /formatVersion: expected 2 .*, got 3/,
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
    const { config } = await openModelFolder(dir);
    const other = { ...config, encoder: { ...config.encoder, tpBlocks: 2 } };
    writeFileSync(join(dir, "config.json"), configText(other, sha256));
    await expect(names(await openModelFolder(dir))).rejects.toThrow(/"encoder\.tp_encoders\.1\..*" is missing/);
  });
});
