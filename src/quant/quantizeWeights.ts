import { asF32 } from "../tensor/f16.ts";
import type { HostTensor } from "../tensor/host.ts";
import type { Weight } from "../tensor/quantized.ts";
import { fitSharedGrid, type SharedGrid } from "./fitGrid.ts";
import { type Policy, schemeOf } from "./policy.ts";
import { quantizeTensor } from "./quantize.ts";
import type { Scheme } from "./scheme.ts";
import type { Statistics } from "./statistics.ts";

/** Of the weights that share a grid one in this many is looked at; a prime, so that no column is favoured. */
const SAMPLE_STRIDE = 61;

type Tensors = AsyncIterable<[name: string, tensor: HostTensor]>;

/**
 * Quantises linear weights one after another as the policy says. In memory are one tensor and what becomes of it.
 *
 * @param tensors opens the stream of linear weights; called twice if a scheme has granularity "model"
 * @param statistics of each linear layer by the name of its weight, for the schemes that need them
 */
export async function* quantizeWeights(
  tensors: () => Tensors,
  policy: Policy,
  statistics?: ReadonlyMap<string, Statistics>,
): AsyncGenerator<[name: string, tensor: Weight]> {
  const shared = await fitShared(tensors, policy);
  for await (const [name, tensor] of tensors()) {
    const [n, k] = tensor.shape;
    const scheme = schemeOf(policy, name);
    const options = { name, statistics: statistics?.get(name), shared: shared.get(JSON.stringify(scheme)) };
    yield [name, quantizeTensor(asF32(tensor), [n, k], scheme, options)];
  }
}

/** The grids that whole models share, by their scheme. */
export async function fitShared(tensors: () => Tensors, policy: Policy): Promise<Map<string, SharedGrid>> {
  const isShared = ({ granularity }: Scheme) => granularity === "model";
  if (![policy.scheme, ...Object.values(policy.layers)].some(isShared)) return new Map();
  const samples = new Map<string, number[]>();
  for await (const [name, tensor] of tensors()) {
    const scheme = schemeOf(policy, name);
    if (!isShared(scheme)) continue;
    const key = JSON.stringify(scheme);
    const sample = samples.get(key) ?? [];
    samples.set(key, sample);
    const weight = asF32(tensor);
    let largest = 0;
    for (let i = 0; i < weight.length; i++) {
      if (i % SAMPLE_STRIDE === 0) sample.push(weight[i]);
      if (Math.abs(weight[i]) > Math.abs(largest)) largest = weight[i];
    }
    sample.push(largest); // so that nothing saturates with scale "max"
  }
  return new Map(
    Array.from(samples, ([key, sample]) => [key, fitSharedGrid(Float32Array.from(sample), JSON.parse(key) as Scheme)]),
  );
}
