import { describe, expect, test } from "vitest";
import { addRows, cholesky, invertLower, solve } from "../../src/quant/cholesky.ts";
import { nearest, nearestIn } from "../../src/quant/grid.ts";
import { kmeans } from "../../src/quant/kmeans.ts";
import { accumulate, createStatistics, percentileOf } from "../../src/quant/statistics.ts";
import { additivePowersOfTwo, NF4 } from "../../src/quant/tables.ts";
import { packCodes, unpackRow } from "../../src/tensor/quantized.ts";
import { randomizer } from "../support/random.ts";
import { relativeError, TOLERANCE } from "../support/tolerances.ts";
import { correlatedInputs, statisticsOf } from "./support.ts";

describe("codes", () => {
  test.each([2, 3, 4, 5, 6, 7, 8])("of %i bits come back from their words", (bits) => {
    const [n, k] = [3, 77];
    const codes = Uint8Array.from({ length: n * k }, (_, i) => (i * 37 + 11) % 2 ** bits);
    const packed = packCodes(codes, [n, k], bits);
    const weight = {
      dtype: "quantized",
      shape: [n, k],
      bits,
      groupSize: k,
      codes: packed,
      scales: Float32Array.of(1),
    } as const;
    for (let row = 0; row < n; row++) {
      expect(unpackRow(weight, row)).toEqual(codes.subarray(row * k, (row + 1) * k));
    }
  });
});

describe("nearest", () => {
  const levels = Float32Array.of(-3, -1, -1, 0, 0.5, 4);

  test("agrees with a search through all levels, with and without its table", () => {
    const fast = nearestIn(levels);
    for (let x = -5; x <= 6; x += 0.0371) {
      const distance = Math.min(...Array.from(levels, (level) => Math.abs(level - x)));
      expect(Math.abs(levels[nearest(levels, x)] - x)).toBe(distance);
      expect(Math.abs(levels[fast(x)] - x)).toBe(distance);
    }
  });
});

describe("tables", () => {
  test("NF4 has 16 rising values from −1 to 1 and an exact 0", () => {
    expect(NF4).toHaveLength(16);
    expect([NF4[0], NF4[7], NF4[15]]).toEqual([-1, 0, 1]);
    expect([...NF4].sort((a, b) => a - b)).toEqual(NF4);
  });

  test("additive powers of two of 4 bits", () => {
    const expected = [-1.2, -1, -0.8, -0.6, -0.4, -0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1];
    expect(relativeError(additivePowersOfTwo(4), expected)).toBeLessThan(TOLERANCE.f64);
  });

  test.each([3, 5])("additive powers of two of %i bits rise", (bits) => {
    const table = additivePowersOfTwo(bits);
    expect(new Set(table).size).toBe(2 ** bits);
    expect([...table].sort((a, b) => a - b)).toEqual(table);
  });
});

describe("k-means", () => {
  test("finds clusters that are there", () => {
    const values = Float32Array.from({ length: 400 }, (_, i) => [-3, 0.5, 1, 7][i % 4] + ((i % 7) - 3) * 0.01);
    const means = [0, 1, 2, 3].map((c) => {
      const cluster = values.filter((_, i) => i % 4 === c);
      return cluster.reduce((sum, v) => sum + v, 0) / cluster.length;
    });
    expect(relativeError(kmeans(values, 4), means)).toBeLessThan(TOLERANCE.f32);
  });

  test("counts many values into bins, and finds the clusters as well", () => {
    const values = Float32Array.from({ length: 5000 }, (_, i) => [-3, 0.5, 1, 7][i % 4] + ((i % 7) - 3) * 0.01);
    const means = [0, 1, 2, 3].map((c) => {
      const cluster = values.filter((_, i) => i % 4 === c);
      return cluster.reduce((sum, v) => sum + v, 0) / cluster.length;
    });
    expect(relativeError(kmeans(values, 4), means)).toBeLessThan(TOLERANCE.f32);
    const [low, high] = kmeans(
      values.map((v) => (v < 0 ? -1 : 1)),
      2,
    );
    expect([low, high]).toEqual([-1, 1]);
    expect([...kmeans(new Float32Array(3000).fill(2), 2)]).toEqual([2, 2]);
  });

  test("weights pull the centres", () => {
    const centre = kmeans(Float32Array.of(0, 1), 1, Float32Array.of(1, 3))[0];
    expect(centre).toBe(0.75);
  });

  test("is as good as the best partition", () => {
    const values = (randomizer(5)([9]).data as Float32Array).sort();
    const cost = (cuts: number[]) => {
      const bounds = [0, ...cuts, values.length];
      return bounds.slice(1).reduce((sum, end, c) => {
        const part = values.subarray(bounds[c], end);
        const mean = part.reduce((a, b) => a + b, 0) / part.length;
        return sum + part.reduce((s, v) => s + (v - mean) ** 2, 0);
      }, 0);
    };
    let best = Number.POSITIVE_INFINITY;
    for (let a = 1; a < 8; a++) for (let b = a + 1; b < 9; b++) best = Math.min(best, cost([a, b]));
    const centres = kmeans(values, 3);
    const got = values.reduce((sum, v) => sum + (v - centres[nearest(centres, v)]) ** 2, 0);
    expect(relativeError([got], [best])).toBeLessThan(TOLERANCE.f32);
  });

  test("copes with fewer values than centres", () => {
    expect(kmeans(Float32Array.of(2, 2, 2), 4).every((centre) => centre === 2)).toBe(true);
  });
});

describe("linear algebra", () => {
  const k = 37;
  const { hessian } = statisticsOf(correlatedInputs(6, 100, k), k);

  test("L·Lᵀ is the matrix, and L⁻¹·L the identity", () => {
    const lower = cholesky(Float64Array.from(hessian), k);
    const inverse = invertLower(lower, k);
    for (let i = 0; i < k; i++) {
      for (let j = 0; j <= i; j++) {
        let [product, identity] = [0, 0];
        for (let c = 0; c < k; c++) {
          product += lower[i * k + c] * lower[j * k + c];
          identity += inverse[i * k + c] * lower[c * k + j];
        }
        expect(relativeError([product], [hessian[i * k + j]], 1)).toBeLessThan(TOLERANCE.factors);
        expect(relativeError([identity], [i === j ? 1 : 0], 1)).toBeLessThan(TOLERANCE.factors);
      }
    }
  });

  test("solve", () => {
    const x = Float64Array.from({ length: k }, (_, i) => Math.sin(i));
    const b = new Float64Array(k);
    addRows(b, hessian, k, x, 0, k);
    expect(relativeError(solve(Float64Array.from(hessian), b, k), x)).toBeLessThan(TOLERANCE.factors);
  });

  test("a matrix that is not positive definite is refused", () => {
    expect(() => cholesky(Float64Array.of(1, 2, 2, 1), 2)).toThrow(
      "[quant] cholesky: the matrix is not positive definite at row 1",
    );
  });
});

describe("statistics", () => {
  test("the sums over rows that come in any portions", () => {
    const k = 5;
    const x = correlatedInputs(7, 11, k);
    const whole = statisticsOf(x, k);
    const parts = createStatistics(k);
    accumulate(parts, x.subarray(0, 3 * k), 3, k);
    accumulate(parts, x.subarray(3 * k), 8, k);
    expect(whole.rows).toBe(11);
    for (let i = 0; i < k; i++) {
      for (let j = 0; j < k; j++) {
        let sum = 0;
        for (let r = 0; r < 11; r++) sum += x[r * k + i] * x[r * k + j];
        expect(relativeError([whole.hessian[i * k + j]], [sum], 1)).toBeLessThan(TOLERANCE.f64);
        expect(relativeError([parts.hessian[i * k + j]], [sum], 1)).toBeLessThan(TOLERANCE.f64);
      }
    }
    expect(parts.absMax).toBe(whole.absMax);
    expect(parts.histogram).toEqual(whole.histogram);
  });

  test("percentiles are within a bin", () => {
    const x = Float32Array.from({ length: 1000 }, (_, i) => (i + 1) * (i % 2 ? 1 : -1));
    const stats = createStatistics(1);
    accumulate(stats, x, 1000, 1);
    expect(percentileOf(stats, 1)).toBe(1000);
    expect(percentileOf(stats, 0.5)).toBeGreaterThanOrEqual(500);
    expect(percentileOf(stats, 0.5)).toBeLessThan(500 * 2 ** (1 / 8));
  });

  test("refuses another width and NaN", () => {
    const stats = createStatistics(4);
    expect(() => accumulate(stats, new Float32Array(6), 2, 3)).toThrow(
      "[calibration] inputs: expected [rows, 4], got 6 numbers as [2, 3]",
    );
    expect(() => accumulate(stats, Float32Array.of(1, Number.NaN, 0, 0), 1, 4)).toThrow(
      "[calibration] inputs: expected finite numbers, got NaN",
    );
  });
});
