import { expect, test } from "vitest";
import { referenceBackend } from "../../src/kernels/reference/backend.ts";
import { quantizeRows } from "../../src/kernels/reference/linearInt8.ts";
import { dequantize, packCodes } from "../../src/tensor/quantized.ts";
import { INT8_SCHEMES, randomQuantized } from "../support/quantized.ts";
import { randomizer } from "../support/random.ts";
import { TOLERANCE } from "../support/tolerances.ts";

test("a given scale: nearest, ties to even, saturating at ±127", () => {
  const x = Float32Array.of(0.25, 0.75, 1.25, -0.25, -0.75, 0.3, 100, -100);
  const { values, scales } = quantizeRows(x, [1, 8], 0.5);
  expect(values).toEqual(Int8Array.of(0, 2, 2, 0, -2, 1, 127, -127));
  expect(scales).toEqual(Float32Array.of(0.5));
});

test("dynamic: the largest of a row is ±127; rows of zeros, and of next to nothing, are zeros", () => {
  const x = Float32Array.of(1, -4, 2, 0, 0, 0, 0, 0, 1e-40, 0, 0, 0, 3e38, -3e38, 1e38, 0);
  const { values, scales } = quantizeRows(x, [4, 4], "dynamic");
  expect(values).toEqual(Int8Array.of(32, -127, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 127, -127, 42, 0));
  expect(scales.every(Number.isFinite)).toBe(true);
  expect(scales[0]).toBe(Math.fround(4 / 127));
});

test("two groups by hand: sums, scales, the row's scale, bias, residual, ReLU", () => {
  const backend = referenceBackend();
  const f32 = (shape: number[], ...data: number[]) => {
    return backend.upload({ dtype: "f32", shape, data: Float32Array.from(data) });
  };
  const row = new Float32Array(64);
  row.set([1, 2, 3], 0);
  row.set([-5, 1], 32);
  const codes = new Uint8Array(64);
  codes.set([15, 0, 7], 0); // 7, −8, −1 around 8
  codes.set([0, 2], 32); // −8, −6
  const weight = backend.uploadLinear({
    dtype: "quantized",
    shape: [1, 64],
    bits: 4,
    groupSize: 32,
    codes: packCodes(codes, [1, 64], 4),
    scales: Float32Array.of(0.5, -0.25),
    activation: 0.5, // x becomes 2, 4, 6, …, −10, 2
  });
  const options = { bias: f32([1], 10), relu: true, residual: f32([1, 1], 6) };
  // Group 0: 2·7 − 4·8 − 6·1 = −24; group 1: 10·8 − 2·6 = 68; (−24 · 0.5 − 68 · 0.25) · 0.5 = −14.5.
  expect(backend.linear(f32([1, 64], ...row), weight, options).data).toEqual(Float32Array.of(1.5));
  expect(backend.linear(f32([1, 64], ...row), weight).data).toEqual(Float32Array.of(-14.5));
});

for (const scheme of INT8_SCHEMES) {
  test(`the product is that of the floats that codes stand for, but for the rounding of x: ${JSON.stringify(scheme)}`, () => {
    const backend = referenceBackend();
    const [n, k, rows] = [9, 560, 5];
    const weight = randomQuantized(1, [n, k], scheme);
    const x = randomizer(2)([rows, k]);
    const got = backend.linear(x, backend.uploadLinear(weight)).data;
    const floats = { dtype: "f32", shape: [n, k], data: dequantize(weight) } as const;
    const exact = backend.linear(x, backend.uploadLinear(floats)).data;
    const { values, scales } = quantizeRows(x.data as Float32Array, [rows, k], weight.activation ?? "dynamic");
    for (let r = 0; r < rows; r++) {
      for (let j = 0; j < n; j++) {
        let ofRounded = 0;
        let bound = 0; // half a step of each x
        for (let i = 0; i < k; i++) {
          ofRounded += values[r * k + i] * scales[r] * floats.data[j * k + i];
          bound += (scales[r] / 2) * Math.abs(floats.data[j * k + i]);
        }
        expect(Math.abs(got[r * n + j] - ofRounded)).toBeLessThan(TOLERANCE.int8Product);
        expect(Math.abs(got[r * n + j] - exact[r * n + j])).toBeLessThan(bound + TOLERANCE.int8Product);
      }
    }
  });
}
