import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  fnv1a,
  randomFeatures,
  randomModelConfig,
  randomModelTensors,
  randomTensor,
  SEED,
  writeRandomModel,
} from "../../scripts/random-weights.ts";
import { f32ToF16 } from "../../src/tensor/f16.ts";
import { elementCount, type HostData } from "../../src/tensor/host.ts";
import { openModelFolder } from "../support/model.ts";
import { TOLERANCE } from "../support/tolerances.ts";

interface Golden {
  seed: number;
  fnv1a: Record<string, number>;
  tensorCount: number;
  parameterCount: number;
  tensors: { name: string; shape: number[]; at: number[]; bits: number[]; sumOfBits: number }[];
}

/** Made by numpy: `scripts/make-goldens.py weights`. */
const golden: Golden = JSON.parse(readFileSync("test/golden/random-weights.json", "utf8"));

const bytes = ({ buffer, byteOffset, byteLength }: HostData) => Buffer.from(buffer, byteOffset, byteLength);

describe("random weights", () => {
  test("names hash as in Python", () => {
    for (const [name, hash] of Object.entries(golden.fnv1a)) expect(fnv1a(name)).toBe(hash);
  });

  test("the full-size model's numbers are numpy's, bit for bit", () => {
    expect(SEED).toBe(golden.seed);
    const wanted = new Map(golden.tensors.map((tensor) => [tensor.name, tensor]));
    let [tensors, parameters] = [0, 0];
    for (const [name, { shape, data }] of randomModelTensors(randomModelConfig("small"))) {
      if (name.startsWith("frontend.")) continue; // FunASR keeps these two in a file of their own
      tensors++;
      parameters += elementCount(shape);
      const expected = wanted.get(name);
      if (!expected) continue;
      wanted.delete(name);
      // Torch has a middle dimension of 1 in the FSMN taps.
      expect(shape, name).toEqual(expected.shape.filter((size) => size !== 1));
      const bits = new Uint32Array(data.buffer);
      expect(
        expected.at.map((i) => bits[i]),
        name,
      ).toEqual(expected.bits);
      let sum = 0;
      for (const word of bits) sum = (sum + word) >>> 0;
      expect(sum, name).toBe(expected.sumOfBits);
    }
    expect([...wanted.keys()]).toEqual([]);
    expect(tensors).toBe(golden.tensorCount);
    expect(parameters).toBe(golden.parameterCount);
  }, 60_000);

  test("a tensor depends on its name and on the seed, and fills its range", () => {
    const a = randomTensor("a", [4096], { scale: 0.5, offset: 2 }).data;
    expect(a).not.toEqual(randomTensor("b", [4096], { scale: 0.5, offset: 2 }).data);
    expect(a).not.toEqual(randomTensor("a", [4096], { scale: 0.5, offset: 2, seed: SEED + 1 }).data);
    expect(Math.min(...a)).toBeGreaterThanOrEqual(1.5);
    expect(Math.max(...a)).toBeLessThan(2.5);
    expect(Math.max(...a) - Math.min(...a)).toBeGreaterThan(0.99);
  });

  test("features have a mean near 0 and a variance near 1", () => {
    const { shape, data } = randomFeatures(20, 560);
    expect(shape).toEqual([20, 560]);
    const mean = data.reduce((sum, x) => sum + x, 0) / data.length;
    const variance = data.reduce((sum, x) => sum + (x - mean) ** 2, 0) / data.length;
    expect(Math.abs(mean)).toBeLessThan(TOLERANCE.moments);
    expect(Math.abs(variance - 1)).toBeLessThan(TOLERANCE.moments);
  });

  test.each(["f32", "f16"] as const)("a written folder is a model folder that holds them, %s", async (dtype) => {
    const dir = mkdtempSync(join(tmpdir(), "random-weights-"));
    try {
      const tokenizer = join(dir, "pieces");
      writeFileSync(tokenizer, "any bytes");
      await writeRandomModel(join(dir, "model"), { config: "tiny", dtype, tokenizer });
      const folder = await openModelFolder(join(dir, "model"));
      const expected = new Map(randomModelTensors(randomModelConfig("tiny")));
      for await (const [name, tensor] of folder.tensors()) {
        if (tensor.dtype === "quantized") throw new Error(`${name} is in few bits`);
        const { data } = expected.get(name)!;
        const wanted = tensor.dtype === "f16" ? f32ToF16(data) : data;
        expect(Buffer.compare(bytes(tensor.data), bytes(wanted)), name).toBe(0);
        expected.delete(name);
      }
      expect([...expected.keys()]).toEqual([]);
      expect(folder.config).toMatchObject({ weights: dtype, vocabSize: 995 });
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
