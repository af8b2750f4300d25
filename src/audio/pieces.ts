import { SenseVoiceError } from "../error.ts";
import { typeName } from "./pcm.ts";

/** What comes piece by piece. A piece is used up before the next is asked for, so its array may be filled anew. */
export type Pieces<T> = Iterable<T> | AsyncIterable<T> | ReadableStream<T>;

/** Sound: the bytes of a sound file, mono samples at 16 kHz in [-1, 1], or a stream of either. */
export type SoundSource = Uint8Array | ArrayBuffer | Blob | Float32Array | Pieces<Uint8Array> | Pieces<Float32Array>;

/** A sound, or where it is: a path or a `file:` URL in Node, an address in a browser. */
export type SoundInput = SoundSource | string | URL;

/** One way to go through whatever comes piece by piece. */
export async function* piecesOf(source: SoundSource, name: string): AsyncGenerator<unknown> {
  const type = typeName(source);
  const stream: unknown = isBlob(source) ? source.stream() : source;
  const isStream = typeof stream === "object" && stream !== null && !ArrayBuffer.isView(stream);
  if (type === "Float32Array") {
    yield stream;
  } else if (isStream && (Symbol.asyncIterator in stream || Symbol.iterator in stream)) {
    yield* stream as AsyncIterable<unknown>;
  } else if (isStream && "getReader" in stream) {
    // Not every browser goes through a ReadableStream with `for await`.
    const reader = (stream as ReadableStream<unknown>).getReader();
    try {
      for (let step = await reader.read(); !step.done; step = await reader.read()) yield step.value;
    } finally {
      await reader.cancel();
    }
  } else {
    throw new SenseVoiceError(`${name}: expected bytes, samples, or a stream of either, got ${type}`);
  }
}

export function isBlob(source: SoundSource): source is Blob {
  return ["Blob", "File"].includes(typeName(source));
}
