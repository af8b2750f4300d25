import { describe, expect, test } from "vitest";
import { gptq, prepareCompensation } from "../../src/quant/gptq.ts";
import { type Grid, levelsOf, scalesOfRow, storedF16, uniformLevels } from "../../src/quant/grid.ts";
import { learn, outputError } from "../../src/quant/learn.ts";
import { NF4 } from "../../src/quant/tables.ts";
import { randomizer } from "../support/random.ts";
import { bellWeights, correlatedInputs, statisticsOf } from "./support.ts";

const f32 = (...values: number[]) => Float32Array.from(values);

/** Positive definite, every input depending on the others. */
function hessianOf(seed: number, k: number): Float64Array {
  const { hessian } = statisticsOf(correlatedInputs(seed, 4 * k, k), k);
  return hessian.map((value, i) => value + (i % (k + 1) === 0 ? 1 : 0));
}

/** What each weight is in a grid. */
function approximation(grid: Grid, codes: Uint8Array): Float32Array {
  const [n, k] = grid.shape;
  const levels = levelsOf(grid);
  return Float32Array.from({ length: n * k }, (_, at) => {
    const [row, group] = [Math.floor(at / k), Math.floor((at % k) / grid.groupSize)];
    return levels(row, group)[codes[at]] * scalesOfRow(grid, row)[group];
  });
}

/** Σ over rows of e·H·eᵀ by its definition. */
function plainError(difference: readonly number[], hessian: Float64Array, k: number): number {
  let sum = 0;
  for (let row = 0; row < difference.length; row += k) {
    for (let i = 0; i < k; i++) {
      for (let j = 0; j < k; j++) sum += difference[row + i] * hessian[i * k + j] * difference[row + j];
    }
  }
  return sum;
}

test("the error of the output is Σ e·H·eᵀ over the rows", () => {
  const [n, k] = [3, 9];
  const hessian = hessianOf(1, k);
  const [weight, other] = [bellWeights(1, n, k), bellWeights(2, n, k)];
  const difference = Array.from(weight, (w, i) => w - other[i]);
  expect(outputError(other, weight, hessian, [n, k])).toBeCloseTo(plainError(difference, hessian, k), 10);
});

/** The inverse by Gauss and Jordan. */
function inverse(matrix: readonly (readonly number[])[]): number[][] {
  const size = matrix.length;
  const rows = matrix.map((row, i) => [...row, ...row.map((_, j) => (i === j ? 1 : 0))]);
  for (let i = 0; i < size; i++) {
    const pivot = rows[i][i];
    rows[i] = rows[i].map((x) => x / pivot);
    for (let r = 0; r < size; r++) {
      const factor = rows[r][i];
      if (r !== i) rows[r] = rows[r].map((x, c) => x - factor * rows[i][c]);
    }
  }
  return rows.map((row) => row.slice(size));
}

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

  test("of inputs equally strong the first comes first", () => {
    const even = Float64Array.from({ length: 16 }, (_, i) => (i % 5 === 0 ? 2 : 0.5));
    const { order } = prepareCompensation(even, 4);
    expect(Array.from(order)).toEqual([3, 2, 1, 0]); // rounded from the last to the first
  });
});

/** The descent by its definition, each step by trying: every code, then a parabola through three scales. */
function plainDescent(grid: Grid, codes: Uint8Array, weight: Float32Array, hessian: Float64Array): void {
  const [n, k] = grid.shape;
  const error = (row: number) => {
    const values = approximation(grid, codes);
    const difference = Array.from({ length: k }, (_, i) => weight[row * k + i] - values[row * k + i]);
    return plainError(difference, hessian, k);
  };
  for (let row = 0; row < n; row++) {
    for (let i = row * k; i < (row + 1) * k; i++) {
      const tried = Array.from({ length: 2 ** grid.bits }, (_, code) => {
        codes[i] = code;
        return error(row);
      });
      codes[i] = tried.indexOf(Math.min(...tried));
    }
    if (grid.scales.length < n) continue; // shared: a row must not change it for the others
    const groups = Math.ceil(k / grid.groupSize);
    for (let at = row * groups; at < (row + 1) * groups; at++) {
      const old = grid.scales[at];
      const errorAt = (scale: number) => {
        grid.scales[at] = scale;
        return error(row);
      };
      const [below, here, above] = [old - 0.01, old, old + 0.01].map((scale) => Math.fround(scale));
      const [a, b, c] = [below, here, above].map(errorAt);
      // The vertex of the parabola through the three points.
      const [p, q] = [(b - a) / (here - below), (c - b) / (above - here)];
      const curvature = (q - p) / (above - below);
      const vertex = (below + here) / 2 - p / (2 * curvature);
      const fitted = groups > 1 ? storedF16(vertex) : Math.fround(vertex);
      grid.scales[at] = curvature > 1e-9 && errorAt(fitted) < b ? fitted : old;
    }
  }
}

describe("learning without tables", () => {
  const [n, k] = [3, 12];
  const weight = bellWeights(7, n, k).map((w) => w * 8);
  const hessian = hessianOf(8, k);
  const rounded = (grid: Grid) => {
    const values = (row: number, i: number) => {
      const group = Math.floor(i / grid.groupSize);
      return Array.from(levelsOf(grid)(row, group), (level) => level * scalesOfRow(grid, row)[group]);
    };
    return Uint8Array.from(weight, (w, at) => {
      const distances = values(Math.floor(at / k), at % k).map((value) => Math.abs(value - w));
      return distances.indexOf(Math.min(...distances));
    });
  };

  test.each<[string, Grid]>([
    ["a scale for each row", { shape: [n, k], bits: 3, groupSize: k, scales: f32(0.22, 0.16, -0.2) }],
    ["one scale for all rows, which stays", { shape: [n, k], bits: 3, groupSize: k, scales: f32(0.2) }],
    [
      "groups, whose scales are rounded to f16",
      { shape: [n, k], bits: 2, groupSize: 4, scales: new Float32Array(9).fill(0.3125) },
    ],
    [
      "zero points",
      {
        shape: [n, k],
        bits: 3,
        groupSize: 6,
        scales: new Float32Array(6).fill(0.25),
        zeros: Uint8Array.of(3, 4, 2, 5, 4, 3),
      },
    ],
  ])("is a descent, one code and one scale at a time: %s", (_, grid) => {
    const expected = { ...grid, scales: grid.scales.slice() };
    const codes = rounded(grid);
    const expectedCodes = codes.slice();
    const before = outputError(approximation(grid, codes), weight, hessian, [n, k]);
    for (let pass = 0; pass < 3; pass++) plainDescent(expected, expectedCodes, weight, hessian);
    learn(grid, codes, weight, hessian, storedF16);
    expect(Array.from(codes)).toEqual(Array.from(expectedCodes));
    grid.scales.forEach((scale, i) => {
      expect(scale).toBeCloseTo(expected.scales[i], 5);
    });
    expect(outputError(approximation(grid, codes), weight, hessian, [n, k])).toBeLessThan(before * 0.8);
  });
});

describe("learning tables", () => {
  const k = 40;
  const planted = [-1.5, -0.5, 0.25, 2];
  /** Inputs that depend on each other a little: no code moves before its table is right. */
  const noise = randomizer(10)([k, k], 0.01).data;
  const hessian = Float64Array.from({ length: k * k }, (_, at) => {
    const [i, j] = [Math.floor(at / k), at % k];
    return i === j ? 1 + (i % 5) / 4 : noise[Math.min(i, j) * k + Math.max(i, j)];
  });
  const codesOf = (n: number) =>
    Uint8Array.from({ length: n * k }, (_, i) => (i * 7 + Math.floor(i / k)) % 4);

  test.each([
    ["shared by all rows", 3, 1],
    ["shared by more rows than are looked at", 520, 1],
    ["of each row", 3, 3],
  ])("finds the one that was planted: %s", (_, n, count) => {
    const factor = (row: number) => (count === 1 ? 1 : 1 + row / 8); // tables of rows may differ
    const codes = codesOf(n);
    const weight = Float32Array.from(codes, (code, i) => planted[code] * factor(Math.floor(i / k)));
    const start = Array.from({ length: count }, (_, row) => planted.map((x) => (x + 0.1) * factor(row)));
    const grid: Grid = { shape: [n, k], bits: 2, groupSize: k, scales: f32(1), tables: f32(...start.flat()) };
    learn(grid, codes, weight, hessian, Math.fround);
    expect(Array.from(codes)).toEqual(Array.from(codesOf(n)));
    grid.tables?.forEach((entry, i) => {
      expect(entry).toBeCloseTo(planted[i % 4] * factor(Math.floor(i / 4)), 5);
    });
  });

  test("and the scales of rows or groups fit each other", () => {
    const n = 4;
    for (const groupSize of [k, 32]) {
      const codes = codesOf(n);
      const groups = Math.ceil(k / groupSize);
      const scaleOf = (i: number) => 0.5 + (Math.floor(i / k) % 3) / 4 + (i % k < groupSize ? 0 : 0.125);
      const weight = Float32Array.from(codes, (code, i) => planted[code] * scaleOf(i));
      const scales = Float32Array.from({ length: n * groups }, (_, at) => {
        return scaleOf(Math.floor(at / groups) * k + (at % groups) * groupSize) * 1.03;
      });
      const grid: Grid = {
        shape: [n, k],
        bits: 2,
        groupSize,
        scales,
        tables: f32(...planted.map((x) => x + 0.1)),
      };
      const errorOf = () => outputError(approximation(grid, codes), weight, hessian, [n, k]);
      const before = errorOf();
      learn(grid, codes, weight, hessian, storedF16);
      expect(errorOf()).toBeLessThan(before / 100);
    }
  });

  test("an entry that no weight uses stays where it is, and entries are stored as asked", () => {
    const codes = Uint8Array.from({ length: 2 * k }, (_, i) => [0, 1, 3][i % 3]);
    const weight = Float32Array.from(codes, (code) => [-0.9, 0.1, 0, 1.6][code]);
    const tables = f32(-1, 0, 1, 2);
    const grid: Grid = { shape: [2, k], bits: 2, groupSize: k, scales: f32(1), tables };
    learn(grid, codes, weight, hessian, (entry) => Math.round(entry * 4) / 4);
    expect(Array.from(tables)).toEqual([-1, 0, 1, 1.5]);
  });

  test("entries that change places take their codes with them", () => {
    // One input is nearly the negative of another, so that the best entry for it lies on the other side.
    const pair = Float64Array.of(1, -0.99, 0, -0.99, 1, 0, 0, 0, 1);
    const codes = Uint8Array.of(1, 2, 0, 1, 2, 0);
    const weight = f32(2, 2, -3, 2, 2, -3);
    const grid: Grid = { shape: [2, 3], bits: 2, groupSize: 3, scales: f32(1), tables: f32(-3, 1.4, 1.6, 9) };
    learn(grid, codes, weight, pair, Math.fround);
    const tables = Array.from(grid.tables!);
    expect(tables).toEqual([...tables].sort((a, b) => a - b));
    expect(outputError(approximation(grid, codes), weight, pair, [2, 3])).toBeLessThan(1e-9);
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
