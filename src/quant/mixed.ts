import { dequantize, type QuantizedTensor, wordsOfRow } from "../tensor/quantized.ts";
import { outputError } from "./learn.ts";
import type { Candidate } from "./policy.ts";
import { quantizeTensor } from "./quantize.ts";
import { PRESETS, type Scheme } from "./scheme.ts";
import { scaleBits, storedBits } from "./size.ts";
import type { Statistics } from "./statistics.ts";

/** What a mixed policy chooses from, unless told otherwise: 3.25 to 8 bits a weight. */
export const MIXED_SCHEMES: readonly Scheme[] = [
  { ...PRESETS.lut3, groupSize: 64 },
  PRESETS.lut3,
  { ...PRESETS.lut4, groupSize: 128 },
  { ...PRESETS.lut4, groupSize: 64 },
  PRESETS.lut4,
  PRESETS.lut5,
  PRESETS.lut6,
  PRESETS.int8,
];

/** The fewest bits that a weight [n, k] can be stored in by a mixed policy: codes, scales and one table. */
export function leastBits([n, k]: readonly number[]): number {
  const sizes = MIXED_SCHEMES.map(({ bits, groupSize = k, values }) => {
    const scales = n * Math.ceil(k / groupSize);
    const codes = n * wordsOfRow({ shape: [n, k], bits }) * 32;
    return codes + scales * scaleBits(scales, n) + (values === "table" ? 2 ** bits * 16 : 0);
  });
  return Math.min(...sizes);
}

/** What layers are probed with: coarse enough for a loss well above rounding, and needs no statistics. */
export const PROBE: Scheme = { bits: 3, values: "uniform", granularity: "group", groupSize: 32 };

/** A linear layer, and what the model lost when it alone was quantised by PROBE. */
export interface Probed {
  readonly name: string;
  readonly weight: Float32Array;
  readonly shape: readonly [n: number, k: number];
  readonly statistics: Statistics;
  /** Of the probe: KL divergence of the tokens' probabilities, in nats a row. */
  readonly loss: number;
}

/**
 * A layer's size and loss in each scheme. The loss is taken to be κ·E: E = tr((W − Ŵ)·H·(W − Ŵ)ᵀ) is computed from
 * the scheme's own weights, κ = loss/E of the probe is measured once. κ differs so much between layers that E alone
 * does not tell which layer matters; κ·E does (docs/quantization.md, Studies).
 *
 * Learned tables are stood in for by k-means with GPTQ, from which they start: that is less work.
 */
export function candidateOf(layer: Probed, schemes: readonly Scheme[] = MIXED_SCHEMES): Candidate {
  const { name, weight, shape, statistics, loss } = layer;
  const error = (quantized: QuantizedTensor) => outputError(dequantize(quantized), weight, statistics.hessian, shape);
  const probed = error(quantizeTensor(weight, shape, PROBE, { name }));
  const choices = schemes.map((scheme) => {
    const standIn: Scheme = scheme.table === "learned" ? { ...scheme, table: "kmeans", compensate: "gptq" } : scheme;
    const quantized = quantizeTensor(weight, shape, standIn, { name, statistics });
    return {
      scheme,
      size: storedBits(quantized),
      cost: probed > 0 ? (Math.max(loss, 0) * error(quantized)) / probed : 0,
    };
  });
  return { name, choices };
}
