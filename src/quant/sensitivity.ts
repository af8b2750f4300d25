import type { EncoderConfig } from "../model/sensevoice/config.ts";
import { SenseVoice } from "../model/sensevoice/network.ts";
import type { Query } from "../model/sensevoice/prompt.ts";
import type { ModelWeights } from "../model/sensevoice/weights.ts";
import type { Backend } from "../tensor/backend.ts";
import type { Weight } from "../tensor/quantized.ts";
import { linearWeights, withLinear } from "./linears.ts";

/**
 * What the model loses when one linear layer alone has another weight: KL(p ‖ q) of the tokens' probabilities before
 * and after, Σ p·(ln p − ln q), the mean over the rows of all clips, in nats.
 *
 * @param clips a few; their logits are kept, 4·vocab bytes a row
 * @param probes the other weights, one at a time, by the name of the weight they stand in for
 */
export async function measureLosses(
  backend: Backend,
  config: EncoderConfig,
  weights: ModelWeights,
  clips: readonly Query[],
  probes: AsyncIterable<[name: string, probe: Weight]>,
): Promise<Map<string, number>> {
  const linears = linearWeights(weights);
  const before = await logitsOf(backend, config, weights, clips);
  const losses = new Map<string, number>();
  for await (const [name, probe] of probes) {
    const replaced = linears.get(name);
    const other = backend.uploadLinear(probe);
    const probing = withLinear(backend, (x, weight, options) =>
      backend.linear(x, weight === replaced ? other : weight, options),
    );
    losses.set(name, meanDivergence(before, await logitsOf(probing, config, weights, clips)));
  }
  return losses;
}

/** KL(p ‖ q) of the tokens' probabilities under two sets of weights, the mean over the rows of all clips, in nats. */
export async function measureDivergence(
  backend: Backend,
  config: EncoderConfig,
  [p, q]: readonly [ModelWeights, ModelWeights],
  clips: readonly Query[],
): Promise<number> {
  return meanDivergence(await logitsOf(backend, config, p, clips), await logitsOf(backend, config, q, clips));
}

interface Logits {
  readonly logits: Float32Array;
  readonly vocab: number;
}

async function logitsOf(
  backend: Backend,
  config: EncoderConfig,
  weights: ModelWeights,
  clips: readonly Query[],
): Promise<Logits[]> {
  const model = new SenseVoice(backend, config, weights);
  const all: Logits[] = [];
  for (const clip of clips) {
    const { x, segments } = model.encode([clip]);
    const logits = backend.linear(x, weights.head.weight, { bias: weights.head.bias });
    all.push({ logits: await backend.read(logits), vocab: logits.shape[1] });
    for (const tensor of [x, logits, segments.offsets]) backend.release(tensor);
  }
  return all;
}

function meanDivergence(before: readonly Logits[], after: readonly Logits[]): number {
  let [sum, rows] = [0, 0];
  after.forEach(({ logits, vocab }, i) => {
    for (let start = 0; start < logits.length; start += vocab, rows++) {
      const row = before[i].logits.subarray(start, start + vocab);
      sum += divergence(row, logits.subarray(start, start + vocab));
    }
  });
  return sum / rows;
}

/** KL(softmax(a) ‖ softmax(b)). */
function divergence(a: Float32Array, b: Float32Array): number {
  const [la, lb] = [logSumExp(a), logSumExp(b)];
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.exp(a[i] - la) * (a[i] - la - b[i] + lb);
  return sum;
}

function logSumExp(row: Float32Array): number {
  let max = Number.NEGATIVE_INFINITY;
  for (const v of row) max = Math.max(max, v);
  let sum = 0;
  for (const v of row) sum += Math.exp(v - max);
  return max + Math.log(sum);
}
