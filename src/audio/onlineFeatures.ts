import type { FrontendConfig } from "../model/sensevoice/config.ts";
import { type Cmvn, normaliseRow } from "./cmvn.ts";
import { openFbank } from "./fastFbank.ts";
import { frameSizes } from "./fbank.ts";

/** Feature rows, and the level of the frame that each row is about. */
export interface OnlineRows {
  /** [rows, lfrM·mels] */
  readonly features: Float32Array;
  /** 10·log10(Σ x² + 1e-6) over a frame's samples: [rows]. */
  readonly decibels: Float64Array;
}

/**
 * Features of sound that comes in pieces, a row for each frame (lfrN is 1): the rows of `fbank`, `lfr` and CMVN on the
 * whole sound, each as soon as the frames that stand in it are known. Sound shorter than a frame has none.
 *
 * @see WavFrontendOnline in FunASR's wav_frontend.py, with dither off
 */
export class OnlineFeatures {
  readonly #config: FrontendConfig;
  readonly #cmvn: Cmvn;
  /** Samples from the start of the next frame on. */
  #samples = new Float32Array();
  /** Frames that rows to come may still need, from the frame `#first` on, side by side. */
  #frames = new Float32Array();
  #first = 0;
  /** Levels of the frames from `#row` on. */
  #levels: number[] = [];
  /** The next row. */
  #row = 0;

  constructor(config: FrontendConfig, cmvn: Cmvn) {
    this.#config = config;
    this.#cmvn = cmvn;
  }

  /** Takes samples in [-1, 1], however they are cut. Wait for its end before the next call. */
  async push(pcm: Float32Array): Promise<OnlineRows> {
    await this.#addFrames(pcm);
    const { lfrM } = this.#config;
    return this.#rows(this.#frameCount - (lfrM - 1 - Math.floor((lfrM - 1) / 2)));
  }

  /** The rest: frames beyond the end repeat the last one. */
  finish(): OnlineRows {
    return this.#rows(this.#frameCount);
  }

  get #frameCount(): number {
    return this.#first + this.#frames.length / this.#config.mels;
  }

  async #addFrames(pcm: Float32Array): Promise<void> {
    const fbank = await openFbank(this.#config);
    const { window, shift } = frameSizes(this.#config);
    const samples = joined(this.#samples, pcm);
    const count = samples.length < window ? 0 : 1 + Math.floor((samples.length - window) / shift);
    this.#samples = samples.slice(count * shift);
    if (count === 0) return;
    this.#frames = joined(this.#frames, fbank(samples.subarray(0, (count - 1) * shift + window)));
    for (let t = 0; t < count; t++) {
      let energy = 0;
      for (let i = t * shift; i < t * shift + window; i++) energy += samples[i] * samples[i];
      this.#levels.push(10 * Math.log10(energy + 1e-6));
    }
  }

  /** The rows up to `end`. */
  #rows(end: number): OnlineRows {
    const { mels, lfrM } = this.#config;
    const width = mels * lfrM;
    const before = Math.floor((lfrM - 1) / 2);
    const count = Math.max(0, end - this.#row);
    const features = new Float32Array(count * width);
    const last = this.#frameCount - 1;
    for (let row = 0; row < count; row++) {
      for (let j = 0; j < lfrM; j++) {
        const frame = Math.min(Math.max(this.#row + row - before + j, 0), last) - this.#first;
        features.set(this.#frames.subarray(frame * mels, (frame + 1) * mels), (row * lfrM + j) * mels);
      }
      normaliseRow(features, row * width, this.#cmvn);
    }
    this.#row += count;
    const first = Math.min(Math.max(this.#row - before, this.#first), last + 1);
    this.#frames = this.#frames.slice((first - this.#first) * mels);
    this.#first = first;
    return { features, decibels: Float64Array.from(this.#levels.splice(0, count)) };
  }
}

function joined(a: Float32Array, b: Float32Array): Float32Array<ArrayBuffer> {
  const out = new Float32Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
}
