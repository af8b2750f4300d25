import { checkFinite, SAMPLE_RATE } from "../audio/pcm.ts";
import { createResampler } from "../audio/resample.ts";
import { SenseVoiceError } from "../error.ts";
import { createPause } from "../pause.ts";
import { HttpError } from "./httpError.ts";

export const ENCODINGS = ["s16le", "f32le"] as const;

/** Samples without a header: signed 16-bit integers or 32-bit floats, little-endian, channels in turn. */
export interface RawFormat {
  readonly encoding: (typeof ENCODINGS)[number];
  /** Samples a second of each channel. */
  readonly rate: number;
  readonly channels: number;
}

/** Bytes that are converted at a time. */
const SLICE = 2 ** 16;

/** Less is not passed on before there is more, so that whoever sends a sample at a time fills no list with them. */
const LEAST_SECONDS = 0.02;

/** Makes mono samples at 16 kHz of raw ones, as they come. */
export class RawSound {
  readonly #format: RawFormat;
  readonly #sink: (pcm: Float32Array) => void | Promise<void>;
  #resample;
  /** What is too little to go on, or the beginning of a frame whose other bytes have not come. */
  #rest = Buffer.alloc(0);

  /** @param sink takes the samples; the next come once it is done */
  constructor(format: RawFormat, sink: (pcm: Float32Array) => void | Promise<void>) {
    this.#format = format;
    this.#sink = sink;
    this.#resample = createResampler(format.rate, SAMPLE_RATE);
  }

  /** @throws HttpError 400 for samples that are not finite, and what the sink throws */
  async write(bytes: Buffer): Promise<void> {
    const pause = createPause();
    for (let at = 0; at < bytes.length; at += SLICE) {
      const mono = this.#mono(bytes.subarray(at, at + SLICE), LEAST_SECONDS * this.#format.rate);
      if (mono.length > 0) await this.#sink(this.#resample(mono));
      await pause();
    }
  }

  /** The sound is over; what is written from now on is another. */
  async end(): Promise<void> {
    const resample = this.#resample;
    const mono = this.#mono(Buffer.alloc(0), 0);
    this.#resample = createResampler(this.#format.rate, SAMPLE_RATE);
    this.#rest = Buffer.alloc(0);
    for (const last of [resample(mono), resample()]) if (last.length > 0) await this.#sink(last);
  }

  /** The mean of the channels; nothing of less than so many frames. */
  #mono(bytes: Buffer, least: number): Float32Array {
    const { encoding, channels } = this.#format;
    const size = encoding === "s16le" ? 2 : 4;
    const all = Buffer.concat([this.#rest, bytes]);
    const frames = Math.floor(all.length / (size * channels));
    const mono = new Float32Array(frames < least ? 0 : frames);
    this.#rest = all.subarray(mono.length * size * channels);
    const read = (at: number) => (encoding === "s16le" ? all.readInt16LE(at) / 32_768 : all.readFloatLE(at));
    for (let i = 0; i < mono.length; i++) {
      let sum = 0;
      for (let c = 0; c < channels; c++) sum += read((i * channels + c) * size);
      mono[i] = sum / channels;
    }
    try {
      checkFinite(mono, "sound");
    } catch (error) {
      if (!(error instanceof SenseVoiceError)) throw error;
      throw new HttpError(400, error.message, { code: "invalid_payload" });
    }
    return mono;
  }
}
