import { streamAudio } from "./stream.ts";

export type SoundSource = Uint8Array | Float32Array | AsyncIterable<Float32Array> | string;

export async function* streamSound(source: SoundSource, name = "audio"): AsyncGenerator<Float32Array> {
  if (source instanceof Float32Array) yield source;
  else if (source instanceof Uint8Array) yield* streamAudio(source, name);
  else if (typeof source !== "string") yield* source;
}
