import { logSumExp } from "../kernels/reference/ctc.ts";
import { SenseVoice } from "../model/sensevoice/network.ts";
import type { Prompt } from "../model/sensevoice/prompt.ts";
import type { LinearWeight, Tensor } from "../tensor/backend.ts";
import type { Weight } from "../tensor/quantized.ts";

/**
 * What the model loses when one linear layer alone has another weight: KL(p ‖ q) of the tokens' probabilities before
 * and after, Σ p·(ln p − ln q), the mean over the rows of all clips, in nats.
 *
 * @param clips a few; their logits are kept, 4·vocab bytes a row
 * @param probes the other weights, one at a time, by the name of the weight they stand in for
 */
export async function measureLosses<T extends Tensor, W extends LinearWeight<T>>(
  model: SenseVoice<T, W>,
  clips: readonly Prompt[],
  probes: AsyncIterable<[name: string, probe: Weight]>,
): Promise<Map<string, number>> {
  const { backend, config, weights } = model;
  const before = await logitsOf(model, clips);
  const losses = new Map<string, number>();
  for await (const [name, probe] of probes) {
    const replaced = weights.linears.get(name);
    const other = backend.uploadLinear(probe);
    const linear: typeof backend.linear = (x, weight, options) =>
      backend.linear(x, weight === replaced ? other : weight, options);
    const probing = new SenseVoice({ ...backend, linear }, config, weights);
    const after = await logitsOf(probing, clips).finally(() => backend.release(other));
    losses.set(name, meanDivergence(before, after));
  }
  return losses;
}

/** Logits [rows, vocab] of a clip. */
export interface Logits {
  readonly logits: Float32Array;
  readonly vocab: number;
}

export async function logitsOf<T extends Tensor, W extends LinearWeight<T>>(
  model: SenseVoice<T, W>,
  clips: readonly Prompt[],
): Promise<Logits[]> {
  const { backend, weights } = model;
  const all: Logits[] = [];
  for (const clip of clips) {
    const { x, batch } = await model.encode([clip]);
    const logits = backend.linear(x, weights.head.weight, { bias: weights.head.bias });
    const values = backend.read(logits).finally(() => [x, logits, batch.offsets].forEach(backend.release));
    all.push({ logits: await values, vocab: logits.shape[1] });
  }
  return all;
}

/** KL(p ‖ q) of the tokens' probabilities, the mean over the rows of all clips, in nats. */
export function meanDivergence(before: readonly Logits[], after: readonly Logits[]): number {
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
