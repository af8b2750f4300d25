import { SenseVoice } from "../model/sensevoice/network.ts";
import type { Prompt } from "../model/sensevoice/prompt.ts";
import type { LinearWeight, Tensor } from "../tensor/backend.ts";
import { accumulate, createStatistics, type Statistics } from "./statistics.ts";

/**
 * Runs the model on calibration sound and gathers what each linear layer sees, by the name of its weight.
 *
 * @param clips one forward each
 * @param wanted which layers; their statistics take 8·K² bytes each, so a large model may need more than one run
 */
export async function calibrate<T extends Tensor, W extends LinearWeight<T>>(
  { backend, config, weights }: SenseVoice<T, W>,
  clips: Iterable<Prompt>,
  wanted: (name: string) => boolean = () => true,
): Promise<Map<string, Statistics>> {
  const statistics = new Map<string, Statistics>();
  const ofWeight = new Map<W, Statistics>();
  for (const [name, weight] of weights.linears) {
    if (!wanted(name)) continue;
    const stats = createStatistics(weight.shape[1]);
    statistics.set(name, stats);
    ofWeight.set(weight, stats);
  }
  let reads: Promise<void>[] = [];
  const see = (x: T, weight: W) => {
    const stats = ofWeight.get(weight);
    const [rows, k] = x.shape;
    if (stats) reads.push(backend.read(x).then((values) => accumulate(stats, values, rows, k)));
  };
  /** Layer norms in front come first, so that the linear layer's own input can be seen. */
  const linear: typeof backend.linear = (x, weight, { norm, ...options } = {}) => {
    const input = norm ? backend.layerNorm(x, norm) : x;
    see(input, weight);
    return backend.linear(input, weight, options);
  };
  const model = new SenseVoice({ ...backend, linear }, config, weights);
  for (const clip of clips) {
    const { x, batch } = await model.encode([clip]);
    see(x, weights.head.weight);
    await Promise.all(reads).finally(() => [x, batch.offsets].forEach(backend.release));
    reads = [];
  }
  return statistics;
}
