import { SAMPLE_RATE } from "../audio/pcm.ts";
import { untilAborted } from "../pause.ts";
import type { Span } from "./merge.ts";
import type { SpeechEvent, VoiceActivity } from "./voiceActivity.ts";

/** The stretches of speech of a recording, each as soon as it is known whole. */
export async function* detectSpeech(
  sound: AsyncGenerator<Float32Array>,
  activity: VoiceActivity,
  signal?: AbortSignal,
): AsyncGenerator<Span> {
  let [samples, begun] = [0, -1];
  let work: Promise<SpeechEvent[]> = Promise.resolve([]);
  const spans = async (found: Promise<SpeechEvent[]>): Promise<Span[]> => {
    work = found;
    return (await untilAborted(found, signal)).flatMap(([start, end]) => {
      begun = start < 0 ? begun : start;
      if (end < 0) return [];
      const span: Span = [begun, end];
      begun = -1;
      return [span];
    });
  };
  try {
    for (;;) {
      const { value, done } = await untilAborted(sound.next(), signal);
      if (done) break;
      samples += value.length;
      yield* await spans(activity.push(value));
    }
    yield* await spans(activity.finish());
    if (begun >= 0) yield [begun, Math.floor((samples * 1000) / SAMPLE_RATE)];
  } finally {
    // Neither is waited for: a source may hang.
    work.then(activity.close.bind(activity), activity.close.bind(activity));
    sound.return(undefined).catch(() => {});
  }
}
