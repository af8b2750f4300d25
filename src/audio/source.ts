import { SenseVoiceError } from "../error.ts";
import type { Fallback } from "./decode.ts";
import { type ByteStream, checkPiece } from "./input.ts";
import { type DecodedAudio, isTypedArray, SAMPLE_RATE, typeName } from "./pcm.ts";
import { isBlob, piecesOf, type SoundSource } from "./pieces.ts";
import { streamAudio, streamDecoded } from "./stream.ts";

/** Samples that are taken at a time. */
const SLICE = 8192;

/**
 * Any sound as the model wants it, piece by piece, in memory that does not grow with it. The first piece of a stream
 * tells whether it is of bytes or of samples. Runs in Node and in browsers.
 *
 * @param source a stream is closed at its end, and when no more is wanted
 * @param name what to call it in messages
 * @param fallback reads what `decodeAudio` does not
 * @returns mono samples in [-1, 1] at 16 kHz, in arrays of their own
 * @throws SenseVoiceError that begins with the name, if it is nothing of this, if the pieces of a stream are not all of
 *   one kind, and as `streamAudio` does; and what a stream throws
 */
export async function* streamSound(
  source: SoundSource,
  name = "audio",
  fallback?: Fallback,
  maxSeconds?: number,
): AsyncGenerator<Float32Array> {
  const bytes = typeName(source) === "ArrayBuffer" ? new Uint8Array(source as ArrayBuffer) : source;
  if (isTypedArray(bytes, "Uint8Array")) return yield* streamAudio(bytes as Uint8Array, name, fallback, maxSeconds);
  const pieces = piecesOf(source, name);
  const first = await pieces.next();
  const begin = [first];
  const all = {
    next: async () => begin.pop() ?? pieces.next(),
    return: () => pieces.return(undefined),
    [Symbol.asyncIterator]: () => all,
    size: isBlob(source) ? source.size : undefined,
  };
  if (isTypedArray(first.value, "Float32Array")) {
    yield* streamDecoded(samplesOf(all, name), name, maxSeconds);
  } else if (first.done || isTypedArray(first.value, "Uint8Array")) {
    yield* streamAudio(all as ByteStream, name, fallback, maxSeconds);
  } else {
    await all.return();
    throw new SenseVoiceError(
      `${name}: expected a stream of Uint8Array or of Float32Array, got one of ${typeName(first.value)}`,
    );
  }
}

/** Samples in pieces that do not take long, and that are not the source's own. */
async function* samplesOf(pieces: AsyncIterable<unknown>, name: string): AsyncGenerator<DecodedAudio> {
  for await (const piece of pieces) {
    checkPiece(piece, "Float32Array", name);
    const samples = piece as Float32Array;
    for (let at = 0; at < samples.length; at += SLICE) {
      yield { channels: [new Float32Array(samples.subarray(at, at + SLICE))], sampleRate: SAMPLE_RATE };
    }
  }
}
