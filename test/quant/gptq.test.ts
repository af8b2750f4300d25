import { describe, expect, test } from "vitest";
import { damped, gptq, prepareCompensation } from "../../src/quant/gptq.ts";
import { type Grid, levelsOf, scalesOfRow, uniformLevels } from "../../src/quant/grid.ts";
import { NF4 } from "../../src/quant/tables.ts";
import { bellWeights, f32, hessianOf, inverse } from "./support.ts";

/**
 * GPTQ by its definition: the weight i of those left, F, is rounded to q, and the others in F move by
 * −(wᵢ − q) / [H_F⁻¹]ᵢᵢ · [H_F⁻¹]ᵢⱼ; the one with the largest Hᵢᵢ comes first.
 */
function plainGptq(grid: Grid, weight: Float32Array, hessian: Float64Array): number[] {
  const [n, k] = grid.shape;
  const levels = levelsOf(grid);
  const codes = new Array<number>(n * k);
  for (let row = 0; row < n; row++) {
    const rest = Array.from(weight.subarray(row * k, (row + 1) * k));
    const left = rest.map((_, i) => i).sort((a, b) => hessian[b * k + b] - hessian[a * k + a] || a - b);
    while (left.length > 0) {
      const i = left[0];
      const ofLeft = inverse(left.map((a) => left.map((b) => hessian[a * k + b])));
      const group = Math.floor(i / grid.groupSize);
      const values = Array.from(levels(row, group), (level) => level * scalesOfRow(grid, row)[group]);
      const distances = values.map((value) => Math.abs(value - rest[i]));
      const code = distances.indexOf(Math.min(...distances));
      codes[row * k + i] = code;
      const factor = (rest[i] - values[code]) / ofLeft[0][0];
      left.forEach((j, at) => {
        rest[j] -= factor * ofLeft[0][at];
      });
      left.shift();
    }
  }
  return codes;
}

describe("GPTQ", () => {
  const [n, k] = [3, 70]; // two blocks of columns and a part of one
  const weight = bellWeights(5, n, k);
  const hessian = hessianOf(6, k);
  test.each<[string, Grid]>([
    ["a scale for each row", { shape: [n, k], bits: 4, groupSize: k, scales: f32(0.012, -0.011, 0.013) }],
    ["one scale", { shape: [n, k], bits: 3, groupSize: k, scales: f32(0.02) }],
    [
      "groups with zero points",
      {
        shape: [n, k],
        bits: 3,
        groupSize: 32,
        scales: Float32Array.from({ length: 9 }, (_, i) => 0.02 + i / 1000),
        zeros: Uint8Array.from({ length: 9 }, (_, i) => 2 + (i % 3)),
      },
    ],
    [
      "groups with a table",
      {
        shape: [n, k],
        bits: 4,
        groupSize: 32,
        scales: Float32Array.from({ length: 9 }, (_, i) => 0.08 + i / 500),
        tables: f32(...NF4),
      },
    ],
  ])("is what its definition says: %s", (_, grid) => {
    const codes = gptq(grid, weight, prepareCompensation(hessian, k));
    expect(Array.from(codes)).toEqual(plainGptq(grid, weight, hessian));
  });

  test("damping adds a twentieth of the mean to the diagonal, and 1 where all is 0", () => {
    expect(damped(Float64Array.of(1, 0.5, 0.5, 3), 2)).toEqual(Float64Array.of(1.1, 0.5, 0.5, 3.1));
    expect(damped(new Float64Array(4), 2)).toEqual(Float64Array.of(1, 0, 0, 1));
  });

  test("of inputs equally strong the first comes first", () => {
    const even = Float64Array.from({ length: 16 }, (_, i) => (i % 5 === 0 ? 2 : 0.5));
    const { order } = prepareCompensation(even, 4);
    expect(Array.from(order)).toEqual([3, 2, 1, 0]); // rounded from the last to the first
  });
});

test("the levels of a grid are those of the row and the group", () => {
  const zeros = Uint8Array.of(0, 1, 2, 3, 3, 2);
  const grid: Grid = { shape: [2, 9], bits: 2, groupSize: 4, scales: f32(1, 2, 3, 4, 5, 6), zeros };
  expect(Array.from(levelsOf(grid)(1, 0))).toEqual([-3, -2, -1, 0]);
  expect(Array.from(levelsOf(grid)(0, 2))).toEqual([-2, -1, 0, 1]);
  expect(Array.from(scalesOfRow(grid, 1))).toEqual([4, 5, 6]);
  expect(Array.from(scalesOfRow({ ...grid, scales: f32(7) }, 1))).toEqual([7, 7, 7]);
  expect(Array.from(uniformLevels(2))).toEqual([-2, -1, 0, 1]);
  const tables = Float32Array.from({ length: 24 }, (_, i) => i);
  const first = (count: number, row: number, group: number) =>
    levelsOf({ ...grid, zeros: undefined, tables: tables.subarray(0, count * 4) })(row, group)[0];
  expect([first(1, 1, 2), first(2, 1, 2), first(6, 1, 2)]).toEqual([0, 4, 20]);
});
