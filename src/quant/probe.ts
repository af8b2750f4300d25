import type { WasmTensor } from "../kernels/wasm/device.ts";
import type { QuantKernels } from "../kernels/wasm/quantKernels.ts";
import type { WasmWeight } from "../kernels/wasm/weight.ts";
import { type EncoderPart, SenseVoice } from "../model/sensevoice/network.ts";
import type { Prompt } from "../model/sensevoice/prompt.ts";
import type { Batch } from "../tensor/backend.ts";
import type { QuantizedTensor } from "../tensor/quantized.ts";
import type { CpuModel } from "./hear.ts";

type Part = EncoderPart<WasmTensor, WasmWeight>;

/**
 * What the model loses when one linear layer alone has another weight, as measureLosses says it, in the order of the
 * network. What lies before the layer is run once for all; so a probe costs what lies behind it.
 *
 * @param clips a few seconds: each probe runs on all of them
 * @param probeOf the other weight; undefined where none is to be probed
 */
export async function* probe(
  { backend, model }: CpuModel,
  kernels: QuantKernels,
  clips: readonly Prompt[],
  probeOf: (name: string, weight: WasmWeight) => Promise<QuantizedTensor | undefined>,
): AsyncGenerator<[name: string, loss: number]> {
  const { config, weights } = model;
  const names = new Map(Array.from(weights.linears, ([name, weight]) => [weight, name]));
  let swap: { from: WasmWeight; to: WasmWeight } | undefined;
  const linear: typeof backend.linear = (x, weight, options) =>
    backend.linear(x, swap && weight === swap.from ? swap.to : weight, options);
  const probing = new SenseVoice({ ...backend, linear }, config, weights);
  const head: Part = {
    name: "head",
    linears: [weights.head.weight],
    run: (x) => linear(x, weights.head.weight, { bias: weights.head.bias }),
  };
  const parts = [...probing.parts(), head];
  const { batch, ...embedded } = await model.embed(clips);
  let { x } = embedded;
  const made: WasmTensor[] = [];
  try {
    const before = runAll(backend.release, parts, x, batch);
    made.push(before);
    for (const [i, part] of parts.entries()) {
      for (const weight of part.linears) {
        const name = names.get(weight) ?? "";
        const other = await probeOf(name, weight);
        if (!other) continue;
        await backend.flush(); // while work is under way, a weight goes into memory that nothing has used
        swap = { from: weight, to: backend.uploadLinear(other) };
        const after = runAll(backend.release, parts.slice(i), x, batch);
        const losses = await kernels.divergences(before, after).finally(() => {
          if (swap) backend.release(swap.to);
          backend.release(after);
        });
        swap = undefined;
        yield [name, losses.reduce((sum, loss) => sum + loss, 0) / losses.length];
      }
      if (part === head) break;
      const next = part.run(x, batch);
      backend.release(x);
      x = next;
    }
  } finally {
    [...made, x, batch.offsets].forEach(backend.release);
  }
}

/** x through the parts, one after another; x stays the caller's. */
function runAll(
  release: (tensor: WasmTensor) => void,
  parts: readonly Part[],
  x: WasmTensor,
  batch: Batch<WasmTensor>,
): WasmTensor {
  return parts.reduce((now, { run }) => {
    const next = run(now, batch);
    if (now !== x) release(now);
    return next;
  }, x);
}
