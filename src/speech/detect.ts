import { SAMPLE_RATE } from "../audio/pcm.ts";
import type { Span } from "./merge.ts";
import type { VoiceActivity } from "./voiceActivity.ts";

/** The stretches of speech of a recording, each as soon as it is known whole. */
export async function* detectSpeech(sound: AsyncIterable<Float32Array>, activity: VoiceActivity): AsyncGenerator<Span> {
  let [samples, begun] = [0, -1];
  const spans = (events: Awaited<ReturnType<VoiceActivity["push"]>>): Span[] =>
    events.flatMap(([start, end]) => {
      begun = start < 0 ? begun : start;
      if (end < 0) return [];
      const span: Span = [begun, end];
      begun = -1;
      return [span];
    });
  try {
    for await (const pcm of sound) {
      samples += pcm.length;
      yield* spans(await activity.push(pcm));
    }
    yield* spans(await activity.finish());
    if (begun >= 0) yield [begun, Math.floor((samples * 1000) / SAMPLE_RATE)];
  } finally {
    activity.close();
  }
}
