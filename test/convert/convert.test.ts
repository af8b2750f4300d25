import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openCheckpoint } from "../../src/convert/checkpoint.ts";
import { convertModel } from "../../src/convert/convert.ts";
import { SenseVoiceError } from "../../src/error.ts";
import { checkpointParameters } from "../../src/model/sensevoice/parameters.ts";
import { f16ToF32 } from "../../src/tensor/f16.ts";
import type { Progress } from "../../src/weights/source.ts";
import { openModelFolder } from "../support/model.ts";
import { expectNoFileLeftOpen } from "../support/openFiles.ts";
import { fixture, floatTensors, temporaryFolder } from "./folder.ts";

const SOURCE = fixture("funasr");

/** A copy of the small FunASR folder, some of its files changed. */
function changedSource(change: (dir: string) => void): string {
  const dir = join(temporaryFolder(), "source");
  cpSync(SOURCE, dir, { recursive: true });
  change(dir);
  return dir;
}

function replaceIn(file: string, from: string, to: string): (dir: string) => void {
  return (dir) => {
    const text = readFileSync(join(dir, file), "latin1");
    if (!text.includes(from)) throw new Error(`${file} has no ${from}`);
    writeFileSync(join(dir, file), text.replaceAll(from, to), "latin1");
  };
}

const yaml = (from: string, to: string) => replaceIn("config.yaml", from, to);

/** Overwrites the first number of the checkpoint's parameter k, which is ((31 k) mod 97 - 48) / 64. */
function replaceFirstValue(k: number, value: number): (dir: string) => void {
  return (dir) => {
    const path = join(dir, "model.pt");
    const bytes = readFileSync(path);
    const name = `model/data/${k}`;
    for (let at = bytes.indexOf("PK"); at >= 0; at = bytes.indexOf("PK", at + 1)) {
      const entry = bytes.toString("latin1", at + 2, at + 4);
      if (entry === "\x03\x04" && bytes.toString("latin1", at + 30, at + 30 + bytes.readUInt16LE(at + 26)) === name) {
        const start = at + 30 + bytes.readUInt16LE(at + 26) + bytes.readUInt16LE(at + 28);
        expect(bytes.readFloatLE(start)).toBe((((31 * k) % 97) - 48) / 64);
        bytes.writeFloatLE(value, start);
      }
      if (entry === "\x01\x02" && bytes.toString("latin1", at + 46, at + 46 + bytes.readUInt16LE(at + 28)) === name) {
        bytes.writeUInt32LE(0, at + 16); // no checksum, as when torch is told not to compute it
      }
    }
    writeFileSync(path, bytes);
  };
}

describe("a FunASR folder becomes a model folder", () => {
  test.each(["f32", "f16"] as const)("%s: every parameter of FunASR's own class, exactly", async (dtype) => {
    const target = join(temporaryFolder(), "model");
    const progress: Progress[] = [];
    await convertModel(SOURCE, target, { dtype, name: "toy", onProgress: (p) => progress.push(p) });
    const folder = await openModelFolder(target);
    expect(folder.config).toMatchObject({
      name: "toy",
      weights: dtype,
      vocabSize: 7,
      encoder: { inputSize: 6, outputSize: 8, attentionHeads: 2, linearUnits: 12, numBlocks: 2, tpBlocks: 1 },
      frontend: { sampleRate: 16000, mels: 2, frameLengthMs: 25, frameShiftMs: 10, lfrM: 3, lfrN: 2 },
    });
    expect(Buffer.from(folder.tokenizer)).toEqual(readFileSync(join(SOURCE, "toy.model")));
    const checkpoint = await openCheckpoint(join(SOURCE, "model.pt"));
    const names = [...checkpoint.tensors.keys()];
    await checkpoint.close();
    const seen = new Map<string, readonly number[]>();
    for await (const [name, { dtype: type, shape, data }] of floatTensors(folder)) {
      seen.set(name, shape);
      if (name.startsWith("frontend.")) continue;
      const k = names.indexOf(name);
      const values = type === "f16" ? f16ToF32(data as Uint16Array) : data;
      const expected = Float32Array.from(values, (_, j) => (((31 * k + j) % 97) - 48) / 64);
      expect(values, name).toEqual(expected);
      const isMatrix = shape.length === 2 && !name.includes("fsmn_block");
      expect(type, name).toBe(isMatrix ? dtype : "f32");
    }
    expect([...seen.keys()].toSorted()).toEqual([...names, "frontend.cmvn.shift", "frontend.cmvn.scale"].toSorted());
    expect(seen.get("encoder.encoders0.0.self_attn.fsmn_block.weight")).toEqual([8, 11]);
    expect(progress.at(-1)?.done).toBe(progress.at(-1)?.total);
    expect(progress.length).toBe(seen.size);
  });

  test("CMVN: AddShift and Rescale, not Splice", async () => {
    const target = join(temporaryFolder(), "model");
    await convertModel(SOURCE, target, { dtype: "f32" });
    const cmvn: Record<string, number[]> = {};
    for await (const [name, { data }] of floatTensors(await openModelFolder(target))) {
      if (name.startsWith("frontend.")) cmvn[name] = Array.from(data);
    }
    expect(cmvn).toEqual({
      "frontend.cmvn.shift": [-1, -2, -3, -4, -5, -6.5],
      "frontend.cmvn.scale": [0.5, 0.25, 0.125, 1, 2, 4],
    });
  });

  test("the name is the source's; without configuration.json the only *.model is the tokenizer", async () => {
    const source = changedSource((dir) => rmSync(join(dir, "configuration.json")));
    const target = join(temporaryFolder(), "deep", "model");
    await convertModel(source, target, { dtype: "f16" });
    expect((await openModelFolder(target)).config.name).toBe("source");
  });

  test("the parameters are those of the full model: 917, 935 996 668 bytes", () => {
    const sizes = { inputSize: 560, outputSize: 512, attentionHeads: 4, linearUnits: 2048 };
    const all = checkpointParameters({ ...sizes, numBlocks: 50, tpBlocks: 20, kernelSize: 11 }, 25055);
    expect(all.length).toBe(917);
    expect(4 * all.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b), 0)).toBe(935996668);
  });
});

test("no file is left open, whether it works or not", async () => {
  await expectNoFileLeftOpen(() => convertModel(fixture("funasr"), join(temporaryFolder(), "model"), { dtype: "f16" }));
  await expectNoFileLeftOpen(async () => {
    await expect(convertModel(fixture("."), join(temporaryFolder(), "model"), { dtype: "f16" })).rejects.toThrow();
    const source = changedSource(replaceFirstValue(1, Number.NaN));
    await expect(convertModel(source, join(temporaryFolder(), "model"), { dtype: "f16" })).rejects.toThrow("is NaN");
  });
});

describe("the target", () => {
  test("an older conversion is replaced, and what else lies there is kept", async () => {
    const target = join(temporaryFolder(), "model");
    await convertModel(SOURCE, target, { dtype: "f32" });
    writeFileSync(join(target, "README.md"), "mine");
    await convertModel(SOURCE, target, { dtype: "f16" });
    expect(readdirSync(target).toSorted()).toEqual([
      ...["README.md", "config.json", "model.safetensors", "tokenizer.model"],
    ]);
    expect((await openModelFolder(target)).config.weights).toBe("f16");
  });

  test("any other folder or file is refused and left alone", async () => {
    const dir = temporaryFolder();
    writeFileSync(join(dir, "thesis.txt"), "years of work");
    await expect(convertModel(SOURCE, dir, { dtype: "f16" })).rejects.toThrow(/not a model folder; nothing was/);
    await expect(convertModel(SOURCE, join(dir, "thesis.txt"), { dtype: "f16" })).rejects.toThrow(/not a model/);
    await expect(convertModel(SOURCE, SOURCE, { dtype: "f16" })).rejects.toThrow(/not a model folder/);
    expect(readdirSync(dir)).toEqual(["thesis.txt"]);
  });

  test("a failed conversion leaves nothing behind", async () => {
    const dir = temporaryFolder();
    const source = changedSource(replaceFirstValue(0, 1e5));
    await expect(convertModel(source, join(dir, "model"), { dtype: "f16" })).rejects.toThrow(/beyond f16/);
    expect(readdirSync(dir)).toEqual([]);
  });

  test("six conversions at once leave one whole model", async () => {
    const dir = temporaryFolder();
    const target = join(dir, "model");
    await Promise.all(Array.from({ length: 6 }, () => convertModel(SOURCE, target, { dtype: "f16" })));
    expect(readdirSync(dir)).toEqual(["model"]);
    for await (const [name] of (await openModelFolder(target)).tensors()) expect(name).not.toBe("");
  });
});

describe("what cannot be converted is one line", () => {
  test.each<[string, (dir: string) => void, RegExp]>([
    [
      "another model",
      yaml("model: SenseVoiceSmall", "model: Paraformer"),
      /model: only "SenseVoiceSmall" is supported, got "Paraformer"/,
    ],
    ["another input layer", yaml("input_layer: pe", "input_layer: conv2d"), /encoder_conf\.input_layer: only "pe"/],
    ["another attention", yaml("type: sanm", "type: selfattn"), /selfattention_layer_type: only "sanm"/],
    ["a shifted memory", yaml("sanm_shfit: 0", "sanm_shfit: 5"), /sanm_shfit: only 0 is supported, got 5/],
    ["another window", yaml("hamming", "povey"), /window: only "hamming"/],
    [
      "a size left out",
      yaml("  tp_blocks: 1\n", ""),
      /config\.yaml: encoder_conf\.tp_blocks: expected an integer from 0 to 1024, got undefined/,
    ],
    [
      "10^12 layers",
      yaml("num_blocks: 2", "num_blocks: 1000000000000"),
      /config\.yaml: encoder_conf\.num_blocks: expected an integer from 1 to 1024, got 1000000000000$/,
    ],
    ["sound at 8 kHz", yaml("fs: 16000", "fs: 8000"), /yaml: frontend_conf\.fs: expected 16000, got 8000$/],
    [
      "frames with gaps between them",
      yaml("frame_shift: 10", "frame_shift: 30"),
      /config\.yaml: frontend_conf\.frame_shift: expected less than the frames' 25 ms, got 30$/,
    ],
    [
      "rows with gaps between them",
      yaml("lfr_n: 2", "lfr_n: 4"),
      /yaml: frontend_conf\.lfr_n: expected 3 or less, the frames of a row, got 4$/,
    ],
    [
      "rows of an odd width",
      yaml("n_mels: 2", "n_mels: 3"),
      /yaml: frontend_conf: n_mels × lfr_m: expected an even number, got 9$/,
    ],
    [
      "heads that do not divide",
      yaml("heads: 2", "heads: 3"),
      /yaml: encoder_conf\.output_size: expected a multiple of 3, got 8$/,
    ],
    [
      "YAML 10 000 deep",
      (dir) => writeFileSync(join(dir, "config.yaml"), "[".repeat(10_000)),
      /config\.yaml: nested too deeply$/,
    ],
    [
      "a value with control characters",
      yaml("window: hamming", 'window: "\\e[2J\\n\\x9b"'),
      /window: only "hamming" is supported, got "\\u001b\[2J\\n\ufffd"$/,
    ],
    ["no YAML", yaml("model: ", "model: ["), /config\.yaml: /],
    [
      "YAML that grows",
      (dir) =>
        writeFileSync(
          join(dir, "config.yaml"),
          `a: &a [${"x,".repeat(99)}x]\n${[..."bcdefghi"].map((c, i) => `${c}: &${c} [${`*${"abcdefgh"[i]},`.repeat(99)}x]`).join("\n")}`,
        ),
      /config\.yaml: /,
    ],
    [
      "fewer layers than the checkpoint",
      yaml("tp_blocks: 1", "tp_blocks: 0"),
      /unexpected parameter "encoder\.tp_encoders\.0\./,
    ],
    [
      "more layers",
      yaml("num_blocks: 2", "num_blocks: 3"),
      /the parameter "encoder\.encoders\.1\.norm1\.weight" is missing/,
    ],
    [
      "a wider layer",
      yaml("linear_units: 12", "linear_units: 13"),
      /w_1\.weight: expected shape \[13,8\], got \[12,8\]/,
    ],
    ["other tokens", replaceIn("tokens.json", '"f"', '"f", "g"'), /tokens\.json: expected 7 tokens .*, got 8/],
    ["no CMVN", (dir) => rmSync(join(dir, "am.mvn")), /am\.mvn: ENOENT/],
    ["a short CMVN", replaceIn("am.mvn", "-5 ", ""), /am\.mvn: expected 6 numbers in <AddShift>, got 5/],
    ["a CMVN that is no number", replaceIn("am.mvn", "0.125", "nan?"), /am\.mvn: expected 6 numbers in <Rescale>/],
    ["a CMVN cut short", replaceIn("am.mvn", "4 ] \n</Nnet>", ""), /am\.mvn: expected <Rescale>/],
    ["no tokenizer", (dir) => rmSync(join(dir, "toy.model")), /toy\.model: ENOENT/],
    [
      "a tokenizer elsewhere",
      replaceIn("configuration.json", "toy.model", "../toy.model"),
      /bpemodel: expected a file name, got "\.\.\/toy\.model"/,
    ],
    ["no config.yaml", (dir) => rmSync(join(dir, "config.yaml")), /expected a FunASR model folder/],
    ["no checkpoint", (dir) => rmSync(join(dir, "model.pt")), /model\.pt: ENOENT/],
    [
      "a folder as checkpoint",
      (dir) => {
        rmSync(join(dir, "model.pt"));
        mkdirSync(join(dir, "model.pt"));
      },
      /model\.pt: /,
    ],
    [
      "a number beyond f16",
      replaceFirstValue(0, -65520),
      /encoder\.encoders0\.0\.self_attn\.linear_out\.weight: element 0 is -65520, beyond f16's 65504/,
    ],
    ["a NaN", replaceFirstValue(1, Number.NaN), /linear_out\.bias: element 0 is NaN$/],
  ])("%s", async (_, change, message) => {
    const source = changedSource(change);
    const target = join(temporaryFolder(), "model");
    const conversion = convertModel(source, target, { dtype: "f16" });
    await expect(conversion).rejects.toThrow(message);
    await expect(conversion).rejects.toThrow(SenseVoiceError);
    await expect(conversion).rejects.toThrow(/^[^\n]+$/);
    expect(existsSync(target)).toBe(false);
  });

  test("65519 still rounds to f16's largest number", async () => {
    const target = join(temporaryFolder(), "model");
    await convertModel(changedSource(replaceFirstValue(0, 65519)), target, { dtype: "f16" });
    for await (const [name, { data }] of floatTensors(await openModelFolder(target))) {
      if (name === "encoder.encoders0.0.self_attn.linear_out.weight") expect(data[0]).toBe(0x7bff);
    }
  });
});
