import type { EncoderConfig } from "../model/sensevoice/config.ts";
import { SenseVoice } from "../model/sensevoice/network.ts";
import type { Query } from "../model/sensevoice/prompt.ts";
import type { ModelWeights } from "../model/sensevoice/weights.ts";
import type { Backend, LinearWeight, Tensor } from "../tensor/backend.ts";
import { linearWeights, withLinear } from "./linears.ts";
import { accumulate, createStatistics, type Statistics } from "./statistics.ts";

/**
 * Runs the model on calibration sound and gathers what each linear layer sees, by the name of its weight.
 *
 * @param clips one forward each
 * @param wanted which layers; their statistics take 8·K² bytes each, so a large model may need more than one run
 */
export async function calibrate(
  backend: Backend,
  config: EncoderConfig,
  weights: ModelWeights,
  clips: Iterable<Query>,
  wanted: (name: string) => boolean = () => true,
): Promise<Map<string, Statistics>> {
  const statistics = new Map<string, Statistics>();
  const names = new Map<LinearWeight, string>();
  for (const [name, weight] of linearWeights(weights)) {
    if (!wanted(name)) continue;
    names.set(weight, name);
    statistics.set(name, createStatistics(weight.shape[1]));
  }
  let reads: Promise<void>[] = [];
  const see = (x: Tensor, weight: LinearWeight) => {
    const stats = statistics.get(names.get(weight) ?? "");
    const [rows, k] = x.shape;
    if (stats) reads.push(backend.read(x).then((values) => accumulate(stats, values, rows, k)));
  };
  const model = new SenseVoice(watched(backend, see), config, weights);
  for (const clip of clips) {
    const { x, segments } = model.encode([clip]);
    see(x, weights.head.weight);
    await Promise.all(reads);
    reads = [];
    backend.release(x);
    backend.release(segments.offsets);
  }
  return statistics;
}

/** The backend, with a look at the inputs of every linear layer: layer norms in front come first. */
function watched(backend: Backend, see: (x: Tensor, weight: LinearWeight) => void): Backend {
  return withLinear(backend, (x, weight, { norm, ...options } = {}) => {
    const input = norm ? backend.layerNorm(x, norm) : x;
    see(input, weight);
    return backend.linear(input, weight, options);
  });
}
