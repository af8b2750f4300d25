import { quote, SenseVoiceError } from "../error.ts";
import { inWholeNumbers } from "./tables.ts";

/**
 * How the weight of a linear layer is put into few bits. A scheme is data: every combination that parseScheme lets
 * through is quantised by the same few functions into the same format (tensor/quantized.ts).
 */
export interface Scheme {
  /** Bits of a code, 2 to 8. */
  readonly bits: number;
  /** What codes stand for: equal steps, or the entries of a table. */
  readonly values: "uniform" | "table";
  /**
   * What shares a scale: all linear layers, one layer, an output channel (a row of the weight), or `groupSize`
   * neighbours in a row. Tables are shared by all layers ("model"), by a channel ("channel" with f32 activations, then
   * no scales are needed), or else by a layer.
   */
  readonly granularity: "model" | "tensor" | "channel" | "group";
  /** Weights to a group, with granularity "group". */
  readonly groupSize?: 32 | 64 | 128;
  /** Uniform only: false gives every scale a zero point. Default true. */
  readonly symmetric?: boolean;
  /**
   * How a scale is found: the largest weight fits ("max", the default); the largest but 0.5 % ("percentile"); or the
   * squared error is least ("mse").
   */
  readonly scale?: "max" | "percentile" | "mse";
  /**
   * With granularity "group", not with a learned table: scales in so many bits, whole multiples of a step of their row
   * (tensor/scaleSteps.ts); f16 unless given.
   */
  readonly scaleBits?: 8;
  /** With values "table": a rule, a method, or the 2^bits entries themselves, rising. */
  readonly table?: "nf4" | "power-of-two" | "kmeans" | "learned" | readonly number[];
  /** Rounds so that the layer's output changes least on calibration sound. */
  readonly compensate?: "gptq";
  /**
   * Int8 activations, scaled by each row's largest value or by one number from calibration. Entries of tables are then
   * whole numbers from −127 to 127, so that products are summed in integers.
   */
  readonly activation?: "dynamic" | "static";
}

const GROUP32 = { granularity: "group", groupSize: 32 } as const;
/** The same with scales in 8 bits. */
const GROUP32_8 = { ...GROUP32, scaleBits: 8 } as const;
const GROUP64 = { granularity: "group", groupSize: 64 } as const;
const INT8 = { activation: "dynamic" } as const;

/** The schemes that have names; docs/quantization.md compares them. */
export const PRESETS = {
  int8: { bits: 8, values: "uniform", granularity: "channel", ...INT8 },
  "int8-static": { bits: 8, values: "uniform", granularity: "channel", activation: "static" },
  int4: { bits: 4, values: "uniform", ...GROUP32_8, scale: "mse", ...INT8 },
  "int4-gptq": { bits: 4, values: "uniform", ...GROUP32_8, scale: "mse", compensate: "gptq", ...INT8 },
  nf4: { bits: 4, values: "table", ...GROUP32, table: "nf4", ...INT8 },
  pot4: { bits: 4, values: "table", ...GROUP32, scale: "mse", table: "power-of-two", ...INT8 },
  kmeans4: { bits: 4, values: "table", ...GROUP32, scale: "mse", table: "kmeans", ...INT8 },
  lut3: { bits: 3, values: "table", ...GROUP32, scale: "mse", table: "learned", ...INT8 },
  lut4: { bits: 4, values: "table", ...GROUP32, scale: "mse", table: "learned", ...INT8 },
  lut5: { bits: 5, values: "table", ...GROUP64, scale: "mse", table: "learned", ...INT8 },
  lut6: { bits: 6, values: "table", ...GROUP64, scale: "mse", table: "learned", ...INT8 },
} as const satisfies Record<string, Scheme>;

export type PresetName = keyof typeof PRESETS;

/** Does the scheme look at calibration statistics? k-means only uses them if they are there. */
export function needsStatistics({ compensate, table, activation }: Scheme): boolean {
  return compensate === "gptq" || table === "learned" || activation === "static";
}

const CHOICES = {
  values: ["uniform", "table"],
  granularity: ["model", "tensor", "channel", "group"],
  groupSize: [undefined, 32, 64, 128],
  symmetric: [undefined, true, false],
  scale: [undefined, "max", "percentile", "mse"],
  scaleBits: [undefined, 8],
  compensate: [undefined, "gptq"],
  activation: [undefined, "dynamic", "static"],
} as const;
const FIELDS = ["bits", "table", ...Object.keys(CHOICES)];
const TABLES = ["nf4", "power-of-two", "kmeans", "learned"];

/**
 * A scheme from JSON: an object as Scheme describes it, or a preset's name.
 * @throws SenseVoiceError that names the first field that is wrong, is not known or contradicts another
 */
export function parseScheme(json: unknown, where = "scheme"): Scheme {
  const fail = (field: string, expected: string, got: unknown): never => {
    throw new SenseVoiceError(`[${where}] ${field}: expected ${expected}, got ${quote(got)}`);
  };
  if (typeof json === "string") {
    if (!Object.hasOwn(PRESETS, json)) fail("name", `one of ${Object.keys(PRESETS).join(", ")}`, json);
    return PRESETS[json as PresetName];
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) return fail("scheme", "an object", json);
  const scheme = json as Scheme;
  for (const key of Object.keys(scheme)) if (!FIELDS.includes(key)) fail(key, "no such field", json[key as never]);
  const { bits, values, granularity, groupSize, symmetric, scaleBits, table, compensate, activation } = scheme;
  if (!Number.isInteger(bits) || bits < 2 || bits > 8) fail("bits", "an integer from 2 to 8", bits);
  for (const [field, allowed] of Object.entries(CHOICES)) {
    const value = scheme[field as keyof typeof CHOICES];
    if (!(allowed as readonly unknown[]).includes(value)) {
      fail(field, allowed.filter((choice) => choice !== undefined).join(" or "), value);
    }
  }
  if (granularity === "group" && !groupSize) fail("groupSize", '32, 64 or 128 with granularity "group"', groupSize);
  if (granularity !== "group" && groupSize) fail("groupSize", `none with granularity "${granularity}"`, groupSize);
  if (scaleBits && granularity !== "group") fail("scaleBits", 'none without granularity "group"', scaleBits);
  if (scaleBits && table === "learned") fail("scaleBits", "none with a learned table", scaleBits);
  if (values === "uniform") {
    if (table !== undefined) fail("table", 'none with values "uniform"', table);
    if (symmetric === false && (granularity === "model" || granularity === "tensor")) {
      fail("symmetric", `true with granularity "${granularity}"`, symmetric);
    }
  } else {
    expectTable(table, bits, fail);
    if (symmetric !== undefined) fail("symmetric", 'none with values "table"', symmetric);
  }
  if (table === "learned" && granularity === "model") fail("table", 'another with granularity "model"', table);
  if (compensate && table === "learned") fail("compensate", "none with a learned table, which compensates", compensate);
  if (compensate && granularity === "model") fail("compensate", 'none with granularity "model"', compensate);
  if (activation && bits === 8 && symmetric === false)
    fail("activation", "none with a zero point of 8 bits", activation);
  if (activation && Array.isArray(table)) expectWholeNumbers(table, fail);
  return scheme;
}

type Fail = (field: string, expected: string, got: unknown) => never;

function expectTable(table: unknown, bits: number, fail: Fail): void {
  if (Array.isArray(table)) {
    const size = 2 ** bits;
    if (table.length !== size) fail("table", `${size} values for ${bits} bits`, table.length);
    for (let i = 0; i < size; i++) {
      if (!Number.isFinite(table[i]) || Math.abs(table[i]) > 65504)
        fail(`table[${i}]`, "a number that f16 holds", table[i]);
      if (i > 0 && table[i] <= table[i - 1]) fail(`table[${i}]`, `more than ${table[i - 1]}`, table[i]);
    }
  } else if (!TABLES.includes(table as string)) {
    fail("table", `${TABLES.join(", ")} or ${2 ** bits} numbers`, table);
  } else if (table === "nf4" && bits !== 4) {
    fail("bits", '4 with the table "nf4"', bits);
  } else if (table === "power-of-two" && (bits < 3 || bits > 5)) {
    fail("bits", '3, 4 or 5 with the table "power-of-two"', bits);
  }
}

/** Throws if two entries would be stored as the same whole number. */
function expectWholeNumbers(table: readonly number[], fail: Fail): void {
  const stored = inWholeNumbers(table);
  const i = stored.findIndex((entry, i) => entry === stored[i - 1]);
  if (i > 0) fail(`table[${i}]`, `with activation, 1/127 of the largest entry above ${table[i - 1]}`, table[i]);
}
