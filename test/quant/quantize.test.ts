import { describe, expect, test } from "vitest";
import { damped } from "../../src/quant/gptq.ts";
import { kmeans } from "../../src/quant/kmeans.ts";
import { outputError } from "../../src/quant/learn.ts";
import { quantizeTensor } from "../../src/quant/quantize.ts";
import { PRESETS, parseScheme, type Scheme } from "../../src/quant/scheme.ts";
import { bitsPerWeight } from "../../src/quant/size.ts";
import { fromF16Bits, toF16Bits } from "../../src/tensor/f16.ts";
import { checkQuantized, dequantize } from "../../src/tensor/quantized.ts";
import { relativeError, TOLERANCE } from "../support/tolerances.ts";
import { bellWeights, correlatedInputs, statisticsOf } from "./support.ts";

const N = 24;
const K = 96;
const weight = bellWeights(1, N, K);
const inputs = correlatedInputs(2, 600, K);
const statistics = statisticsOf(inputs.subarray(0, 300 * K), K);
/** Of inputs that calibration did not see. */
const unseen = statisticsOf(inputs.subarray(300 * K), K);

/** Error of the layer's output on the calibration inputs, or on others. */
function errorOf(scheme: Scheme | keyof typeof PRESETS, on = statistics): number {
  const quantized = quantizeTensor(weight, [N, K], parseScheme(scheme), { statistics });
  return outputError(dequantize(quantized), weight, on.hessian, [N, K]);
}

function squaredError(scheme: Scheme): number {
  const values = dequantize(quantizeTensor(weight, [N, K], scheme));
  return values.reduce((sum, v, i) => sum + (v - weight[i]) ** 2, 0);
}

describe("every combination", () => {
  const schemes: Scheme[] = [];
  for (let bits = 2; bits <= 8; bits++) {
    for (const shape of [
      { granularity: "tensor" },
      { granularity: "channel" },
      { granularity: "group", groupSize: 32 },
      { granularity: "group", groupSize: 64 },
    ] as const) {
      for (const scale of ["max", "percentile", "mse"] as const) {
        schemes.push({ bits, values: "uniform", ...shape, scale });
        if (shape.granularity !== "tensor")
          schemes.push({ bits, values: "uniform", ...shape, scale, symmetric: false });
        schemes.push({ bits, values: "table", ...shape, scale, table: "kmeans" });
      }
    }
  }
  const isAllowed = ({ bits, granularity, symmetric, table }: Scheme) =>
    !(bits === 8 && symmetric === false) && !(granularity === "channel" && table);
  schemes.push(...schemes.filter(isAllowed).map((scheme) => ({ ...scheme, activation: "dynamic" }) as const));

  test.each(schemes.map((scheme) => [JSON.stringify(scheme), scheme] as const))("%s", (_, scheme) => {
    const quantized = quantizeTensor(weight, [N, K], scheme);
    checkQuantized("test", quantized);
    const values = dequantize(quantized);
    const size = weight.reduce((sum, w) => sum + w * w, 0);
    const error = values.reduce((sum, v, i) => sum + (v - weight[i]) ** 2, 0);
    // A bell within ±4σ in 2^bits steps leaves (8/2^bits)²/12 of σ², and a table or clipping no more.
    const limit = (8 / 2 ** scheme.bits) ** 2 / 12;
    expect(error / size).toBeLessThan(scheme.scale === "percentile" ? limit + 0.01 : limit * 2);
  });
});

describe("scales", () => {
  test("max: no weight is further from its value than half a step", () => {
    const scheme: Scheme = { bits: 5, values: "uniform", granularity: "group", groupSize: 32 };
    const quantized = quantizeTensor(weight, [N, K], scheme);
    const values = dequantize(quantized);
    values.forEach((v, i) => {
      const step = Math.abs(quantized.scales[Math.floor(i / 32)]);
      // One code more below 0 than above: what lies past the last one may be a whole step away.
      const limit = Math.abs(weight[i]) > step * 15.5 ? 1 : 0.5;
      expect(Math.abs(v - weight[i])).toBeLessThanOrEqual(step * limit * (1 + TOLERANCE.f16));
    });
  });

  test("asymmetric: the zero is exact, and shifted weights cost no more than centred ones", () => {
    const shifted = weight.map((w, i) => (i % K < 32 ? 0 : Math.abs(w) + 0.01));
    const scheme: Scheme = {
      bits: 4,
      values: "uniform",
      granularity: "group",
      groupSize: 32,
      symmetric: false,
    };
    const values = dequantize(quantizeTensor(shifted, [N, K], scheme));
    const centred = dequantize(quantizeTensor(shifted, [N, K], { ...scheme, symmetric: true }));
    const error = (of: Float32Array) => of.reduce((sum, v, i) => sum + (v - shifted[i]) ** 2, 0);
    expect(values.filter((v, i) => i % K < 32 && v !== 0)).toHaveLength(0);
    expect(error(values)).toBeLessThan(error(centred) / 2);
  });

  test.each([2, 3, 4])("mse has a smaller error than max at %i bits", (bits) => {
    const scheme: Scheme = { bits, values: "uniform", granularity: "group", groupSize: 32 };
    expect(squaredError({ ...scheme, scale: "mse" })).toBeLessThan(squaredError(scheme) * 0.95);
  });

  test("scales and tables are what f16 stores", () => {
    const { scales, tables } = quantizeTensor(weight, [N, K], PRESETS.lut4, { statistics });
    for (const x of [...scales, ...(tables ?? [])]) expect(fromF16Bits(toF16Bits(x))).toBe(x);
  });

  test.each([true, false])("of groups what f16 stores, of rows what f32 does: symmetric %s", (symmetric) => {
    const scheme: Scheme = { bits: 4, values: "uniform", granularity: "channel", symmetric };
    const inF16 = (x: number) => fromF16Bits(toF16Bits(x)) === x;
    const groups = quantizeTensor(weight, [N, K], { ...scheme, granularity: "group", groupSize: 32 }).scales;
    expect(groups).toHaveLength(N * 3);
    expect(groups.every(inF16)).toBe(true);
    const rows = quantizeTensor(weight, [N, K], scheme).scales;
    expect(rows).toHaveLength(N);
    expect(rows.some(inF16)).toBe(false);
  });

  test("with int8 activations entries of tables are whole numbers up to 127, and all differ", () => {
    for (const name of ["nf4", "pot4", "kmeans4", "lut3", "lut4", "lut5", "lut6"] as const) {
      const { tables = [] } = quantizeTensor(weight, [N, K], PRESETS[name], { statistics });
      expect(tables.every((entry) => Number.isInteger(entry) && Math.abs(entry) <= 127)).toBe(true);
      expect(new Set(tables).size).toBe(2 ** PRESETS[name].bits);
    }
  });

  test("whole numbers cost a table of 3 or 4 bits next to nothing", () => {
    const errorOf = (scheme: Scheme) => {
      const values = dequantize(quantizeTensor(weight, [N, K], scheme, { statistics }));
      return values.reduce((sum, v, i) => sum + (v - weight[i]) ** 2, 0);
    };
    for (const name of ["nf4", "pot4", "kmeans4", "lut3", "lut4"] as const) {
      const inFloats = errorOf({ ...PRESETS[name], activation: undefined });
      expect(errorOf(PRESETS[name]) / inFloats, name).toBeLessThan(1.03);
    }
  });

  test("a table given as numbers: the largest becomes 127", () => {
    const table = [-1, -0.25, 0, 0.5];
    const scheme: Scheme = { bits: 2, values: "table", granularity: "group", groupSize: 32, table };
    const { tables, scales } = quantizeTensor(weight, [N, K], { ...scheme, activation: "dynamic" });
    expect(tables).toEqual(Float32Array.of(-127, -32, 0, 64));
    const inFloats = quantizeTensor(weight, [N, K], scheme);
    expect(inFloats.tables).toEqual(Float32Array.from(table));
    scales.forEach((scale, i) => {
      expect(relativeError([scale * 127], [inFloats.scales[i]])).toBeLessThan(2 * TOLERANCE.f16);
    });
  });

  describe("k-means finds the centres of the scaled weights, which count as their scale squared does", () => {
    const importance = statistics.hessian.filter((_, i) => i % (K + 1) === 0);
    const mean = importance.reduce((sum, h) => sum + h) / K;
    const weighs = Float32Array.from(importance, (h) => h / mean + 1);

    test("groups", () => {
      const scheme: Scheme = { bits: 3, values: "table", granularity: "group", groupSize: 32, table: "kmeans" };
      const { scales, tables } = quantizeTensor(weight, [N, K], scheme, { statistics });
      const own = (i: number) => scales[Math.floor(i / 32)];
      const counts = weight.map((_, i) => own(i) ** 2 * weighs[i % K]);
      const centres = kmeans(
        weight.map((w, i) => w / own(i)),
        8,
        counts,
      );
      expect(tables).toEqual(centres.map((centre) => fromF16Bits(toF16Bits(centre))));
      const largest = (group: number) => Math.max(...weight.subarray(group * 32, group * 32 + 32).map(Math.abs));
      scales.forEach((scale, group) => {
        expect(scale).toBe(fromF16Bits(toF16Bits(largest(group))));
      });
    });

    test("channels, which have a table each and no scale", () => {
      const scheme: Scheme = { bits: 3, values: "table", granularity: "channel", table: "kmeans" };
      const { scales, tables = [] } = quantizeTensor(weight, [N, K], scheme, { statistics });
      expect(scales).toEqual(Float32Array.of(1));
      for (let row = 0; row < N; row++) {
        const centres = kmeans(weight.subarray(row * K, (row + 1) * K), 8, weighs);
        expect(tables.slice(row * 8, row * 8 + 8)).toEqual(centres.map((centre) => fromF16Bits(toF16Bits(centre))));
      }
    });
  });

  test("a weight of zeros stays zeros", () => {
    for (const name of ["int8", "int4", "int4-gptq", "nf4", "lut4"] as const) {
      const zeros = quantizeTensor(new Float32Array(2 * 64), [2, 64], PRESETS[name], {
        statistics: statisticsOf(correlatedInputs(3, 80, 64), 64),
      });
      expect(
        dequantize(zeros).every((v) => v === 0),
        name,
      ).toBe(true);
    }
  });
});

describe("methods", () => {
  test("GPTQ changes the output far less than rounding, on calibration inputs and on others", () => {
    expect(errorOf("int4-gptq")).toBeLessThan(errorOf("int4") / 2);
    expect(errorOf("int4-gptq", unseen)).toBeLessThan(errorOf("int4", unseen) / 2);
  });

  test("GPTQ helps a table as well", () => {
    const nf4 = PRESETS.nf4;
    expect(errorOf({ ...nf4, compensate: "gptq" })).toBeLessThan(errorOf(nf4) / 2);
  });

  test("learned tables are better than NF4 and k-means with GPTQ", () => {
    const learned = errorOf("lut4");
    expect(learned).toBeLessThan(errorOf({ ...PRESETS.nf4, compensate: "gptq" }) * 0.9);
    expect(learned).toBeLessThan(errorOf({ ...PRESETS.kmeans4, compensate: "gptq" }) * 0.95);
  });

  test("learned tables of each channel", () => {
    const channel: Scheme = { bits: 4, values: "table", granularity: "channel", table: "kmeans" };
    const learned = quantizeTensor(weight, [N, K], { ...channel, table: "learned" }, { statistics });
    checkQuantized("test", learned);
    expect(learned.tables).toHaveLength(N * 16);
    expect(errorOf({ ...channel, table: "learned" })).toBeLessThan(errorOf(channel) / 2);
  });

  test("with int8 activations channels have a scale each, and the layer one table of whole numbers", () => {
    const channel: Scheme = { bits: 3, values: "table", granularity: "channel", scale: "mse", activation: "dynamic" };
    const learned = quantizeTensor(weight, [N, K], { ...channel, table: "learned" }, { statistics });
    checkQuantized("test", learned);
    expect([learned.groupSize, learned.scales.length, learned.tables?.length]).toEqual([K, N, 8]);
    expect(errorOf({ ...channel, table: "learned" })).toBeLessThan(errorOf({ ...channel, table: "kmeans" }) / 2);
  });

  test("inputs that are always 0 do no harm", () => {
    const x = correlatedInputs(4, 100, K).map((v, i) => (i % K < 10 ? 0 : v));
    const quantized = quantizeTensor(weight, [N, K], PRESETS.lut4, { statistics: statisticsOf(x, K) });
    const values = dequantize(quantized);
    expect(values.every((v, i) => Math.abs(v - weight[i]) < 0.05)).toBe(true);
    expect(damped(new Float64Array(4), 2)).toEqual(Float64Array.of(1, 0, 0, 1));
  });

  test("static activations carry the scale that calibration found", () => {
    for (const scheme of [PRESETS["int8-static"], { ...PRESETS.lut4, activation: "static" } as const]) {
      const { activation } = quantizeTensor(weight, [N, K], scheme, { statistics });
      expect(activation).toBeGreaterThan((statistics.absMax * 0.5) / 127);
      expect(activation).toBeLessThanOrEqual(statistics.absMax / 127);
    }
  });
});

describe("scales in 8 bits", () => {
  const scheme: Scheme = { bits: 4, values: "uniform", granularity: "group", groupSize: 32, scaleBits: 8 };

  test("cost little: codes are chosen for the scales as they are stored", () => {
    const errorOf = (scheme: Scheme) => {
      const approximation = dequantize(quantizeTensor(weight, [N, K], scheme));
      return weight.reduce((sum, w, i) => sum + (w - approximation[i]) ** 2, 0);
    };
    expect(errorOf(scheme)).toBeLessThan(1.01 * errorOf({ ...scheme, scaleBits: undefined }));
    expect(bitsPerWeight([quantizeTensor(weight, [N, K], scheme)])).toBe(4 + 8 / 32 + 32 / K);
  });

  test("a group of zeros does not take them from its neighbours", () => {
    const row = Float32Array.from({ length: 96 }, (_, i) => (i < 32 ? 0 : Math.sin(i) / 100));
    const approximation = dequantize(quantizeTensor(row, [1, 96], scheme));
    row.forEach((w, i) => {
      expect(Math.abs(approximation[i] - w)).toBeLessThan(i < 32 ? 1e-9 : 0.01 / 8);
    });
  });
});

describe("sizes", () => {
  test.each([
    ["int8", 8 + 32 / K],
    ["int4", 4 + 8 / 32 + 32 / K],
    ["nf4", 4.5 + (16 * 16) / (N * K)],
    [{ bits: 4, values: "uniform", granularity: "group", groupSize: 32, symmetric: false }, 4.75],
    [{ bits: 3, values: "table", granularity: "channel", table: "kmeans" }, 3 + (8 * 16) / K + 32 / (N * K)],
  ])("%j", (scheme, bits) => {
    expect(bitsPerWeight([quantizeTensor(weight, [N, K], parseScheme(scheme))])).toBe(bits);
  });
});

describe("errors", () => {
  test("name what is wrong", () => {
    const quantize = (w: Float32Array, scheme: keyof typeof PRESETS, stats = statistics) =>
      quantizeTensor(w, [N, K], PRESETS[scheme], { name: "w_1", statistics: stats });
    const bad = weight.map((w, i) => (i === 5 ? Number.NaN : w));
    expect(() => quantize(bad, "int4")).toThrow("[quant] w_1: expected finite numbers, got NaN at 5");
    expect(() => quantize(weight.subarray(1), "int4")).toThrow("[quant] w_1: expected 24 × 96 numbers, got 2303");
    expect(() => quantizeTensor(weight, [N, K], PRESETS.lut4)).toThrow(
      "[quant] weight: expected calibration statistics for this scheme, got none",
    );
    const narrow = statisticsOf(correlatedInputs(1, 10, 32), 32);
    expect(() => quantize(weight, "lut4", narrow)).toThrow("[quant] w_1: expected statistics of 96 inputs, got 32");
  });
});
