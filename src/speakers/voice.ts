import { SenseVoiceError } from "../error.ts";
import type { SpeakerModel } from "../model/campplus/network.ts";
import type { Clip } from "../speech/cut.ts";
import { everyHalf, windowOf } from "./chunks.ts";
import { stretchesOf } from "./recording.ts";
import { addTo, unit } from "./vectors.ts";

/**
 * The embedding of the one voice in a sound: the mean direction of those of its windows, at length 1.
 *
 * @throws SenseVoiceError if nobody speaks there
 */
export async function voiceOf(
  model: SpeakerModel,
  clips: AsyncIterable<Clip>,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const sum = new Float64Array(model.config.embeddingSize);
  let windows = 0;
  for await (const clip of clips) {
    for (const { pcm, startMs } of stretchesOf(clip)) {
      const chunks = everyHalf(pcm.length, startMs).map((chunk) => windowOf(pcm, chunk));
      for (const embedding of await model.embed(chunks, signal)) addTo(sum, unit(embedding));
      windows += chunks.length;
    }
  }
  if (windows === 0) throw new SenseVoiceError("[speakers] voice: expected a sound in which somebody speaks, got none");
  return Float32Array.from(unit(sum));
}
