import { SenseVoiceError } from "../error.ts";
import { createPause } from "../pause.ts";
import { decodeAudio, type Fallback } from "./decode.ts";
import type { ByteStream } from "./input.ts";
import { checkFinite, concat, type DecodedAudio, SAMPLE_RATE } from "./pcm.ts";
import { createResampler, type Resampler } from "./resample.ts";

/** Rates that sound is recorded at, with room to spare; a damaged header may claim any. */
const MIN_RATE = 1_000;
const MAX_RATE = 768_000;
/** Samples that are resampled at a time. */
const SLICE = 8192;

/**
 * A sound file as the model wants it, piece by piece: decoded, mixed down to the mean of its channels, resampled.
 * Memory does not grow with the sound, and the event loop gets its turns. Runs in Node and in browsers.
 *
 * @param file what a sound file contains, or a stream of it, which is closed at the end
 * @param name what to call it in messages
 * @param fallback reads what `decodeAudio` does not
 * @returns mono samples in [-1, 1] at 16 kHz
 * @throws SenseVoiceError that begins with the name, if it is no sound, is damaged or has no samples, if a sample is
 *   not finite or the rate beyond belief; and as soon as it is known to last longer than `maxSeconds`
 */
export function streamAudio(
  file: Uint8Array | ByteStream,
  name = "audio",
  fallback?: Fallback,
  maxSeconds?: number,
): AsyncGenerator<Float32Array> {
  return streamDecoded(decodeAudio(file, name, fallback), name, maxSeconds);
}

/** The same for sound that is decoded. */
export async function* streamDecoded(
  sounds: AsyncIterable<DecodedAudio>,
  name: string,
  maxSeconds = Number.POSITIVE_INFINITY,
): AsyncGenerator<Float32Array> {
  const pause = createPause();
  let resampler: Resampler | undefined;
  let rate: number | undefined;
  let [heard, made] = [0, 0];
  const limit = (seconds: number) => {
    if (seconds <= maxSeconds) return;
    const expected = `expected at most ${maxSeconds} seconds of sound, got ${Math.ceil(seconds)} or more`;
    throw new SenseVoiceError(`${name}: ${expected}: cut it into shorter files first`);
  };
  for await (const { channels, sampleRate, total } of sounds) {
    if (sampleRate !== rate) {
      if (resampler) yield resampler(); // a chained file, whose next sound has another rate
      resampler = resamplerOf(sampleRate, name);
      rate = sampleRate;
    }
    if (total) limit(total / sampleRate);
    const mono = mixDown(channels);
    checkFinite(mono, name, heard);
    heard += mono.length;
    for (let at = 0; at < mono.length; at += SLICE) {
      const pcm = resampler!(mono.subarray(at, at + SLICE));
      made += pcm.length;
      limit(made / SAMPLE_RATE);
      yield pcm;
      await pause();
    }
  }
  if (!resampler) throw new SenseVoiceError(`${name}: expected sound, got 0 samples`);
  yield resampler();
}

/** All pieces as one. */
export async function joinAudio(pieces: AsyncIterable<Float32Array>): Promise<Float32Array> {
  const parts: Float32Array[] = [];
  for await (const piece of pieces) parts.push(piece);
  return concat(parts, createPause());
}

/** The mean of the channels. To save memory it is written over the first. */
function mixDown(channels: readonly Float32Array[]): Float32Array {
  const [mono, ...others] = channels;
  if (others.length === 0) return mono;
  for (let i = 0; i < mono.length; i++) {
    let sum = mono[i];
    for (const channel of others) sum += channel[i];
    mono[i] = sum / channels.length;
  }
  return mono;
}

function resamplerOf(rate: number, name: string): Resampler {
  if (!(rate >= MIN_RATE && rate <= MAX_RATE)) {
    const expected = `expected a sample rate of ${MIN_RATE} to ${MAX_RATE} Hz`;
    throw new SenseVoiceError(`${name}: ${expected}, got ${rate}`);
  }
  // A rate with a fraction, as old AIFF have it, becomes a ratio of whole numbers: right to 1 part in 2 million.
  const scale = Number.isInteger(rate) ? 1 : 1024;
  return createResampler(Math.round(rate * scale), SAMPLE_RATE * scale);
}
