import { describe, expect, test } from "vitest";
import { chooseWithin } from "../../src/quant/knapsack.ts";
import { candidateOf, leastBits, MIXED_SCHEMES, standInOf } from "../../src/quant/mixed.ts";
import { expectLayers, mixedPolicy, parsePolicy, schemeOf } from "../../src/quant/policy.ts";
import { quantizeTensor } from "../../src/quant/quantize.ts";
import { quantizeWeights } from "../../src/quant/quantizeWeights.ts";
import { PRESETS, parseScheme } from "../../src/quant/scheme.ts";
import { storedBits } from "../../src/quant/size.ts";
import type { HostTensor } from "../../src/tensor/host.ts";
import { dequantize, type Weight } from "../../src/tensor/quantized.ts";
import { randomizer } from "../support/random.ts";
import { bellWeights, correlatedInputs, statisticsOf } from "./support.ts";

describe("policies", () => {
  const policy = parsePolicy({
    name: "mine",
    scheme: "int4",
    layers: { "*.w_2.weight": "int8", "encoder.*.3.*": PRESETS.nf4, "ctc.ctc_lo.weight": "lut4" },
  });

  test.each([
    ["ctc.ctc_lo.weight", "lut4"],
    ["encoder.encoders.3.feed_forward.w_2.weight", "int8"],
    ["encoder.encoders.3.feed_forward.w_1.weight", "nf4"],
    ["encoder.encoders.4.feed_forward.w_1.weight", "int4"],
    ["w_2.weight", "int4"],
  ] as const)("%s gets %s", (name, preset) => {
    expect(schemeOf(policy, name)).toEqual(PRESETS[preset]);
  });

  test.each([
    ["a.b", "a.b", true],
    ["a.b", "a.c", false],
    ["a.b", "a.b.c", false],
    ["*", "anything", true],
    ["a*", "abc", true],
    ["a*", "ba", false],
    ["*c", "abc", true],
    ["*c", "ca", false],
    ["a*c", "ac", true],
    ["ab*bc", "abc", false], // the parts may not overlap
    ["ab*bc", "abbc", true],
    ["*b*", "abc", true],
    ["*b*", "ac", false],
    ["*b*b*", "abc", false],
    ["*b*b*", "abb", true],
    ["*b*a*", "ab", false], // nor come in another order
    ["a*b*c", "abc", true],
    ["a*b*c", "acb", false],
    ["*bc*cd", "abcd", false],
    ["*bc*cd", "abccd", true],
  ])("the pattern %s fits %s: %s", (pattern, name, expected) => {
    const one = parsePolicy({ name: "one", scheme: "int4", layers: { [pattern]: "int8" } });
    expect(schemeOf(one, name)).toEqual(PRESETS[expected ? "int8" : "int4"]);
    if (expected) expect(() => expectLayers(one, ["x", name])).not.toThrow();
    else expect(() => expectLayers(one, ["x", name])).toThrow("expected the name of a linear weight");
  });

  test("a name goes before patterns, the first pattern before others", () => {
    const layers = { "a*": "nf4", "*b": "int8", ab: "lut4" };
    const some = parsePolicy({ name: "some", scheme: "int4", layers });
    expect(["ab", "aab", "bb"].map((name) => schemeOf(some, name))).toEqual([PRESETS.lut4, PRESETS.nf4, PRESETS.int8]);
  });

  test("come back from their JSON", () => {
    expect(parsePolicy(JSON.parse(JSON.stringify(policy)))).toEqual(policy);
  });

  test.each([
    [[], "[policy] policy: expected an object, got a list of 0"],
    [{ scheme: "int4" }, "[policy] name: expected a text, got undefined"],
    [{ name: "x", scheme: "int4", layer: {} }, "[policy] layer: expected no such field, got an object"],
    [{ name: "", scheme: "int4" }, '[policy] name: expected a text, got ""'],
    [{ name: "x", scheme: "int4", layers: ["int8"] }, "[policy] layers: expected an object, got a list of 1"],
    [{ name: "x" }, "[policy: scheme] scheme: expected an object, got undefined"],
    [
      { name: "x", scheme: "int4", layers: { "a.*": { ...PRESETS.int4, bits: 9 } } },
      "[policy: a.*] bits: expected an integer from 2 to 8, got 9",
    ],
  ])("refuses %j", (json, message) => {
    expect(() => parsePolicy(json)).toThrow(message);
  });

  test("a pattern that fits nothing is a slip", () => {
    expect(() => expectLayers(policy, ["ctc.ctc_lo.weight", "a.w_2.weight"])).toThrow(
      "[policy] encoder.*.3.*: expected the name of a linear weight, found none like it",
    );
  });
});

describe("knapsack", () => {
  test("is as good as trying everything, and within the budget", () => {
    const random = randomizer(8);
    for (let round = 0; round < 20; round++) {
      const items = Array.from({ length: 6 }, () => {
        const numbers = random([6]).data;
        return [0, 1, 2].map((c) => ({ size: Math.round(50 + 49 * numbers[c]), cost: 1 + numbers[3 + c] }));
      });
      const budget = 330;
      let best = Number.POSITIVE_INFINITY;
      for (let code = 0; code < 3 ** 6; code++) {
        const picked = items.map((choices, i) => choices[Math.floor(code / 3 ** i) % 3]);
        if (picked.reduce((sum, { size }) => sum + size, 0) > budget) continue;
        best = Math.min(
          best,
          picked.reduce((sum, { cost }) => sum + cost, 0),
        );
      }
      const picked = chooseWithin(items, budget).map((choice, i) => items[i][choice]);
      expect(picked.reduce((sum, { size }) => sum + size, 0)).toBeLessThanOrEqual(budget);
      expect(picked.reduce((sum, { cost }) => sum + cost, 0)).toBe(best);
    }
  });

  test("a budget below the smallest choices is refused, one above the largest takes the best", () => {
    const items = [
      [
        { size: 3, cost: 2 },
        { size: 5, cost: 1 },
      ],
    ];
    expect(() => chooseWithin(items, 2)).toThrow("[quant] budget: expected at least 3, the smallest choices, got 2");
    expect(chooseWithin(items, 3)).toEqual([0]);
    expect(chooseWithin(items, 1e9)).toEqual([1]);
  });

  test.each([0.5, 1])("what is left over the smallest choices is spent, even if it is %d", (spare) => {
    const choices = [3, 3 + spare, 3 + 2 * spare].map((size) => ({ size, cost: 9 - size }));
    expect(chooseWithin([choices], 3 + spare)).toEqual([1]);
    expect(chooseWithin([choices], 3)).toEqual([0]);
  });

  test("of choices that cost the same the first is taken", () => {
    const same = [3, 3, 2].map((size) => ({ size, cost: 1 }));
    expect(chooseWithin([same, same], 9)).toEqual([0, 0]);
  });

  test.each([
    [3, 1],
    [5, 33],
    [2, 128],
    [7, 171],
  ])("the smallest choice for [%i, %i] is known before it is quantised", (n, k) => {
    const statistics = statisticsOf(correlatedInputs(k, 8, k), k);
    const sizes = MIXED_SCHEMES.map((scheme) =>
      storedBits(quantizeTensor(bellWeights(n, n, k), [n, k], scheme, { statistics })),
    );
    expect(leastBits([n, k])).toBe(Math.min(...sizes));
  });

  test("a mixed policy names every layer", () => {
    const choices = (scale: number) => [
      { scheme: PRESETS.int4, size: 450, cost: scale },
      { scheme: PRESETS.int8, size: 810, cost: scale / 100 },
    ];
    const mixed = mixedPolicy(
      "mixed",
      [
        { name: "a", choices: choices(1) },
        { name: "b", choices: choices(9) },
      ],
      1300,
    );
    expect(mixed.layers).toEqual({ a: PRESETS.int4, b: PRESETS.int8 });
    expect(mixed).toMatchObject({ name: "mixed", scheme: PRESETS.int4 }); // the first layer's: none is left to it
    expect(parsePolicy(JSON.parse(JSON.stringify(mixed)))).toEqual(mixed);
  });
});

describe("quantizeWeights", () => {
  const tensors: [string, HostTensor][] = [
    ["encoder.encoders.0.feed_forward.w_1.weight", { dtype: "f32", shape: [8, 64], data: bellWeights(1, 8, 64) }],
    ["ctc.ctc_lo.weight", { dtype: "f32", shape: [16, 32], data: bellWeights(2, 16, 32) }],
  ];
  async function* stream(): AsyncGenerator<[string, HostTensor]> {
    yield* tensors;
  }
  const quantized = async (scheme: unknown) => {
    const all: [string, Weight][] = [];
    for await (const entry of quantizeWeights(stream, parsePolicy({ name: "x", scheme }))) all.push(entry);
    return all;
  };

  test("each weight gets the scheme that the policy has for it", async () => {
    const all = await quantized("int4");
    expect(all.map(([name]) => name)).toEqual(tensors.map(([name]) => name));
    for (const [, weight] of all) expect(weight).toMatchObject({ dtype: "quantized", bits: 4, groupSize: 32 });
  });

  test.each([0, 1, 61, 511])(
    'granularity "model": nothing saturates, wherever the largest weight is: at %i',
    async (at) => {
      const scheme = { bits: 4, values: "uniform", granularity: "model" };
      const data = bellWeights(3, 8, 64).map((w, i) => (i === at ? -0.5 : w / 2));
      async function* one(): AsyncGenerator<[string, HostTensor]> {
        yield ["a.weight", { dtype: "f32", shape: [8, 64], data }];
        yield tensors[1];
      }
      for await (const [, weight] of quantizeWeights(one, parsePolicy({ name: "x", scheme }))) {
        expect(weight).toMatchObject({ scales: Float32Array.of(0.5 / 8) });
      }
    },
  );

  test.each(["uniform", "table"])('granularity "model": one grid for all, %s', async (values) => {
    const scheme = parseScheme({
      bits: 4,
      values,
      granularity: "model",
      ...(values === "table" && { table: "kmeans" }),
    });
    const weights = (await quantized(scheme)).flatMap(([, tensor]) => (tensor.dtype === "quantized" ? [tensor] : []));
    expect(weights[0].scales).toHaveLength(1);
    expect(weights[1].scales).toEqual(weights[0].scales);
    expect(weights[1].tables).toEqual(weights[0].tables);
    const original = tensors[1][1].data;
    dequantize(weights[1]).forEach((v, i) => {
      expect(Math.abs(v - original[i])).toBeLessThan(0.03);
    });
  });
});

describe("what a layer costs in each scheme", () => {
  const shape = [6, 64] as const;
  const layer = { name: "a", shape, loss: 0.5, probed: 8, errors: [0.2, 3] };

  test("is the probe's loss, by what the scheme's error is to the probe's", () => {
    const { name, choices } = candidateOf(layer, [PRESETS.int8, PRESETS.lut4]);
    expect(name).toBe("a");
    expect(choices.map(({ scheme }) => scheme)).toEqual([PRESETS.int8, PRESETS.lut4]);
    expect(choices.map(({ cost }) => cost)).toEqual([(0.5 * 0.2) / 8, (0.5 * 3) / 8]);
  });

  test.each(MIXED_SCHEMES.map((scheme) => [JSON.stringify(scheme), scheme] as const))(
    "its size is as stored: %s",
    (_, scheme) => {
      const statistics = statisticsOf(correlatedInputs(5, 200, 64), 64);
      const quantized = quantizeTensor(bellWeights(4, ...shape), shape, scheme, { statistics });
      expect(candidateOf(layer, [scheme, scheme]).choices[0].size).toBe(storedBits(quantized));
    },
  );

  test("is nothing where the probe lost nothing, or less, or had no error", () => {
    for (const loss of [0, -1e-9]) expect(candidateOf({ ...layer, loss }, [PRESETS.int8]).choices[0].cost).toBe(0);
    expect(candidateOf({ ...layer, probed: 0 }, [PRESETS.int8]).choices[0].cost).toBe(0);
  });

  test("learned tables are weighed as k-means with GPTQ", () => {
    expect(standInOf(PRESETS.lut4)).toEqual({ ...PRESETS.lut4, table: "kmeans", compensate: "gptq" });
    expect(standInOf(PRESETS.int8)).toBe(PRESETS.int8);
  });
});

test.each(MIXED_SCHEMES.map((scheme) => [JSON.stringify(scheme), scheme] as const))(
  "mixed policies may choose %s",
  (_, scheme) => {
    expect(parseScheme(scheme)).toEqual(scheme);
  },
);
