import { describe, expect, test } from "vitest";
import { nearestIn, roundToNearest, storedF16, uniformLevels } from "../../src/quant/grid.ts";
import { quantizeTensor } from "../../src/quant/quantize.ts";
import { PRESETS, type Scheme } from "../../src/quant/scheme.ts";
import { accumulate, createStatistics, percentileOf } from "../../src/quant/statistics.ts";
import { additivePowersOfTwo, inWholeNumbers, NF4 } from "../../src/quant/tables.ts";
import { fitAffine, fitScale } from "../../src/quant/uniform.ts";
import { type QuantizedTensor, unpackRow } from "../../src/tensor/quantized.ts";
import { randomizer } from "../support/random.ts";
import { bellWeights } from "./support.ts";

const f32 = (...values: number[]) => Float32Array.from(values);

/** The level nearest to x by looking at all of them. */
function nearestLevel(levels: ArrayLike<number>, x: number): number {
  return Array.from(levels).reduce((best, level) => (Math.abs(level - x) < Math.abs(best - x) ? level : best));
}

/** Of clips of a scale, in either direction: levels are chosen by it, then the scale that suits them best. */
function leastSquares(weights: Float32Array, levels: ArrayLike<number>, scale: number, clips: readonly number[]) {
  const tried = clips.flatMap((clip) =>
    [1, -1].map((sign) => {
      const chosen = Array.from(weights, (w) => nearestLevel(levels, (w * sign) / (scale * clip)));
      const square = chosen.reduce((sum, v) => sum + v * v, 0);
      const fitted = chosen.reduce((sum, v, i) => sum + v * weights[i], 0) / square;
      const error = chosen.reduce((sum, v, i) => sum + (weights[i] - fitted * v) ** 2, 0);
      return { scale: fitted, error };
    }),
  );
  return tried.filter(({ error }) => Number.isFinite(error)).sort((a, b) => a.error - b.error)[0];
}

/** How far the largest weight may be beyond the last level, or short of it. */
const CLIPS = [1.1, 1, 0.93, 0.86, 0.79, 0.72, 0.65, 0.58];

const groups = Array.from({ length: 60 }, (_, seed) => bellWeights(seed, 1, 32));
/** One large weight among small ones, as in rows with an outlier. */
const skewed = Array.from({ length: 60 }, (_, seed) => {
  const weights = randomizer(seed)([32], 0.1).data as Float32Array;
  weights[seed % 32] = seed % 2 ? -0.4 : 0.4;
  return weights;
});

describe("the scale of a symmetric grid", () => {
  const eight = uniformLevels(3); // −4 … 3

  test.each([
    ["the largest weight is negative", f32(-1, 0.5), eight, 0.25],
    ["it is positive: the scale is negative", f32(0.5, 1), eight, -0.25],
    ["the first of two equally large counts", f32(-1, 1), eight, 0.25],
    ["a table with equal ends has no need of a sign", f32(0.5, -2), f32(-1, -0.25, 0.25, 1), 2],
    ["nor where the largest weight is positive", f32(0.5, 2), f32(-1, -0.25, 0.25, 1), 2],
    ["a table that ends further below", f32(3, 1), f32(-1, 0, 0.25, 0.5), -3],
    ["a table that ends further above", f32(-3, 1), f32(-0.5, -0.25, 0, 1), -3],
    ["no weight but 0", f32(0, 0), eight, 2 ** -24],
  ])("max: %s", (_, weights, levels, scale) => {
    expect(fitScale(weights, levels, "max")).toBe(scale);
  });

  test("percentile: 995 of 1000 sizes fit, with the sign of the largest weight", () => {
    const sizes = f32(...Array.from({ length: 1000 }, (_, i) => (i % 2 ? -1 : 1) * (((i * 7) % 1000) + 1)));
    const largest = sizes[sizes.findIndex((size) => Math.abs(size) === 1000)];
    expect(fitScale(sizes, eight, "percentile")).toBe((Math.sign(largest) * 995) / -4);
    expect(
      fitScale(
        sizes.map((size) => -size),
        eight,
        "percentile",
      ),
    ).toBe((Math.sign(largest) * 995) / 4);
  });

  const tables: [string, Float32Array][] = [
    ...[2, 3, 4, 8].map((bits): [string, Float32Array] => [`${bits} bits`, uniformLevels(bits)]),
    ["NF4", f32(...NF4)],
    ["powers of two", f32(...additivePowersOfTwo(4))],
    ["a table with equal ends and nothing else mirrored", f32(-1, 0, 0.3, 1)],
  ];
  test.each(tables)("mse: of 16 tries the one of least error, %s", (_, levels) => {
    const uniform = levels.every(Number.isInteger);
    for (const weights of [...groups, ...skewed]) {
      const best = leastSquares(weights, levels, fitScale(weights, levels, "max"), CLIPS);
      const scale = fitScale(weights, levels, "mse", uniform ? undefined : nearestIn(levels));
      const chosen = Array.from(weights, (w) => nearestLevel(levels, w / scale) * scale);
      const error = chosen.reduce((sum, value, i) => sum + (weights[i] - value) ** 2, 0);
      // Levels chosen again by the fitted scale are better, if anything.
      expect(error).toBeLessThanOrEqual(best.error * (1 + 1e-6));
      if (levels.length < 100) expect(scale).toBeCloseTo(best.scale, 6);
    }
  });

  test("mse: weights that are multiples of the levels are hit exactly, whichever way round", () => {
    const table = f32(-1, 0, 0.3, 1);
    const mirrored = f32(-0.9, -0.9, -0.9, 3, -0.9); // −3 times the table's entries
    expect(fitScale(mirrored, table, "mse", nearestIn(table))).toBeCloseTo(-3, 5);
    const rising = f32(...uniformLevels(4).map((level) => level * 0.07));
    expect(fitScale(rising, uniformLevels(4), "mse")).toBeCloseTo(0.07, 6);
  });
});

describe("scale and zero point of an asymmetric grid", () => {
  test.each([
    ["both signs", f32(-1, 0.3, 2), 2, { scale: 1, zero: 1 }],
    ["no negative weight", f32(1, 3), 2, { scale: 1, zero: 0 }],
    ["no positive weight", f32(-3, -1), 2, { scale: 1, zero: 3 }],
    ["a zero point between two codes is rounded", f32(-0.75, 2.25), 2, { scale: 1, zero: 1 }],
    ["a half is rounded up", f32(-1.5, 1.5), 2, { scale: 1, zero: 2 }],
    ["eight bits", f32(-55, 200), 8, { scale: 1, zero: 55 }],
    ["no weight but 0", f32(0, 0), 4, { scale: 2 ** -24, zero: 0 }],
  ])("max: %s", (_, weights, bits, expected) => {
    expect(fitAffine(weights, bits, "max")).toEqual(expected);
  });

  test("percentile: neither end goes beyond 995 of 1000 sizes", () => {
    const sizes = f32(...Array.from({ length: 1000 }, (_, i) => (i % 2 ? -1 : 1) * (i + 1))); // −1000 … 999
    expect(fitAffine(sizes, 2, "percentile")).toEqual({ scale: (995 + 995) / 3, zero: 2 });
    const positive = sizes.map(Math.abs);
    expect(fitAffine(positive, 2, "percentile")).toEqual({ scale: 995 / 3, zero: 0 });
    const oneOfThousand = f32(...new Array(999).fill(0), 8);
    expect(fitAffine(oneOfThousand, 3, "percentile")).toEqual({ scale: 8 / 7, zero: 0 });
  });

  test.each([2, 3, 4, 6])("mse: of eight tries the one of least error, %i bits", (bits) => {
    const top = 2 ** bits - 1;
    for (const weights of [...groups, ...skewed].map((group) => group.map((w, i) => (i % 3 ? w : Math.abs(w))))) {
      const low = Math.min(0, ...weights);
      const high = Math.max(0, ...weights);
      const zero = Math.floor((-low * top) / (high - low) + 0.5);
      const levels = Array.from({ length: top + 1 }, (_, code) => code - zero);
      const errors = CLIPS.map((clip) => {
        const chosen = Array.from(weights, (w) => nearestLevel(levels, (w * top) / ((high - low) * clip)));
        const square = chosen.reduce((sum, v) => sum + v * v, 0);
        const scale = chosen.reduce((sum, v, i) => sum + v * weights[i], 0) / square;
        return { scale, error: chosen.reduce((sum, v, i) => sum + (weights[i] - scale * v) ** 2, 0) };
      });
      const best = errors.reduce((a, b) => (b.error < a.error ? b : a));
      const fitted = fitAffine(weights, bits, "mse");
      expect(fitted.zero).toBe(zero);
      expect(fitted.scale).toBeCloseTo(best.scale, 6);
    }
  });
});

describe("tables by rule", () => {
  test("additive powers of two of 3 bits: 0, 1/8, 1/4, 1/2, and one step more below", () => {
    expect(additivePowersOfTwo(3)).toEqual([-1.5, -1, -0.5, -0.25, 0, 0.25, 0.5, 1]);
  });

  test("additive powers of two of 5 bits: sums of {0, 1/2, 1/8, 1/32} and {0, 1/4, 1/16, 1/64}", () => {
    const sixtyFourths = [0, 1, 2, 3, 4, 6, 8, 9, 12, 16, 18, 24, 32, 33, 36, 48];
    const negative = [...sixtyFourths.slice(1), 60].reverse().map((x) => -x);
    const expected = [...negative, ...sixtyFourths].map((x) => x / 48);
    additivePowersOfTwo(5).forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i], 14);
    });
    expect(() => additivePowersOfTwo(6)).toThrow("bits: expected 3, 4 or 5, got 6");
  });

  test("in whole numbers: the largest is 127, whatever its sign", () => {
    expect(inWholeNumbers([-2, -0.5, 0, 1])).toEqual([-127, -32, 0, 64]);
    expect(inWholeNumbers([0, 0.1, 4])).toEqual([0, 3, 127]);
  });
});

describe("a quantised weight", () => {
  const [N, K] = [5, 96];
  const weight = bellWeights(9, N, K);
  const shapes: Pick<Scheme, "granularity" | "groupSize">[] = [
    { granularity: "tensor" },
    { granularity: "channel" },
    { granularity: "group", groupSize: 32 },
    { granularity: "group", groupSize: 64 },
  ];
  const schemes = shapes.flatMap((shape): Scheme[] => [
    { bits: 3, values: "uniform", ...shape },
    { bits: 4, values: "uniform", ...shape, scale: "mse" },
    { bits: 4, values: "table", ...shape, table: "nf4" },
    { bits: 4, values: "table", ...shape, table: "power-of-two", activation: "dynamic" },
    ...(shape.granularity === "tensor" ? [] : [{ bits: 4, values: "uniform", ...shape, symmetric: false } as const]),
  ]);
  const cases = schemes.map((scheme): [string, Scheme] => [JSON.stringify(scheme), scheme]);

  /** What the codes of the group that element i of a row is in stand for. */
  function valuesOf({ shape, bits, groupSize, scales, zeros, tables }: QuantizedTensor, row: number, i: number) {
    const group = row * Math.ceil(shape[1] / groupSize) + Math.floor(i / groupSize);
    const zero = zeros ? zeros[group] : 2 ** (bits - 1);
    const scale = scales[scales.length === 1 ? 0 : group];
    return Array.from({ length: 2 ** bits }, (_, code) => scale * (tables ? tables[code] : code - zero));
  }

  test.each(cases)("has the nearest value of its group for every weight: %s", (_, scheme) => {
    const quantized = quantizeTensor(weight, [N, K], scheme);
    for (let row = 0; row < N; row++) {
      unpackRow(quantized, row).forEach((code, i) => {
        const values = valuesOf(quantized, row, i);
        const w = weight[row * K + i];
        const least = Math.abs(nearestLevel(values, w) - w);
        expect(Math.abs(values[code] - w)).toBeLessThanOrEqual(least + 1e-6 * Math.abs(w));
      });
    }
  });

  test("between two values takes the upper one, and beyond the ends the last", () => {
    const tied = f32(-1.5, -0.5, 0.5, -9, -2.5, 1.5, 9, -1.5000001);
    const grid = { shape: [1, 8], bits: 2, groupSize: 8, scales: f32(1) } as const;
    const expected = [1, 2, 3, 0, 0, 3, 3, 0];
    expect(Array.from(roundToNearest(grid, tied))).toEqual(expected);
    expect(Array.from(roundToNearest({ ...grid, tables: uniformLevels(2) }, tied))).toEqual(expected);
    const zeros = Uint8Array.of(1); // −1 … 2
    expect(Array.from(roundToNearest({ ...grid, zeros }, tied))).toEqual([0, 1, 2, 0, 0, 3, 3, 0]);
  });

  test("has the scale of each group's own weights, as f16 where there are several to a row", () => {
    const scheme: Scheme = { bits: 4, values: "uniform", granularity: "group", groupSize: 64 };
    const { scales } = quantizeTensor(weight, [N, K], scheme);
    const expected = Array.from({ length: N }, (_, row) => [
      weight.subarray(row * K, row * K + 64),
      weight.subarray(row * K + 64, (row + 1) * K), // the last group of a row is shorter
    ]).flat();
    expect(Array.from(scales)).toEqual(
      expected.map((part) => storedF16(part.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a)) / -8)),
    );
    const byRow = quantizeTensor(weight, [N, K], { ...scheme, granularity: "channel", groupSize: undefined });
    const largest = (row: number) =>
      weight.subarray(row * K, (row + 1) * K).reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a));
    expect(Array.from(byRow.scales)).toEqual(Array.from({ length: N }, (_, row) => Math.fround(largest(row) / -8)));
  });

  test.each(["nf4", "power-of-two"] as const)(
    "mse: has the scale that suits each group's weights in a table, %s",
    (table) => {
      const levels = f32(...(table === "nf4" ? NF4 : additivePowersOfTwo(4)).map((entry) => entry && storedF16(entry)));
      const scheme: Scheme = { bits: 4, values: "table", granularity: "group", groupSize: 32, scale: "mse", table };
      const { scales } = quantizeTensor(weight, [N, K], scheme);
      const expected = Array.from({ length: (N * K) / 32 }, (_, group) => {
        const part = weight.subarray(group * 32, (group + 1) * 32);
        return storedF16(leastSquares(part, levels, fitScale(part, levels, "max"), CLIPS).scale);
      });
      expect(Array.from(scales)).toEqual(expected);
    },
  );

  test("has the static scale of 99.99 % of the inputs, over 127", () => {
    const inputs = f32(...Array.from({ length: 20_000 }, (_, i) => (i === 7 ? 1000 : i < 3 ? 64 : 1)));
    const statistics = createStatistics(4);
    accumulate(statistics, inputs, 5000, 4);
    const { activation } = quantizeTensor(new Float32Array(8).fill(0.5), [2, 4], PRESETS["int8-static"], {
      statistics,
    });
    expect(activation).toBe(Math.fround((64 * 2 ** (1 / 8)) / 127));
  });
});

describe("percentiles of inputs", () => {
  const statisticsOf = (...values: number[]) => {
    const statistics = createStatistics(1);
    accumulate(statistics, f32(...values), values.length, 1);
    return statistics;
  };
  /** Bins of a factor 2^(1/8): this is the upper end of the one that begins with a power of two. */
  const above = (power: number) => power * 2 ** (1 / 8);

  test("are the upper end of the bin in which the share is reached", () => {
    const statistics = statisticsOf(1, -1, 1, -1, 1, 4, -4, 8);
    expect(percentileOf(statistics, 0.1)).toBe(above(1));
    expect(percentileOf(statistics, 5 / 8)).toBe(above(1));
    expect(percentileOf(statistics, 5.5 / 8)).toBe(above(4));
    expect(percentileOf(statistics, 7 / 8)).toBe(above(4));
  });

  test("are the largest input at most", () => {
    expect(percentileOf(statisticsOf(1, 4), 1)).toBe(4);
    expect(percentileOf(statisticsOf(3, 3), 0.5)).toBe(3);
    expect(percentileOf(statisticsOf(0, 0), 0.5)).toBe(0);
  });

  test("count zeros and what is smaller than 2⁻³² in the first bin, the largest in the last", () => {
    expect(percentileOf(statisticsOf(0, 0, 2 ** -40, 1), 0.5)).toBe(above(2 ** -32));
    expect(percentileOf(statisticsOf(1, 1, 2 ** 40), 1)).toBe(above(2 ** 31 * 2 ** (7 / 8)));
  });
});

test.each([1, 2, 3, 4, 5, 8])("Σ xᵀx of %i rows, most of them 0 as after ReLU", (rows) => {
  const k = 7;
  const x = (randomizer(rows)([rows, k]).data as Float32Array).map((v, i) => (i % 3 ? Math.max(0, v) : 0));
  const statistics = createStatistics(k);
  accumulate(statistics, x, rows, k);
  for (let i = 0; i < k; i++) {
    for (let j = 0; j < k; j++) {
      let sum = 0;
      for (let r = 0; r < rows; r++) sum += x[r * k + i] * x[r * k + j];
      expect(statistics.hessian[i * k + j]).toBeCloseTo(sum, 12);
    }
  }
});
