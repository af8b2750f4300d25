import type { WasmBackend } from "../kernels/wasm/backend.ts";
import type { WasmTensor } from "../kernels/wasm/device.ts";
import type { QuantKernels, SquareOnDevice } from "../kernels/wasm/quantKernels.ts";
import type { WasmWeight } from "../kernels/wasm/weight.ts";
import { type EncoderPart, SenseVoice } from "../model/sensevoice/network.ts";
import type { Prompt } from "../model/sensevoice/prompt.ts";
import type { Heard } from "./deviceLayer.ts";
import { countSizes, createSizes, type Sizes } from "./statistics.ts";

/** Rows of features to a batch of clips; a longer clip is a batch of its own. */
const BATCH_ROWS = 2048;

/** What schemes look at in a layer's inputs. */
export interface Wanted {
  readonly hessian: boolean;
  readonly sizes: boolean;
}

/** The model on the CPU's threads. */
export interface CpuModel {
  readonly backend: WasmBackend;
  readonly model: SenseVoice<WasmTensor, WasmWeight>;
}

/**
 * Runs the model once on calibration sound, part by part with all clips, and gives what each linear layer hears, in the
 * order of the network. What `calibrate` does, with kernels, and with the statistics of one part in memory at a time.
 *
 * @param wanted nothing is kept of a layer for which it is undefined
 */
export async function* hear(
  { backend, model: { config, weights } }: CpuModel,
  kernels: QuantKernels,
  clips: readonly Prompt[],
  wanted: (name: string) => Wanted | undefined,
): AsyncGenerator<[name: string, heard: Heard]> {
  const names = new Map(Array.from(weights.linears, ([name, weight]) => [weight, name]));
  let listener = new Listener(kernels);
  /** Layer norms in front come first, so that the linear layer's own input can be heard. */
  const linear: typeof backend.linear = (x, weight, { norm, ...options } = {}) => {
    const input = norm ? backend.layerNorm(x, norm) : x;
    listener.hear(input, weight);
    return backend.linear(input, weight, options);
  };
  const model = new SenseVoice({ ...backend, linear }, config, weights);
  const head: EncoderPart<WasmTensor, WasmWeight> = {
    name: "head",
    linears: [weights.head.weight],
    run: (x) => {
      listener.hear(x, weights.head.weight);
      return x;
    },
  };
  const batches = await Promise.all(inBatches(clips).map((batch) => model.embed(batch)));
  const xs = batches.map(({ x }) => x);
  try {
    for (const { linears, run } of [...model.parts(), head]) {
      listener = new Listener(kernels);
      try {
        for (const weight of linears) {
          const name = names.get(weight) ?? "";
          listener.add(name, weight, wanted(name));
        }
        for (const [i, { batch }] of batches.entries()) {
          const x = run(xs[i], batch);
          if (x !== xs[i]) backend.release(xs[i]);
          xs[i] = x;
          await listener.settle();
        }
        yield* listener.heard();
      } finally {
        listener.release();
      }
    }
  } finally {
    [...xs, ...batches.map(({ batch }) => batch.offsets)].forEach(backend.release);
  }
}

/** Gathers what the linear layers of one part of the model hear. */
class Listener {
  readonly #kernels: QuantKernels;
  readonly #layers = new Map<WasmWeight, { name: string; hessian?: SquareOnDevice; sizes?: Sizes; begun: boolean }>();
  #reads: Promise<void>[] = [];

  constructor(kernels: QuantKernels) {
    this.#kernels = kernels;
  }

  add(name: string, weight: WasmWeight, wanted: Wanted | undefined): void {
    if (!wanted) return;
    this.#layers.set(weight, {
      ...{ name, begun: false },
      ...(wanted.hessian && { hessian: this.#kernels.createSquare(weight.shape[1]) }),
      ...(wanted.sizes && { sizes: createSizes() }),
    });
  }

  hear(x: WasmTensor, weight: WasmWeight): void {
    const layer = this.#layers.get(weight);
    if (!layer) return;
    const { hessian, sizes } = layer;
    if (hessian) this.#kernels.gram(x, hessian, layer.begun);
    if (sizes) this.#reads.push(this.#kernels.device.read(x).then((values) => countSizes(sizes, values)));
    layer.begun = true;
  }

  /** Resolves once all that was heard is counted. */
  async settle(): Promise<void> {
    const reads = this.#reads;
    this.#reads = [];
    await Promise.all([...reads, this.#kernels.device.flush()]);
  }

  *heard(): Generator<[name: string, heard: Heard]> {
    for (const { name, hessian, sizes } of this.#layers.values()) {
      if (hessian) this.#kernels.mirror(hessian);
      yield [name, { hessian, sizes }];
    }
  }

  release(): void {
    for (const { hessian } of this.#layers.values()) if (hessian) this.#kernels.release(hessian);
  }
}

/** Clips that go through the model together. */
export function inBatches(clips: readonly Prompt[]): Prompt[][] {
  const batches: Prompt[][] = [];
  let rows = Number.POSITIVE_INFINITY;
  for (const clip of clips) {
    rows += clip.features.rows;
    if (rows > BATCH_ROWS) {
      batches.push([]);
      rows = clip.features.rows;
    }
    batches[batches.length - 1].push(clip);
  }
  return batches;
}
