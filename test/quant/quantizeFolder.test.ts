import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { writeModelFolder } from "../../src/convert/writeModelFolder.ts";
import { linearParameters } from "../../src/model/sensevoice/parameters.ts";
import { parsePolicy } from "../../src/quant/policy.ts";
import { quantizeTensor } from "../../src/quant/quantize.ts";
import { type QuantizeFolderOptions, quantizeFolder } from "../../src/quant/quantizeFolder.ts";
import { storedBits } from "../../src/quant/size.ts";
import { asF32 } from "../../src/tensor/f16.ts";
import { elementCount } from "../../src/tensor/host.ts";
import type { Weight } from "../../src/tensor/quantized.ts";
import type { Progress } from "../../src/weights/source.ts";
import { temporaryFolder } from "../convert/folder.ts";
import { openModelFolder } from "../support/model.ts";
import { withF32Scales } from "../support/quantized.ts";
import { randomizer } from "../support/random.ts";
import { TOY, toyTensors } from "../support/toyModel.ts";

const LINEARS = linearParameters(TOY);
const TOTAL = LINEARS.reduce((sum, { shape }) => sum + elementCount(shape), 0);
const names = new Set(LINEARS.map(({ name }) => name));
const random = randomizer(7);
const tensors = [...toyTensors([undefined])].map(([name, tensor]): [string, Weight] => {
  return [name, names.has(name) ? random([...tensor.shape], 0.3) : tensor];
});
const clips = [0, 1, 2].map((seed) => {
  return { pcm: randomizer(seed)([8000], 0.1).data as Float32Array, itn: seed === 1 };
});

/** Quantises the toy model: its tensors then, its policy and what was reported meanwhile. */
async function quantized(options: Omit<QuantizeFolderOptions, "onProgress">) {
  const [source, target] = ["toy", "model"].map((name) => join(temporaryFolder(), name));
  await writeModelFolder(source, { ...TOY, weights: "f32" }, Buffer.from("any bytes"), tensors);
  const progress: Progress[] = [];
  const policy = await quantizeFolder(source, target, { ...options, onProgress: (p) => progress.push(p) });
  const folder = await openModelFolder(target);
  const weights = new Map<string, Weight>();
  for await (const [name, tensor] of folder.tensors()) weights.set(name, withF32Scales(tensor));
  return { target, progress, policy, config: folder.config, weights };
}

test("each linear layer is put into its scheme, all else stays; the policy is in the new folder", async () => {
  const policy = parsePolicy({ name: "mine", scheme: "int4", layers: { "ctc.ctc_lo.weight": "int8" } });
  const { weights, config, progress, policy: used } = await quantized({ policy });
  for (const [name, tensor] of tensors) {
    const scheme = name === "ctc.ctc_lo.weight" ? policy.layers[name] : policy.scheme;
    const [n, k] = tensor.shape;
    const expected = names.has(name) && tensor.dtype !== "quantized";
    expect(weights.get(name), name).toEqual(
      expected ? quantizeTensor(asF32(tensor), [n, k], scheme, { name }) : tensor,
    );
  }
  expect(used).toEqual(policy);
  expect(config).toMatchObject({ name: "toy", weights: "mine", policy: JSON.parse(JSON.stringify(policy)) });
  expect(progress.map(({ task, total }) => [task, total])).toEqual(LINEARS.map(() => ["quantise", TOTAL]));
  expect(progress.at(-1)?.done).toBe(TOTAL);
});

test("a mixed policy keeps to its budget; probing, weighing and quantising each go on to the end", async () => {
  const bitsPerWeight = 6;
  const { weights, policy, progress } = await quantized({ policy: { name: "mixed", bitsPerWeight }, clips });
  const bits = [...weights.values()].map((weight) => (weight.dtype === "quantized" ? storedBits(weight) : 0));
  expect(bits.filter((count) => count > 0)).toHaveLength(LINEARS.length);
  expect(bits.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(bitsPerWeight * TOTAL);
  expect(Object.keys(policy.layers).toSorted()).toEqual([...names].toSorted());
  expect(new Set(Object.values(policy.layers).map((scheme) => JSON.stringify(scheme))).size).toBeGreaterThan(1);
  for (const task of ["probe", "weigh", "quantise"]) {
    const of = progress.filter((p) => p.task === task);
    expect(of, task).toHaveLength(LINEARS.length);
    expect(of.at(-1), task).toEqual({ task, done: TOTAL, total: TOTAL });
  }
}, 60_000);

test("in sequence weights and biases of linear layers change, all else stays", async () => {
  const policy = parsePolicy({ name: "mine", scheme: "int4", layers: { "ctc.*": "int8" } });
  const { weights, config, progress, policy: used } = await quantized({ policy, clips, sequential: true });
  const biases = new Set(LINEARS.map(({ name }) => name.replace(/weight$/, "bias")));
  for (const [name, tensor] of tensors) {
    const own = weights.get(name);
    if (names.has(name)) expect(own, name).toMatchObject({ dtype: "quantized", shape: tensor.shape });
    else if (biases.has(name)) {
      expect(own, name).toMatchObject({ dtype: "f32", shape: tensor.shape });
      expect(own, name).not.toEqual(tensor);
    } else expect(own, name).toEqual(tensor);
  }
  expect([used, config.weights]).toEqual([policy, "mine"]);
  expect(progress.at(-1)).toEqual({ task: "quantise", done: TOTAL, total: TOTAL });
}, 60_000);

describe("what cannot be done is refused before anything is written", () => {
  test.each<[string, Omit<QuantizeFolderOptions, "onProgress">, RegExp]>([
    [
      "a scheme that looks at activations without sound",
      { policy: parsePolicy({ name: "x", scheme: "int4-gptq" }) },
      /^\[quant\] x: expected calibration sound, got none: give some with --calibrate$/,
    ],
    [
      "such a scheme for one layer",
      { policy: parsePolicy({ name: "x", scheme: "int4", layers: { "ctc.*": "lut4" } }) },
      /^\[quant\] x: expected calibration sound, got none/,
    ],
    [
      "layers in sequence without sound",
      { policy: parsePolicy({ name: "x", scheme: "int4" }), sequential: true },
      /^\[quant\] x: expected calibration sound, got none: give some with --calibrate$/,
    ],
    [
      "a size without sound",
      { policy: { name: "x", bitsPerWeight: 4 } },
      /^\[quant\] x: expected calibration sound, got none/,
    ],
    [
      "a layer that is not there",
      { policy: parsePolicy({ name: "x", scheme: "int4", layers: { "no.such": "int8" } }) },
      /^\[policy\] no\.such: expected the name of a linear weight, found none like it$/,
    ],
    [
      "a budget below the smallest schemes",
      { policy: { name: "x", bitsPerWeight: 2 }, clips: clips.slice(0, 1) },
      /^\[quant\] budget: expected at least \d+, the smallest choices, got \d+$/,
    ],
  ])("%s", async (_, options, message) => {
    await expect(quantized(options)).rejects.toThrow(message);
  });

  test("a model that is quantised already", async () => {
    const { target } = await quantized({ policy: parsePolicy({ name: "x", scheme: "int8" }) });
    await expect(
      quantizeFolder(target, join(temporaryFolder(), "twice"), { policy: parsePolicy({ name: "y", scheme: "int4" }) }),
    ).rejects.toThrow(`[quant] ${target}: expected a model in f32 or f16, got one in x`);
  });
});
