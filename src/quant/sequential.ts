import type { SenseVoice } from "../model/sensevoice/network.ts";
import type { Prompt } from "../model/sensevoice/prompt.ts";
import type { LayerWeights, LinearLayer } from "../model/sensevoice/weights.ts";
import type { Batch, LinearWeight, Tensor } from "../tensor/backend.ts";
import type { HostTensor } from "../tensor/host.ts";
import type { QuantizedTensor, Weight } from "../tensor/quantized.ts";
import { inBatches } from "./hear.ts";
import { Moments } from "./moments.ts";
import { type Quantize, quantizeRefitted } from "./refit.ts";

/** The same place in two models: in the exact one, and in the one whose layers before it are in few bits. */
interface Pair<T> {
  readonly exact: T;
  readonly few: T;
}

type Pairs<T> = readonly Pair<T>[];
/** Puts the weight of this name into few bits by what it hears. */
export type QuantizeNamed = (name: string, ...what: Parameters<Quantize>) => ReturnType<Quantize>;
/** Weights and biases as they are ready; at the end, what the layer hands on. */
type Steps<T> = AsyncGenerator<[name: string, tensor: Weight], Pair<T>[]>;

/**
 * Quantises the linear layers of a model one after another, each for the inputs that it will get from the layers before
 * it, which are in few bits already, so that it also makes up for their errors: see refit.
 *
 * It keeps two runs of the model side by side, a batch of clips a tensor. Frantar et al. 2023 ("GPTQ") take a layer's
 * inputs from the quantised layers before it, Li et al. 2025 ("GPTAQ") the outputs it should have from the exact model.
 *
 * @returns each layer's weight, then its bias
 */
export async function* quantizeSequentially<T extends Tensor, W extends LinearWeight<T>>(
  model: SenseVoice<T, W>,
  clips: readonly Prompt[],
  quantize: QuantizeNamed,
): AsyncGenerator<[name: string, tensor: Weight]> {
  const { stacks, head } = model.weights;
  const runs = new TwoRuns(model, quantize);
  try {
    let x: Pair<T>[] = [];
    for (const prompts of inBatches(clips)) x.push(await runs.begin(prompts));
    for (const { layers, norm } of stacks) {
      for (const layer of layers) {
        x = yield* runs.layer(layer, x);
        runs.release(x);
      }
      x = runs.both(x, (part) => model.backend.layerNorm(part, norm));
      runs.release(x);
    }
    yield* runs.quantized(head, x);
  } finally {
    runs.release();
  }
}

class TwoRuns<T extends Tensor, W extends LinearWeight<T>> {
  readonly #model: SenseVoice<T, W>;
  readonly #quantize: QuantizeNamed;
  readonly #names: ReadonlyMap<W, string>;
  readonly #batches: Batch<T>[] = [];
  readonly #made = new Set<T>();

  constructor(model: SenseVoice<T, W>, quantize: QuantizeNamed) {
    this.#model = model;
    this.#quantize = quantize;
    this.#names = new Map(Array.from(model.weights.linears, ([name, weight]) => [weight, name]));
  }

  /** A batch of clips. */
  async begin(prompts: readonly Prompt[]): Promise<Pair<T>> {
    const { x, batch } = await this.#model.embed(prompts);
    this.#batches.push(batch);
    this.#keep(x);
    return { exact: x, few: x };
  }

  /** The same step in both runs; `i` is the batch. */
  both(pairs: Pairs<T>, step: (part: T, i: number, run: keyof Pair<T>) => T): Pair<T>[] {
    return pairs.map(({ exact, few }, i) => ({
      exact: this.#keep(step(exact, i, "exact")),
      few: this.#keep(step(few, i, "few")),
    }));
  }

  /** Gives back all that was made, but for `stay`; without it, the batches too. */
  release(stay?: Pairs<T>): void {
    const { backend } = this.#model;
    const wanted = new Set(stay?.flatMap(({ exact, few }) => [exact, few]));
    for (const tensor of this.#made) {
      if (wanted.has(tensor)) continue;
      this.#made.delete(tensor);
      backend.release(tensor);
    }
    if (!stay) for (const { offsets } of this.#batches.splice(0)) backend.release(offsets);
  }

  /** One SANM layer: SenseVoice.encode has the same steps. */
  async *layer({ norm1, qkv, fsmn, out, norm2, w1, w2 }: LayerWeights<T, W>, x: Pairs<T>): Steps<T> {
    const { backend, config } = this.#model;
    const first = x[0].exact.shape[1] !== config.outputSize;
    const normed = this.both(x, (part) => backend.layerNorm(part, norm1));
    const projected = yield* this.linear(qkv, normed);
    this.release([...x, ...projected]);
    const memory: Pair<T>[] = [];
    const attended = this.both(projected, (part, i, run) => {
      const sanm = backend.sanm(part, fsmn, config.attentionHeads, this.#batches[i], first ? undefined : x[i][run]);
      memory[i] = { ...memory[i], [run]: this.#keep(sanm.memory) };
      return sanm.attended;
    });
    this.release([...attended, ...memory]);
    const mid = yield* this.linear(out, attended, { residual: memory });
    this.release(mid);
    const middle = this.both(mid, (part) => backend.layerNorm(part, norm2));
    const hidden = yield* this.linear(w1, middle, { relu: true });
    this.release([...mid, ...hidden]);
    return yield* this.linear(w2, hidden, { residual: mid });
  }

  /** Quantises a layer, and takes both runs through it. */
  async *linear(
    layer: LinearLayer<T, W>,
    x: Pairs<T>,
    { relu, residual }: { readonly relu?: boolean; readonly residual?: Pairs<T> } = {},
  ): Steps<T> {
    const { backend } = this.#model;
    const few = yield* this.quantized(layer, x, residual);
    const own = { weight: backend.uploadLinear(few.weight), bias: backend.upload(few.bias) };
    const next = this.both(x, (part, i, run) => {
      const { weight, bias } = run === "exact" ? layer : own;
      return backend.linear(part, weight, { bias, relu, residual: residual?.[i][run] });
    });
    backend.release(own.weight);
    backend.release(own.bias);
    return next;
  }

  /** Quantises a layer that gets x. */
  async *quantized(
    layer: LinearLayer<T, W>,
    x: Pairs<T>,
    residual?: Pairs<T>,
  ): AsyncGenerator<[name: string, tensor: Weight], { weight: QuantizedTensor; bias: HostTensor }> {
    const { backend } = this.#model;
    const name = this.#names.get(layer.weight) ?? "";
    const moments = new Moments(backend, layer.weight.shape);
    for (const [i, { exact, few }] of x.entries()) {
      const wanted = backend.linear(exact, layer.weight, { bias: layer.bias, residual: residual?.[i].exact });
      const got = backend.linear(few, layer.weight, { bias: layer.bias, residual: residual?.[i].few });
      await moments.add(few, wanted, got).finally(() => [wanted, got].forEach(backend.release));
    }
    const exact = { weight: await this.#read(layer.weight), bias: await backend.read(layer.bias) };
    const refitted = await quantizeRefitted(exact, moments, (...what) => this.#quantize(name, ...what));
    yield [name, refitted.weight];
    const bias: HostTensor = { dtype: "f32", shape: [refitted.bias.length], data: refitted.bias };
    yield [biasOf(name), bias];
    return { weight: refitted.weight, bias };
  }

  /** A weight [n, k] on the host: the layer's answers to unit vectors are its columns. */
  async #read(weight: W): Promise<Float32Array> {
    const { backend } = this.#model;
    const [n, k] = weight.shape;
    const data = new Float32Array(k * k);
    for (let i = 0; i < k; i++) data[i * k + i] = 1;
    const units = backend.upload({ dtype: "f32", shape: [k, k], data });
    const answers = backend.linear(units, weight);
    const columns = await backend.read(answers).finally(() => [units, answers].forEach(backend.release));
    return Float32Array.from({ length: n * k }, (_, at) => columns[(at % k) * n + Math.floor(at / k)]);
  }

  #keep(tensor: T): T {
    this.#made.add(tensor);
    return tensor;
  }
}

/** The name of the bias beside a weight. */
export function biasOf(weight: string): string {
  return weight.replace(/weight$/, "bias");
}
