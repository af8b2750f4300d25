import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { randomModelConfig } from "../../scripts/random-weights.ts";
import { writeModelFolder } from "../../src/convert/writeModelFolder.ts";
import { referenceBackend } from "../../src/kernels/reference/backend.ts";
import { converterTo } from "../../src/loadEngine.ts";
import { type ModelConfig, parseModelConfig } from "../../src/model/sensevoice/config.ts";
import { configText } from "../../src/model/sensevoice/configFile.ts";
import { SenseVoice } from "../../src/model/sensevoice/network.ts";
import { modelParameters } from "../../src/model/sensevoice/parameters.ts";
import { loadWeights } from "../../src/model/sensevoice/weights.ts";
import type { WeightType } from "../../src/options.ts";
import { elementCount, type HostTensor } from "../../src/tensor/host.ts";
import { packCodes, type QuantizedTensor, type Weight } from "../../src/tensor/quantized.ts";
import { hashFile, sha256 } from "../../src/weights/file.ts";
import { storedParts } from "../../src/weights/quantizedParts.ts";
import { openSafetensors, writeSafetensors } from "../../src/weights/safetensorsFile.ts";
import { WEIGHTS_FILE } from "../../src/weights/source.ts";
import { temporaryFolder } from "../convert/folder.ts";
import { openModelFolder } from "../support/model.ts";
import { expectNoFileLeftOpen } from "../support/openFiles.ts";
import { INT8_SCHEMES, type RandomScheme, SCHEMES, withF32Scales } from "../support/quantized.ts";
import { randomizer } from "../support/random.ts";
import { TOLERANCE } from "../support/tolerances.ts";
import { TOY, toyTensors } from "../support/toyModel.ts";

const TOKENIZER = Buffer.from("any bytes");
const QKV = "encoder.encoders0.0.self_attn.linear_q_k_v.weight";
const INT8: RandomScheme = { bits: 8, scale: "row", activation: "dynamic" };
const STATIC: RandomScheme = { bits: 8, scale: "matrix", activation: 0.1 };

async function write(schemes: readonly (RandomScheme | undefined)[]): Promise<string> {
  const dir = join(temporaryFolder(), "model");
  await writeModelFolder(dir, TOY, TOKENIZER, toyTensors(schemes));
  return dir;
}

async function read(dir: string): Promise<Map<string, Weight>> {
  const all = new Map<string, Weight>();
  for await (const [name, tensor] of (await openModelFolder(dir)).tensors()) all.set(name, withF32Scales(tensor));
  return all;
}

describe("round trip", () => {
  test.each([
    ["every scheme, in turn", [...SCHEMES.slice(0, 12), undefined]],
    ["every other", [...SCHEMES.slice(12, 24), INT8]],
    ["the rest", [...SCHEMES.slice(24), STATIC, undefined]],
    ["with int8 activations", INT8_SCHEMES.slice(0, 13)],
    ["with int8 activations, the other half", INT8_SCHEMES.slice(13)],
  ])("%s", async (_, schemes) => {
    const dir = await write(schemes);
    expect(Object.fromEntries(await read(dir))).toEqual(Object.fromEntries(toyTensors(schemes)));
    const { config } = await openModelFolder(dir);
    const path = join(dir, "model.safetensors");
    expect(config.files["model.safetensors"]).toEqual({
      bytes: statSync(path).size,
      sha256: await hashFile(path, "sha256"),
    });
  });

  test("a folder has its three files and nothing else", async () => {
    const files = readdirSync(await write([INT8])).toSorted();
    expect(files).toEqual(["config.json", "model.safetensors", "tokenizer.model"]);
  });

  test("config.json says what the file does not", async () => {
    const { config } = await openModelFolder(await write([INT8, STATIC, SCHEMES[0], undefined]));
    expect(config).toMatchObject({ ...TOY });
    expect(Object.values(config.quantization ?? {}).slice(0, 3)).toEqual([
      { bits: 8, groupSize: 56, activation: "dynamic" },
      { bits: 8, groupSize: 32, activation: 0.1 },
      { bits: 2, groupSize: 32 },
    ]);
    expect(Object.keys(config.quantization ?? {}).length).toBe(10); // of 13, every fourth is f16
  });

  test("parts of a weight lie together, but for those that are not whole words", async () => {
    const dir = await write([{ bits: 4, scale: 32, zeros: true }]);
    const file = await openSafetensors(join(dir, "model.safetensors"));
    await file.close();
    const at = file.names.indexOf(`${QKV}.codes`);
    expect(file.names.slice(at, at + 3)).toEqual(["codes", "scales", "zeros"].map((part) => `${QKV}.${part}`));
    expect(file.names.at(-1)).toBe("ctc.ctc_lo.weight.zeros"); // 31 bytes
  });
});

test("tensors that are lent share their memory, and have the same numbers until the next is asked for", async () => {
  const dir = await write([SCHEMES[0], undefined, INT8]);
  const expected = await read(dir);
  const buffers = new Set<ArrayBufferLike>();
  let count = 0;
  for await (const [name, tensor] of (await openModelFolder(dir)).tensors(undefined, true)) {
    expect(withF32Scales(tensor), name).toEqual(expected.get(name));
    buffers.add((tensor.dtype === "quantized" ? tensor.codes : tensor.data).buffer);
    count++;
  }
  expect(count).toBe(expected.size);
  expect(buffers.size).toBeLessThan(count / 3);
});

test("no file is left open by a folder that is written, or cannot be", async () => {
  await expectNoFileLeftOpen(() => write([INT8]));
  await expectNoFileLeftOpen(async () => {
    const half = [...toyTensors([INT8])].slice(1);
    await expect(writeModelFolder(join(temporaryFolder(), "model"), TOY, TOKENIZER, half)).rejects.toThrow(
      "is missing",
    );
  });
});

test("a folder in few bits is as small as they promise, and 3 % at most", async () => {
  const config = { ...randomModelConfig("tiny"), weights: "int4" };
  let promised = 0;
  const tensors = modelParameters(config).map(({ name, shape, kind }): [string, Weight] => {
    const linear = kind === "linear";
    promised += elementCount(shape) * (linear ? (4 + 16 / 32) / 8 : 4);
    if (!linear) return [name, { dtype: "f32", shape, data: new Float32Array(elementCount(shape)) }];
    const [n, k] = shape;
    const codes = new Uint32Array(n * Math.ceil(k / 32) * 4);
    const scales = Float32Array.from({ length: n * Math.ceil(k / 32) }, (_, i) => 1 + (i % 997) / 1024);
    return [name, { dtype: "quantized", shape: [n, k], bits: 4, groupSize: 32, codes, scales }];
  });
  const dir = join(temporaryFolder(), "model");
  await writeModelFolder(dir, config, TOKENIZER, tensors);
  const { size } = statSync(join(dir, "model.safetensors"));
  expect(size / promised).toBeLessThan(TOLERANCE.size);
  expect(size / promised).toBeGreaterThan(1);
});

test("the bytes of docs/weights-format.md", async () => {
  const codes = Uint8Array.from({ length: 64 }, (_, i) => i % 16);
  const weight: QuantizedTensor = {
    dtype: "quantized",
    shape: [2, 32],
    bits: 4,
    groupSize: 32,
    codes: packCodes(codes, [2, 32], 4),
    scales: Float32Array.of(0.5, 0.25),
    zeros: Uint8Array.of(7, 8),
  };
  const path = join(temporaryFolder(), "model.safetensors");
  const parts = new Map(storedParts("w", weight));
  const specs = [...parts].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
  await writeSafetensors(path, specs, async ({ name }) => parts.get(name)!);
  const bytes = readFileSync(path);
  const documented = readFileSync(new URL("../../docs/weights-format.md", import.meta.url), "utf8");
  const start = 8 + Number(bytes.readBigUInt64LE());
  expect(documented).toContain(bytes.toString("utf8", 8, start).trim());
  const hex = [...bytes.subarray(start)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  expect(documented.replace(/^[0-9a-f]{4} {2}|\s+#.*$/gm, "").replace(/\s+/g, " ")).toContain(hex);
});

test("loadWeights: as stored, or as the f32 that the codes stand for", async () => {
  const dir = await write([SCHEMES[0], SCHEMES[1], SCHEMES[3], undefined]);
  const outputs: Float32Array[] = [];
  for (const type of [undefined, "f32"] satisfies (WeightType | undefined)[]) {
    const folder = await openModelFolder(dir);
    const backend = referenceBackend();
    const weights = await loadWeights(backend, TOY, folder.tensors(), await converterTo(type));
    const features = { rows: 9, data: randomizer(2)([9, 56]).data as Float32Array };
    const { x } = await new SenseVoice(backend, TOY.encoder, weights).encode([
      { language: "auto", itn: false, features },
    ]);
    outputs.push(await backend.read(x));
  }
  expect(outputs[0].every(Number.isFinite)).toBe(true);
  expect(outputs[0]).toEqual(outputs[1]);
});

describe("what does not fit together is refused in one line", () => {
  const tensors = () => toyTensors([{ bits: 4, scale: "row", tables: "row" }]);
  const weight = tensors().get(QKV) as QuantizedTensor;
  const writeWith = (change: Partial<QuantizedTensor>) => {
    const all = tensors().set(QKV, { ...weight, ...change });
    return writeModelFolder(join(temporaryFolder(), "model"), TOY, TOKENIZER, all);
  };

  test.each<[string, Partial<QuantizedTensor>, RegExp]>([
    ["codes", { codes: weight.codes.subarray(1) }, /^\[weights: enc.*v\.weight\] codes: expected 768 words, got 767$/],
    ["NaN", { scales: Float32Array.of(Number.NaN) }, /scales: expected finite numbers, got NaN$/],
    ["tables", { tables: new Float32Array(17) }, /tables: expected 16 or 1536 or 1536, got 17$/],
    [
      "a table of fractions",
      { tables: new Float32Array(16).fill(0.5), activation: "dynamic" },
      /activation: expected tables of whole numbers from -127 to 127, got 0\.5$/,
    ],
    [
      "beyond f16",
      { tables: new Float32Array(16).fill(1 / 3) },
      /\.tables: expected a number that f16 holds, got 0\.333/,
    ],
  ])("writing %s", async (_, change, message) => {
    await expect(writeWith(change)).rejects.toThrow(message);
  });

  test("writing a tensor twice, or not at all", async () => {
    const dir = join(temporaryFolder(), "model");
    const all = [...tensors()];
    await expect(writeModelFolder(dir, TOY, TOKENIZER, [...all, all[0]])).rejects.toThrow(/came twice$/);
    await expect(writeModelFolder(dir, TOY, TOKENIZER, all.slice(1))).rejects.toThrow(/"frontend.*is missing$/);
  });

  /** Writes the folder's weights anew, as `change` would have them, with right digests. */
  async function tamper(change: (name: string, tensor: HostTensor) => [name: string, tensor?: Partial<HostTensor>]) {
    const dir = await write([{ bits: 4, scale: 32, zeros: true }, undefined]);
    const path = join(dir, WEIGHTS_FILE);
    const file = await openSafetensors(path);
    const entries = new Map<string, HostTensor>();
    for (const name of file.names) {
      const tensor = await file.read(name);
      const [newName, changed] = change(name, tensor);
      entries.set(newName, { ...tensor, ...changed });
    }
    await file.close();
    const specs = [...entries].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
    rmSync(path);
    const weights = await writeSafetensors(path, specs, async ({ name }) => entries.get(name)!);
    const config = parseModelConfig(JSON.parse(readFileSync(join(dir, "config.json"), "utf8")));
    const files = { ...config.files, [WEIGHTS_FILE]: weights };
    writeFileSync(join(dir, "config.json"), configText({ ...config, files }, sha256));
    return dir;
  }

  test.each<[string, Parameters<typeof tamper>[0], RegExp]>([
    [
      "an infinite scale",
      (name, { data }) => {
        if (name === `${QKV}.scales`) data[3] = 0x7c00;
        return [name];
      },
      /^\[weights\] enc.*v\.weight\.scales: expected finite numbers, got Infinity at 3$/,
    ],
    [
      "a zero point that is no code",
      (name, { data }) => {
        if (name === `${QKV}.zeros`) data[0] = 16;
        return [name];
      },
      /zeros: expected codes of 4 bits, got 16$/,
    ],
    [
      "codes of another shape",
      (name) => [name, name === `${QKV}.codes` ? { shape: [8, 96] } : {}],
      /codes: expected shape \[96,8\], got \[8,96\]$/,
    ],
    ["no codes", (name) => [name === `${QKV}.codes` ? "other" : name], /the parameter ".*codes" is missing$/],
    [
      "codes that are floats",
      (name) => [name, name === `${QKV}.codes` ? { dtype: "f32" } : {}],
      /^\[weights\] .*v\.weight\.codes: expected u32, got f32$/,
    ],
    [
      "zero points that are i8",
      (name) => [name, name === `${QKV}.zeros` ? { dtype: "i8" } : {}],
      /^\[weights\] .*v\.weight\.zeros: expected u8, got i8$/,
    ],
    [
      "scales in bytes without their steps",
      (name, { data }) => [name, name === `${QKV}.scales` ? { dtype: "i8", data: new Int8Array(data.length) } : {}],
      /the parameter "enc.*v\.weight\.steps" is missing$/,
    ],
  ])("reading %s", async (_, change, message) => {
    const dir = await tamper(change);
    await expect(read(dir)).rejects.toThrow(message);
  });

  const EACH_KIND = [
    "frontend.cmvn.shift",
    "frontend.cmvn.scale",
    "embed.weight",
    "encoder.encoders0.0.norm1.weight",
    "encoder.after_norm.bias",
    "encoder.encoders.0.self_attn.fsmn_block.weight",
    "encoder.tp_encoders.0.feed_forward.w_1.bias",
    "encoder.encoders0.0.self_attn.linear_out.weight", // in f16
    "ctc.ctc_lo.bias", // 31 elements
  ];

  test.each(EACH_KIND)("reading %s: NaN, ∞, and integers in the place of floats", async (changed) => {
    const last = ({ data }: HostTensor) => data.length - 1;
    for (const [value, half] of [
      [Number.NaN, 0x7e00],
      [-Infinity, 0xfc00],
    ]) {
      const dir = await tamper((name, tensor) => {
        if (name === changed) tensor.data[last(tensor)] = tensor.dtype === "f16" ? half : value;
        return [name];
      });
      await expect(read(dir)).rejects.toThrow(
        new RegExp(`^\\[weights\\] ${changed}: expected finite numbers, got ${value} at \\d+$`),
      );
    }
    const integers = await tamper((name, tensor) =>
      name === changed ? [name, { dtype: "u32", data: Uint32Array.from(tensor.data, () => 0x3f800000) }] : [name],
    );
    await expect(read(integers)).rejects.toThrow(`[weights] ${changed}: expected f32, f16 or bf16, got u32`);
  });

  test("reading a configuration of other weights", async () => {
    const dir = await write([SCHEMES[0]]);
    const { config } = await openModelFolder(dir);
    const readWith = async (quantization: ModelConfig["quantization"]) => {
      writeFileSync(join(dir, "config.json"), configText({ ...config, quantization }, sha256));
      return read(dir);
    };
    const entry = { bits: 4, groupSize: 32 };
    await expect(readWith(undefined)).rejects.toThrow(/the parameter ".*" is missing/);
    await expect(readWith({ ...config.quantization, "embed.weight": entry })).rejects.toThrow(
      /quantization\["embed\.weight"\]: there is no such linear weight/,
    );
    await expect(readWith({ ...config.quantization, [QKV]: entry })).rejects.toThrow(/codes: expected shape/);
    await expect(readWith({ ...config.quantization, [QKV]: { ...entry, activation: -1 } })).rejects.toThrow(
      /\.activation: expected "dynamic" or a positive number, got -1$/,
    );
  });
});
