import { describe, expect, test } from "vitest";
import { f16ToF32 } from "../../src/tensor/f16.ts";
import type { QuantizedTensor } from "../../src/tensor/quantized.ts";
import { nearestSteps, scalesOfSteps } from "../../src/tensor/scaleSteps.ts";
import { storedParts } from "../../src/weights/quantizedParts.ts";
import { randomQuantized } from "../support/quantized.ts";

describe("scales that are whole multiples of a step of their row", () => {
  const stepped = (seed: number) => {
    const weight = randomQuantized(seed, [40, 320], { bits: 4, scale: 32, activation: "dynamic" });
    const signed = (weight.scales as Float32Array).map((scale, i) => (i % 3 ? scale : -scale / (1 + (i % 50))));
    return { ...weight, scales: f16ToF32(scalesOfSteps(nearestSteps(signed, 40))) };
  };
  const entriesOf = (weight: QuantizedTensor) => {
    return Object.fromEntries(storedParts("w", weight).map(([name, { dtype, shape }]) => [name, [dtype, ...shape]]));
  };

  test("take a byte each; others f16", () => {
    expect(entriesOf(stepped(1))).toEqual({
      "w.codes": ["u32", 40, 40],
      "w.scales": ["i8", 40, 10],
      "w.steps": ["f32", 40],
    });
    const weight = randomQuantized(1, [40, 320], { bits: 4, scale: 32 });
    expect(entriesOf(weight)).toEqual({ "w.codes": ["u32", 40, 40], "w.scales": ["f16", 40, 10] });
  });

  test("come back to the bit, negative ones and small ones too", () => {
    for (let seed = 1; seed < 20; seed++) {
      const { scales } = stepped(seed);
      const parts = new Map(storedParts("w", stepped(seed)).map(([name, { data }]) => [name, data]));
      const [multiples, steps] = [parts.get("w.scales") as Int8Array, parts.get("w.steps") as Float32Array];
      expect(multiples.some((m) => m < 0) && multiples.every((m) => m !== 0)).toBe(true);
      expect(f16ToF32(scalesOfSteps({ multiples, steps }))).toEqual(scales);
    }
  });

  test("are within half a step of what they are made from", () => {
    const { scales } = randomQuantized(3, [40, 320], { bits: 4, scale: 32 });
    const near = f16ToF32(scalesOfSteps(nearestSteps(scales as Float32Array, 40)));
    near.forEach((scale, i) => {
      const row = (scales as Float32Array).subarray(10 * Math.floor(i / 10), 10 * Math.floor(i / 10) + 10);
      expect(Math.abs(scale - scales[i])).toBeLessThan((Math.max(...row) / 127) * 0.56);
    });
  });
});
