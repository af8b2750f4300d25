import { describe, expect, test } from "vitest";
import { type Grid, levelsOf, scalesOfRow, storedF16 } from "../../src/quant/grid.ts";
import { learn, outputError } from "../../src/quant/learn.ts";
import { randomizer } from "../support/random.ts";
import { approximation, bellWeights, f32, hessianOf, inverse, plainError } from "./support.ts";

test("the error of the output is Σ e·H·eᵀ over the rows", () => {
  const [n, k] = [3, 9];
  const hessian = hessianOf(1, k);
  const [weight, other] = [bellWeights(1, n, k), bellWeights(2, n, k)];
  const difference = Array.from(weight, (w, i) => w - other[i]);
  expect(outputError(other, weight, hessian, [n, k])).toBeCloseTo(plainError(difference, hessian, k), 10);
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
  const codesOf = (n: number) => Uint8Array.from({ length: n * k }, (_, i) => (i * 7 + Math.floor(i / k)) % 4);

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
    // −4.2 and −4.8 share a code; 4.9 and its negative are near neither 0 nor 9.
    const codes = Uint8Array.from({ length: 2 * k }, (_, i) => [0, 1, 0, 3][i % 4]);
    const weight = Float32Array.from(codes, (_, i) => [-4.2, 0.1, -4.8, 8.9][i % 4]);
    const tables = f32(-4, 0, 4.9, 9.5);
    const grid: Grid = { shape: [2, k], bits: 2, groupSize: k, scales: f32(1), tables };
    learn(grid, codes, weight, hessian, (entry) => Math.round(entry * 10) / 10);
    tables.forEach((entry, i) => {
      expect(entry).toBe(Math.fround([-4.5, 0.1, 4.9, 8.9][i]));
    });
  });

  /** The table by its definition: entries t for which Σ over rows of the error is least, rising. */
  function plainTable(codes: Uint8Array, weight: Float32Array, h: Float64Array, width: number): number[] {
    const share = (code: number, at: number) => (codes[at] === code ? 1 : 0);
    const sumOver = (term: (i: number, j: number) => number) => {
      let sum = 0;
      for (let row = 0; row < codes.length; row += width) {
        for (let i = 0; i < width; i++)
          for (let j = 0; j < width; j++) sum += h[i * width + j] * term(row + i, row + j);
      }
      return sum;
    };
    const all = [0, 1, 2, 3];
    const left = all.map((a) => all.map((b) => sumOver((i, j) => share(a, i) * share(b, j))));
    const right = all.map((a) => sumOver((i, j) => share(a, i) * weight[j]));
    return inverse(left).map((row) => row.reduce((sum, x, b) => sum + x * right[b], 0));
  }

  test("entries are the least squares of each pass, and those that change places take their codes with them", () => {
    const [n, width] = [4, 8];
    let swaps = 0;
    for (let seed = 0; seed < 60; seed++) {
      const weight = randomizer(seed)([n, width]).data as Float32Array;
      const h = hessianOf(seed, width);
      const codes = Uint8Array.from({ length: n * width }, (_, i) => (i * 5 + seed) % 4);
      const grid: Grid = {
        shape: [n, width],
        bits: 2,
        groupSize: width,
        scales: f32(1),
        tables: f32(-0.7, -0.2, 0.2, 0.7),
      };
      const expected = { ...grid, tables: grid.tables!.slice() };
      const own = codes.slice();
      for (let round = 0; round < 2; round++) {
        plainDescent(expected, own, weight, h);
        const entries = plainTable(own, weight, h, width);
        if (new Set(own).size < 4 || entries.some(Number.isNaN)) break; // an entry that no weight uses: above
        const order = [0, 1, 2, 3].sort((a, b) => entries[a] - entries[b]);
        if (order.join() !== "0,1,2,3") swaps++;
        own.forEach((code, i) => {
          own[i] = order.indexOf(code);
        });
        expected.tables.set(order.map((from) => entries[from]));
      }
      if (new Set(own).size < 4) continue;
      plainDescent(expected, own, weight, h);
      learn(grid, codes, weight, h, Math.fround);
      expect(Array.from(codes), `seed ${seed}`).toEqual(Array.from(own));
      expect(Array.from(grid.tables!), `seed ${seed}`).toEqual(
        Array.from(expected.tables, (x) => expect.closeTo(x, 4)),
      );
    }
    expect(swaps).toBeGreaterThan(0);
  });
});
