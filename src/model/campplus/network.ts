import { SenseVoiceError } from "../../error.ts";
import { createPause } from "../../pause.ts";
import {
  type Backend,
  type ConvolveOptions,
  convolvedGrid,
  type Grid,
  type LinearWeight,
  type Tensor,
} from "../../tensor/backend.ts";
import { SEGMENT, type SpeakerConfig } from "./config.ts";
import type { CampplusWeights, ConvolutionLayer, DenseBlock, DenseLayer, ResidualBlock } from "./weights.ts";

/** A loaded speaker model on any device. */
export interface SpeakerModel {
  readonly config: SpeakerConfig;
  /**
   * The embedding of each chunk (mono, 16 kHz, 720 samples or more), computed for each alone: [embeddingSize] each, not
   * normalised. Of fewer samples FunASR makes NaN: there are not two frames to have a deviation.
   *
   * @throws SenseVoiceError if a chunk is too short or has NaN or ∞ in it, or the device fails
   */
  embed(chunks: readonly Float32Array[], signal?: AbortSignal): Promise<Float32Array[]>;
  release(): void;
}

/** Gets the name and the output of each part, in FunASR's names; of a layer of a dense block all of the block's columns. */
export type Tap<T> = (name: string, output: T) => void;

/** Frames of a chunk of 1.5 s: what `clipsTogether` is meant for. */
const CHUNK_FRAMES = 148;
/** Fewer do not leave two rows behind the stride of 2. */
const LEAST_FRAMES = 3;

/**
 * CAM++ (Wang et al. 2023, "CAM++: A Fast and Efficient Network for Speaker Verification Using Context-Aware Masking"), after
 * funasr/models/campplus: a head of 2-d convolutions, dense blocks whose layers are masked by their context, statistics over
 * time. B clips, T frames of M mels each, T' = ⌈T/2⌉.
 */
export class Campplus<T extends Tensor, W extends LinearWeight<T>> implements SpeakerModel {
  readonly backend: Backend<T, W>;
  readonly config: SpeakerConfig;
  readonly weights: CampplusWeights<T, W>;
  readonly #features: (pcm: Float32Array) => Float32Array;

  /** @param features makes the feature rows [T, mels] of a clip */
  constructor(
    backend: Backend<T, W>,
    config: SpeakerConfig,
    weights: CampplusWeights<T, W>,
    features: (pcm: Float32Array) => Float32Array,
  ) {
    this.backend = backend;
    this.config = config;
    this.weights = weights;
    this.#features = features;
  }

  async embed(chunks: readonly Float32Array[], signal?: AbortSignal): Promise<Float32Array[]> {
    const { embeddingSize } = this.config;
    const pause = createPause();
    const out: Float32Array[] = [];
    let computing: Promise<void> = Promise.resolve();
    for (const batch of this.#batches(chunks)) {
      const features: Float32Array[] = [];
      for (const i of batch) {
        features.push(this.#features(chunks[i]));
        await pause();
      }
      signal?.throwIfAborted();
      const before = computing;
      computing = this.#run(features).then((embeddings) => {
        for (const [at, i] of batch.entries()) out[i] = embeddings.slice(at * embeddingSize, (at + 1) * embeddingSize);
      });
      computing.catch(() => {}); // awaited below, or another error came first
      await before; // one batch is computed while the features of the next are made
    }
    await computing;
    signal?.throwIfAborted();
    return out;
  }

  /** Chunks of equal length, which are computed together: their indices. */
  #batches(chunks: readonly Float32Array[]): number[][] {
    const byLength = new Map<number, number[]>();
    for (const [i, { length }] of chunks.entries()) {
      const indices = byLength.get(length);
      if (indices) indices.push(i);
      else byLength.set(length, [i]);
    }
    return [...byLength].flatMap(([samples, indices]) => {
      const frames = Math.max(1, Math.floor((samples - 240) / 160));
      const size = Math.max(1, Math.floor((this.backend.clipsTogether * CHUNK_FRAMES) / frames));
      const count = Math.ceil(indices.length / size);
      return Array.from({ length: count }, (_, b) => indices.slice(b * size, (b + 1) * size));
    });
  }

  /** Features of clips of equal length → their embeddings, one after another. Recorded at one go. */
  async #run(features: readonly Float32Array[]): Promise<Float32Array> {
    const embeddings = this.backend.inParts(features.length, (first, count) => {
      return this.record(features.slice(first, first + count));
    });
    try {
      return await this.backend.read(embeddings);
    } finally {
      this.backend.release(embeddings);
    }
  }

  /** The whole network: features [T, M] of each of B clips → [B, embeddingSize]. */
  record(features: readonly Float32Array[], tap?: Tap<T>): T {
    const { backend, weights } = this;
    const { mels } = this.config;
    const clips = features.length;
    const frames = features[0].length / mels;
    if (frames < LEAST_FRAMES) {
      throw new SenseVoiceError(
        `[speaker] chunk: expected ${LEAST_FRAMES} frames or more (720 samples), got ${frames}`,
      );
    }
    const data = new Float32Array(clips * frames * mels);
    for (const [b, rows] of features.entries()) data.set(rows, b * frames * mels);
    return backend.scope(() => {
      let x = backend.upload({ dtype: "f32", shape: [clips * frames * mels, 1], data });
      /** Each part's output takes the place of its input. */
      const then = (name: string, part: (x: T) => T) => {
        const y = backend.scope(() => part(x));
        backend.release(x);
        x = y;
        tap?.(name, x);
      };
      // The head: a place for each mel of each frame, 32 channels; mels are halved three times.
      const { head, tdnn, blocks, dense } = weights;
      let grid: Grid = { clips, height: frames, width: mels };
      then("head.conv1", (x) => convolve(backend, x, head.conv1, grid, { relu: true }));
      for (const block of head.blocks) {
        then(block.name, (x) => residualBlock(backend, x, block, grid));
        grid = convolvedGrid(block.conv1.convolution, grid);
      }
      then("head", (x) => convolve(backend, x, head.conv2, grid, { relu: true }));

      // Over time alone: a frame's mels and channels are its columns.
      grid = { clips, height: 1, width: frames };
      then("xvector.tdnn", (x) => convolve(backend, x, tdnn, grid, { relu: true }));
      grid = convolvedGrid(tdnn.convolution, grid);
      for (const block of blocks) {
        const { name, norm, transit } = block;
        then(name, (x) => denseBlock(backend, x, block, grid, tap));
        const relu = transit.bias !== undefined; // the last one's norm and ReLU are behind it
        then(name.replace("block", "transit"), (x) => {
          return backend.linear(x, transit.weight, { rectify: norm, bias: transit.bias, relu });
        });
      }
      then("xvector.stats", (x) => backend.statistics(x, clips));
      then("xvector.dense", (x) => backend.linear(x, dense.weight, { bias: dense.bias }));
      return x;
    });
  }

  release(): void {
    this.weights.release();
  }
}

function convolve<T extends Tensor, W extends LinearWeight<T>>(
  backend: Backend<T, W>,
  x: T,
  { weight, bias, convolution }: ConvolutionLayer<T, W>,
  grid: Grid,
  options: ConvolveOptions<T> = {},
): T {
  return backend.convolve(x, weight, convolution, grid, { bias, ...options });
}

/** ReLU(conv2(ReLU(conv1(x))) + shortcut(x)) over mels and time. */
function residualBlock<T extends Tensor, W extends LinearWeight<T>>(
  backend: Backend<T, W>,
  x: T,
  { conv1, conv2, shortcut }: ResidualBlock<T, W>,
  grid: Grid,
): T {
  const h = convolve(backend, x, conv1, grid, { relu: true });
  const residual = shortcut ? convolve(backend, x, shortcut, grid) : x;
  return convolve(backend, h, conv2, convolvedGrid(conv1.convolution, grid), { residual, relu: true });
}

/** x [B·T', from] and what each layer makes of all columns in front of its own: [B·T', to]. */
function denseBlock<T extends Tensor, W extends LinearWeight<T>>(
  backend: Backend<T, W>,
  x: T,
  { layers, from, to }: DenseBlock<T, W>,
  grid: Grid,
  tap?: Tap<T>,
): T {
  const wide = backend.widen(x, to);
  const growth = (to - from) / layers.length;
  for (const [i, layer] of layers.entries()) {
    backend.scope(() => denseLayer(backend, wide, from + i * growth, layer, grid, tap));
    tap?.(layer.name, wide);
  }
  return wide;
}

/** A densely connected TDNN layer with its context-aware mask: writes its columns of `wide`. */
function denseLayer<T extends Tensor, W extends LinearWeight<T>>(
  backend: Backend<T, W>,
  wide: T,
  column: number,
  { name, norm, linear, local, context: [squeeze, excite] }: DenseLayer<T, W>,
  grid: Grid,
  tap?: Tap<T>,
): T {
  const h = backend.linear(wide, linear.weight, { rectify: norm, bias: linear.bias, relu: true });
  tap?.(`${name}.nonlinear2`, h);
  const y = backend.convolve(h, local.weight, local.convolution, grid);
  tap?.(`${name}.cam_layer.linear_local`, y);
  const context = backend.context(h, grid.clips, SEGMENT);
  const squeezed = backend.linear(context, squeeze.weight, { bias: squeeze.bias, relu: true });
  const mask = backend.linear(squeezed, excite.weight, { bias: excite.bias });
  return backend.gate(wide, column, y, mask, grid.clips, SEGMENT);
}
