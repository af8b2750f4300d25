import { describe, expect, test } from "vitest";
import { referenceBackend } from "../../../src/kernels/reference/backend.ts";
import { createWasmBackend } from "../../../src/kernels/wasm/backend.ts";
import { loadWeights } from "../../../src/model/sensevoice/weights.ts";
import type { Weight } from "../../../src/tensor/quantized.ts";
import { TOY, toyTensors } from "../../support/toyModel.ts";

const all = [...toyTensors([{ bits: 4, scale: 32 }])];
const [few] = all.flatMap(([, tensor]) => (tensor.dtype === "quantized" ? [tensor] : []));

/** A backend that counts what is on it. */
function counting() {
  const backend = referenceBackend();
  const live = new Set<unknown>();
  const keep = <T>(item: T) => {
    live.add(item);
    return item;
  };
  return {
    live,
    backend: {
      ...backend,
      upload: (tensor) => keep(backend.upload(tensor)),
      uploadLinear: (weight) => keep(backend.uploadLinear(weight)),
      release: (item) => void (live.delete(item) && backend.release(item)),
    } satisfies typeof backend as typeof backend,
  };
}

test.each([
  ["in the order of the file", (tensors: typeof all) => tensors],
  ["backwards", (tensors: typeof all) => [...tensors].reverse()],
])("each layer is handed on as soon as all of it is there, %s", async (_, order) => {
  const taken: string[] = [];
  function* tensors() {
    for (const tensor of order(all)) {
      taken.push(tensor[0]);
      yield tensor;
    }
  }
  const handed: string[] = [];
  await loadWeights(referenceBackend(), TOY, tensors(), undefined, ({ name, w2 }) => {
    handed.push(name);
    expect(w2.weight.shape).toEqual([TOY.encoder.outputSize, TOY.encoder.linearUnits]);
    const others = all.filter(([other]) => other.startsWith(`${name}.`) && !taken.includes(other));
    expect(others).toEqual([]);
    expect(taken.at(-1)).toContain(name);
  });
  expect(new Set(handed)).toEqual(new Set(["encoder.encoders0.0", "encoder.encoders.0", "encoder.tp_encoders.0"]));
  expect(handed).toHaveLength(3);
});

test("what is loaded is given back, once it is not needed", async () => {
  const { backend, live } = counting();
  const weights = await loadWeights(backend, TOY, all);
  expect(live.size).toBe(all.length - 3); // embed.weight and CMVN stay on the host
  weights.release();
  expect(live.size).toBe(0);
});

describe("after an error nothing is left on the device", () => {
  test.each<[string, [string, Weight][], string]>([
    ["a missing weight", all.slice(0, -2), "[weights] expected a tensor ctc.ctc_lo.weight, found none"],
    ["a missing bias", all.slice(0, -1), "[weights] expected a tensor ctc.ctc_lo.bias, found none"],
    ["a missing table", all.filter(([name]) => name !== "embed.weight"), "expected a tensor embed.weight, found none"],
    [
      "a norm in few bits",
      all.map(([name, tensor]) => [name, name === "encoder.tp_norm.weight" ? few : tensor]),
      "[weights] encoder.tp_norm.weight: expected floats",
    ],
  ])("%s", async (_, tensors, message) => {
    const { backend, live } = counting();
    await expect(loadWeights(backend, TOY, tensors)).rejects.toThrow(message);
    expect(live.size).toBe(0);
  });

  test("memory that ran out while uploads were under way", async () => {
    const { backend, live } = counting();
    const full = { ...backend, read: () => Promise.reject(new Error("out of memory")) };
    await expect(loadWeights(full, TOY, all)).rejects.toThrow("out of memory");
    expect(live.size).toBe(0);
  });
});

test("linear weights pass through the converter, nothing else does", async () => {
  const seen: Weight[] = [];
  const backend = await createWasmBackend({ threads: 1 });
  await loadWeights(backend, TOY, all, (weight) => {
    seen.push(weight);
    return weight;
  });
  backend.close();
  expect(seen).toEqual(all.flatMap(([, tensor]) => (tensor.dtype === "quantized" ? [tensor] : [])));
});
