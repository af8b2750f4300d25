import { expect, test } from "vitest";
import { ReferenceBackend } from "../../src/kernels/reference/backend.ts";
import { quantizeRows } from "../../src/kernels/reference/linearInt8.ts";
import { dequantize } from "../../src/tensor/quantized.ts";
import { randomQuantized } from "../support/quantized.ts";
import { randomizer } from "../support/random.ts";

test("a given scale: nearest, ties to even, saturating at ±127", () => {
  const x = Float32Array.of(0.25, 0.75, 1.25, -0.25, -0.75, 0.3, 100, -100);
  const { values, scales } = quantizeRows(x, [1, 8], 0.5);
  expect(Array.from(values, (v) => v + 0)).toEqual([0, 2, 2, 0, -2, 1, 127, -127]);
  expect(scales).toEqual(Float32Array.of(0.5));
});

test("dynamic: the largest of a row is ±127; rows of zeros, and of next to nothing, are zeros", () => {
  const x = Float32Array.of(1, -4, 2, 0, 0, 0, 0, 0, 1e-40, 0, 0, 0, 3e38, -3e38, 1e38, 0);
  const { values, scales } = quantizeRows(x, [4, 4], "dynamic");
  expect(Array.from(values, (v) => v + 0)).toEqual([
    32, -127, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 127, -127, 42, 0,
  ]);
  expect(scales.every(Number.isFinite)).toBe(true);
  expect(scales[0] * 127).toBeCloseTo(4, 5);
});

test("the product is that of the floats that codes stand for, but for the rounding of x", () => {
  const backend = new ReferenceBackend();
  const [n, k, rows] = [31, 560, 9];
  const weight = randomQuantized(1, [n, k], { bits: 8, scale: "row", activation: "dynamic" });
  const x = randomizer(2)([rows, k]);
  const got = backend.linear(x, backend.uploadLinear(weight)).data;
  const floats = { dtype: "f32", shape: [n, k], data: dequantize(weight) } as const;
  const exact = backend.linear(x, backend.uploadLinear(floats)).data;
  const { values, scales } = quantizeRows(x.data as Float32Array, [rows, k], "dynamic");
  for (let r = 0; r < rows; r++) {
    for (let j = 0; j < n; j++) {
      let ofRounded = 0;
      let bound = 0; // half a step of each x
      for (let i = 0; i < k; i++) {
        ofRounded += values[r * k + i] * scales[r] * floats.data[j * k + i];
        bound += (scales[r] / 2) * Math.abs(floats.data[j * k + i]);
      }
      expect(Math.abs(got[r * n + j] - ofRounded)).toBeLessThan(1e-5);
      expect(Math.abs(got[r * n + j] - exact[r * n + j])).toBeLessThan(bound + 1e-5);
    }
  }
});
