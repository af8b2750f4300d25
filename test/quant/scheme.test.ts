import { describe, expect, test } from "vitest";
import { PRESETS, parseScheme } from "../../src/quant/scheme.ts";

const int4 = { bits: 4, values: "uniform", granularity: "group", groupSize: 32 };
const lut4 = { bits: 4, values: "table", granularity: "group", groupSize: 32, table: "learned" };

test("presets have the bits that their names say", () => {
  for (const [name, { bits }] of Object.entries(PRESETS)) {
    const digit = /\d/.exec(name)?.[0];
    expect(bits, name).toBe(Number(digit));
  }
});

describe("parseScheme", () => {
  test.each([
    { ...lut4, bits: 2, table: [-65504, 0, 1, 65504] },
    { ...lut4, bits: 3, table: "power-of-two" },
    { ...lut4, bits: 5, table: "power-of-two" },
    { ...int4, bits: 2 },
    { ...int4, bits: 8 },
  ])("takes what just fits: %j", (scheme) => {
    expect(parseScheme(scheme)).toBe(scheme);
  });

  test.each(Object.keys(PRESETS))("takes the preset %s by name and as the JSON it is", (name) => {
    const scheme = parseScheme(name);
    expect(parseScheme(JSON.parse(JSON.stringify(scheme)))).toEqual(scheme);
  });

  test.each([
    { ...int4, bits: 7, symmetric: false, activation: "dynamic" },
    { ...int4, bits: 8, activation: "static" },
    { ...lut4, bits: 2, table: [-1, 0, 0.01, 1], activation: "dynamic" },
    { bits: 4, values: "table", granularity: "channel", table: "nf4", activation: "dynamic" },
    { bits: 4, values: "table", granularity: "channel", table: "kmeans", activation: "static" },
    { bits: 2, values: "table", granularity: "channel", table: "learned", activation: "dynamic" },
    { bits: 6, values: "table", granularity: "model", table: "kmeans", activation: "dynamic" },
  ])("takes int8 activations with %j", (scheme) => {
    expect(parseScheme(scheme)).toBe(scheme);
  });

  test.each([
    [7, "[scheme] scheme: expected an object, got 7"],
    ["int3", /^\[scheme\] name: expected one of int8, .*, got "int3"$/],
    [{ ...int4, bits: 9 }, "[scheme] bits: expected an integer from 2 to 8, got 9"],
    [{ ...int4, bits: 1 }, "[scheme] bits: expected an integer from 2 to 8, got 1"],
    [{ ...int4, bits: 1.5 }, "[scheme] bits: expected an integer from 2 to 8, got 1.5"],
    [{ ...int4, groupSize: 7 }, "[scheme] groupSize: expected 32 or 64 or 128, got 7"],
    [
      { ...int4, groupSize: undefined },
      '[scheme] groupSize: expected 32, 64 or 128 with granularity "group", got undefined',
    ],
    [{ ...int4, granularity: "channel" }, '[scheme] groupSize: expected none with granularity "channel", got 32'],
    [{ ...int4, group: 32 }, "[scheme] group: expected no such field, got 32"],
    [{ ...int4, values: "float" }, '[scheme] values: expected uniform or table, got "float"'],
    [{ ...int4, scale: "best" }, '[scheme] scale: expected max or percentile or mse, got "best"'],
    [{ ...int4, table: "nf4" }, '[scheme] table: expected none with values "uniform", got "nf4"'],
    [
      { bits: 4, values: "uniform", granularity: "tensor", symmetric: false },
      '[scheme] symmetric: expected true with granularity "tensor", got false',
    ],
    [{ ...lut4, scaleBits: 8 }, "[scheme] scaleBits: expected none with a learned table, got 8"],
    [{ ...int4, scaleBits: 4 }, "[scheme] scaleBits: expected 8, got 4"],
    [
      { bits: 4, values: "uniform", granularity: "channel", scaleBits: 8 },
      '[scheme] scaleBits: expected none without granularity "group", got 8',
    ],
    [{ ...lut4, symmetric: true }, '[scheme] symmetric: expected none with values "table", got true'],
    [
      { ...lut4, table: undefined },
      "[scheme] table: expected nf4, power-of-two, kmeans, learned or 16 numbers, got undefined",
    ],
    [{ ...lut4, table: [1, 2, 3] }, "[scheme] table: expected 16 values for 4 bits, got 3"],
    [{ ...lut4, bits: 2, table: [0, 1, 1, 2] }, "[scheme] table[2]: expected more than 1, got 1"],
    [
      { ...lut4, bits: 2, table: [0, 1, 2, 1e9] },
      "[scheme] table[3]: expected a number that f16 holds, got 1000000000",
    ],
    [{ ...lut4, bits: 2, table: [-65505, 0, 1, 2] }, "[scheme] table[0]: expected a number that f16 holds, got -65505"],
    [{ ...lut4, bits: 2, table: [0, 1, 2, 65505] }, "[scheme] table[3]: expected a number that f16 holds, got 65505"],
    [{ ...lut4, bits: 2, table: [0, 1, 2, "3"] }, '[scheme] table[3]: expected a number that f16 holds, got "3"'],
    [{ ...lut4, bits: 3, table: "nf4" }, '[scheme] bits: expected 4 with the table "nf4", got 3'],
    [
      { ...lut4, bits: 8, table: "power-of-two" },
      '[scheme] bits: expected 3, 4 or 5 with the table "power-of-two", got 8',
    ],
    [
      { ...lut4, bits: 2, table: "power-of-two" },
      '[scheme] bits: expected 3, 4 or 5 with the table "power-of-two", got 2',
    ],
    [
      { ...lut4, bits: 6, table: "power-of-two" },
      '[scheme] bits: expected 3, 4 or 5 with the table "power-of-two", got 6',
    ],
    [
      { ...lut4, compensate: "gptq" },
      '[scheme] compensate: expected none with a learned table, which compensates, got "gptq"',
    ],
    [
      { ...int4, bits: 8, symmetric: false, activation: "dynamic" },
      '[scheme] activation: expected none with a zero point of 8 bits, got "dynamic"',
    ],
    [
      { ...lut4, bits: 2, table: [-1, 0, 0.002, 1], activation: "dynamic" },
      "[scheme] table[2]: expected with activation, 1/127 of the largest entry above 0, got 0.002",
    ],
  ])("refuses %j", (json, message) => {
    expect(() => parseScheme(json)).toThrow(message);
  });
});
