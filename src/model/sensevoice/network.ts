import { type Backend, type Batch, type LinearWeight, type Tensor, uploadBatch } from "../../tensor/backend.ts";
import type { EncoderConfig } from "./config.ts";
import { embedPrompts, PROMPT_ROWS, type Prompt } from "./prompt.ts";
import type { Recognition, RecognizeOptions, Recognizer } from "./recognizer.ts";
import type { LayerWeights, ModelWeights } from "./weights.ts";

/** The encoder's answer for a batch: one row for each prompt row and 60 ms of each clip. Release both tensors. */
export interface Encoded<T> {
  /** f32 [R, D]. */
  readonly x: T;
  readonly batch: Batch<T>;
}

/** A part of the encoder: a layer, or the layer norm behind a stack of them. */
export interface EncoderPart<T, W> {
  readonly name: string;
  /** The weights of its linear layers. */
  readonly linears: readonly W[];
  /** Rows x [R, D] of a batch → [R, D]. */
  readonly run: (x: T, batch: Batch<T>) => T;
}

/** Gets the name and the output of each part, in FunASR's names. The tensor is released once the call has resolved. */
export type Tap<T> = (name: string, output: T) => Promise<void>;

interface EncodeOptions<T> {
  readonly signal?: AbortSignal;
  readonly tap?: Tap<T>;
  /** Records the rest of the last part, and reads it. */
  readonly finish?: (x: T) => Promise<void>;
}

/** Clips of a moment, 1, 3, 10 and 30 s, and a batch. */
const PREPARED_ROWS = [5, 20, 54, 171, 504, 2048];

/** Rows times layers that go to the device at a time. Between two parts a run can be aborted. */
const PART_ROWS = 2048;

/**
 * SenseVoiceSmall: SANM encoder (Gao et al. 2020, "SAN-M: Memory Equipped Self-Attention for End-to-End Speech
 * Recognition") and CTC head, after funasr/models/sense_voice/model.py. Shapes: R rows in all, D = outputSize.
 */
export class SenseVoice<T extends Tensor, W extends LinearWeight<T>> implements Recognizer {
  readonly backend: Backend<T, W>;
  readonly config: EncoderConfig;
  readonly weights: ModelWeights<T, W>;
  #parts: readonly EncoderPart<T, W>[] | undefined;

  constructor(backend: Backend<T, W>, config: EncoderConfig, weights: ModelWeights<T, W>) {
    this.backend = backend;
    this.config = config;
    this.weights = weights;
  }

  /** See Recognizer.recognize. */
  async recognize(prompts: readonly Prompt[], options: RecognizeOptions = {}): Promise<Recognition> {
    const { backend } = this;
    const { head } = this.weights;
    const k = options.k ?? 1;
    let best: Float32Array = new Float32Array();
    const finish = async (x: T) => {
      const answer = this.#take(backend.ctcTopK(x, head, k, options.banned));
      options.onRecorded?.();
      best = await answer;
    };
    const { x, batch } = await this.encode(prompts, { signal: options.signal, finish });
    const { lengths } = batch;
    const starts = lengths.map((_, b) => lengths.slice(0, b).reduce((sum, length) => sum + length, 0));
    return {
      clips: lengths.map((length, b) => {
        const width = 2 * k + 1;
        const top = best.subarray(starts[b] * width, (starts[b] + length) * width);
        const column = (i: number) => Float32Array.from({ length }, (_, row) => top[row * width + i]);
        const logSums = column(2 * k);
        return {
          top: top.filter((_, i) => i % width < 2 * k),
          ids: column(0),
          logProbs: column(k),
          logProbsOf: async (tokens, first, rows) => {
            const chosen = backend.upload({ dtype: "u32", shape: [tokens.length], data: tokens });
            const sums = backend.upload({ dtype: "f32", shape: [rows], data: logSums.subarray(first, first + rows) });
            try {
              return await this.#take(backend.ctcLogProbs(x, head, chosen, starts[b] + first, rows, sums));
            } finally {
              [chosen, sums].forEach(backend.release);
            }
          },
        };
      }),
      release: () => [x, batch.offsets].forEach(backend.release),
    };
  }

  /**
   * Prompts and features → the rows that the CTC head reads. Runs may overlap: each part is recorded at one go, without a
   * promise in between, so that no other run's work, nor its errors, get into it.
   */
  async encode(prompts: readonly Prompt[], { signal, tap, finish }: EncodeOptions<T> = {}): Promise<Encoded<T>> {
    const { backend } = this;
    const { batch, ...embedded } = this.#upload(await embedPrompts(prompts, this.weights.embedTable, this.config));
    let { x } = embedded;
    const parts: Promise<void>[] = [];
    let recorded = 0;
    /** Each layer's output takes the place of its input. */
    const replace = (name: string, output: T): Promise<void> | undefined => {
      backend.release(x);
      x = output;
      recorded += x.shape[0];
      return tap || recorded >= PART_ROWS ? between(name) : undefined;
    };
    const between = async (name: string) => {
      if (tap) await tap(name, x); // without one nothing may come between what is recorded and its flush
      if (recorded < PART_ROWS) return;
      recorded = 0;
      const part = backend.flush();
      part.catch(() => {}); // awaited below, or another error came first
      parts.push(part);
      if (parts.length > backend.partsAhead) await parts.shift();
      signal?.throwIfAborted();
    };
    try {
      if (tap) await tap("encoder.embed", x);
      for (const { name, run } of this.parts()) {
        const pause = replace(name, run(x, batch));
        if (pause) await pause;
      }
      await Promise.all([...parts, finish?.(x)]);
      signal?.throwIfAborted();
      return { x, batch };
    } catch (error) {
      [x, batch.offsets].forEach(backend.release);
      throw error;
    }
  }

  /** Prompts and features → the rows that the encoder's first part reads. */
  async embed(prompts: readonly Prompt[]): Promise<Encoded<T>> {
    return this.#upload(await embedPrompts(prompts, this.weights.embedTable, this.config));
  }

  /** Without a promise, since what is recorded after it must follow at one go. */
  #upload({ rows, lengths }: Awaited<ReturnType<typeof embedPrompts>>): Encoded<T> {
    return { batch: uploadBatch(this.backend, lengths), x: this.backend.upload(rows) };
  }

  /** The encoder's parts in their order. */
  parts(): readonly EncoderPart<T, W>[] {
    this.#parts ??= this.weights.stacks.flatMap(({ layers, norm }) => [
      ...layers.map((layer) => ({
        name: layer.name,
        linears: [layer.qkv, layer.out, layer.w1, layer.w2].map(({ weight }) => weight),
        run: (x: T, batch: Batch<T>) => sanmLayer(this.backend, this.config, x, layer, batch),
      })),
      { name: norm.name, linears: [], run: (x: T) => this.backend.layerNorm(x, norm) },
    ]);
    return this.#parts;
  }

  /** Makes ready what runs need: a device may choose kernels by the number of rows. */
  async prepare(): Promise<void> {
    const { inputSize } = this.config;
    await this.backend.prepare(async () => {
      for (const rows of PREPARED_ROWS.map((count) => count - PROMPT_ROWS)) {
        const features = { rows, data: new Float32Array(rows * inputSize) };
        const heard = await this.recognize([{ language: "auto", itn: false, features }]);
        await heard.clips[0].logProbsOf(Uint32Array.of(0), 0, 1);
        heard.release();
      }
    });
  }

  /** Reads a tensor and gives it back. */
  async #take(tensor: T): Promise<Float32Array> {
    try {
      return await this.backend.read(tensor);
    } finally {
      this.backend.release(tensor);
    }
  }
}

/** SANM and its feed-forward: [R, inputSize or D] → [R, D]. */
function sanmLayer<T extends Tensor, W extends LinearWeight<T>>(
  backend: Backend<T, W>,
  { attentionHeads, outputSize }: EncoderConfig,
  x: T,
  { norm1, qkv, fsmn, out, norm2, w1, w2 }: LayerWeights<T, W>,
  batch: Batch<T>,
): T {
  return backend.scope(() => {
    // [q | k | v] [R, 3D]; then attention beside the FSMN memory of v; then the feed-forward.
    const projected = backend.linear(x, qkv.weight, { norm: norm1, bias: qkv.bias });
    // The first layer widens 560 to D, so it has no residual around attention.
    const residual = x.shape[1] === outputSize ? x : undefined;
    const { attended, memory } = backend.sanm(projected, fsmn, attentionHeads, batch, residual);
    const mid = backend.linear(attended, out.weight, { bias: out.bias, residual: memory });
    const hidden = backend.linear(mid, w1.weight, { norm: norm2, bias: w1.bias, relu: true });
    return backend.linear(hidden, w2.weight, { bias: w2.bias, residual: mid });
  });
}

/** Makes ready what one layer needs: its kernels are compiled while the weights of others come. */
export function prepareLayer<T extends Tensor, W extends LinearWeight<T>>(
  backend: Backend<T, W>,
  config: EncoderConfig,
  layer: LayerWeights<T, W>,
): Promise<void> {
  const width = layer.qkv.weight.shape[1];
  return backend.prepare(() => {
    for (const rows of PREPARED_ROWS) {
      const x = backend.upload({ dtype: "f32", shape: [rows, width], data: new Float32Array(rows * width) });
      const batch = uploadBatch(backend, [rows]);
      const y = sanmLayer(backend, config, x, layer, batch);
      [x, y, batch.offsets].forEach(backend.release);
    }
  });
}
