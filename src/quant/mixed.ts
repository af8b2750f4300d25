import type { Candidate } from "./policy.ts";
import { PRESETS, type Scheme } from "./scheme.ts";
import { schemeBits } from "./size.ts";

/** A learned table for a layer, with a scale for each row: the least that scales can take. */
const ROWS: Scheme = {
  bits: 4,
  values: "table",
  granularity: "channel",
  scale: "mse",
  table: "learned",
  activation: "dynamic",
};

/** What a mixed policy chooses from, unless told otherwise: 2.1 to 8.1 bits a weight. */
export const MIXED_SCHEMES: readonly Scheme[] = [
  { ...ROWS, bits: 2 },
  { ...PRESETS.lut3, bits: 2, groupSize: 64 },
  { ...ROWS, bits: 3 },
  { ...PRESETS.lut3, groupSize: 64 },
  ROWS,
  { ...PRESETS.lut4, groupSize: 64 },
  { ...ROWS, bits: 5 },
  { ...ROWS, bits: 6 },
  PRESETS.int8,
];

/** The fewest bits that a weight [n, k] can be stored in by a mixed policy: codes, scales and one table. */
export function leastBits(shape: readonly number[]): number {
  return Math.min(...MIXED_SCHEMES.map((scheme) => schemeBits(scheme, [shape[0], shape[1]])));
}

/** What layers are probed with: coarse enough for a loss well above rounding, and needs no statistics. */
export const PROBE: Scheme = { bits: 3, values: "uniform", granularity: "group", groupSize: 32 };

/** What a scheme's error is estimated by: learned tables start from k-means with GPTQ, which is less work. */
export function standInOf(scheme: Scheme): Scheme {
  return scheme.table === "learned" ? { ...scheme, table: "kmeans", compensate: "gptq" } : scheme;
}

/** A linear layer as it was measured. */
export interface Weighed {
  readonly name: string;
  readonly shape: readonly [n: number, k: number];
  /** What the model lost when this layer alone was in PROBE: KL of the tokens' probabilities, in nats a row. */
  readonly loss: number;
  /** E = tr((W − Ŵ)·H·(W − Ŵ)ᵀ) of the probe, and of each scheme's stand-in. */
  readonly probed: number;
  readonly errors: readonly number[];
}

/**
 * A layer's size and loss in each scheme. The loss is taken to be κ·E: E is computed from the scheme's own weights,
 * κ = loss/E of the probe is measured once. κ differs so much between layers that E alone does not tell which layer
 * matters; κ·E does (docs/quantization.md, Studies).
 */
export function candidateOf(layer: Weighed, schemes: readonly Scheme[] = MIXED_SCHEMES): Candidate {
  const { name, shape, loss, probed, errors } = layer;
  const choices = schemes.map((scheme, i) => ({
    scheme,
    size: schemeBits(scheme, shape),
    cost: probed > 0 ? (Math.max(loss, 0) * errors[i]) / probed : 0,
  }));
  return { name, choices };
}
