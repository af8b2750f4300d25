import { SAMPLE_RATE } from "../audio/pcm.ts";
import type { SpeakerModel } from "../model/campplus/network.ts";
import type { Clip } from "../speech/cut.ts";
import type { Segment } from "../speech/segment.ts";
import type { SpeakerOptions, SpokenTurn } from "../speech/speakerOptions.ts";
import { attribute, type Part } from "./attribute.ts";
import { Diarizer, type Stretch } from "./diarizer.ts";
import { checkPeople, labelsOf } from "./known.ts";
import type { Turn } from "./turn.ts";
import { funasrSpeaker } from "./turns.ts";

const SAMPLES = SAMPLE_RATE / 1000;

/** What is asked of a recording whose speakers are told apart. */
export interface RecordingOptions extends SpeakerOptions {
  /** Whether segments keep their words; they need them here. */
  readonly timestamps?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * The segments of a recording, each with who says it. Who speaks is known once all of it was heard: so they come at its end.
 * Where the source or the device fails, what was heard before comes first. Returns the turns, words or none.
 *
 * @param transcribe begins the recording; calls back with each clip, and hears it with word times
 */
export async function* withSpeakers(
  model: SpeakerModel,
  transcribe: (onClip: (clip: Clip) => Promise<void>) => AsyncGenerator<Segment>,
  { speakers, speakerMode, people, timestamps = false, signal }: RecordingOptions,
): AsyncGenerator<Segment, SpokenTurn[]> {
  checkPeople(people, model.config.embeddingSize);
  const funasr = speakerMode === "funasr";
  const diarizer = new Diarizer((windows) => model.embed(windows, signal), {
    mode: speakerMode,
    speakers: typeof speakers === "number" ? speakers : undefined,
  });
  const follow = async (clip: Clip) => {
    for (const stretch of funasr ? [wholeOf(clip)] : stretchesOf(clip)) await diarizer.add(stretch);
  };
  const segments: Segment[] = [];
  let failure: { readonly error: unknown } | undefined;
  try {
    for await (const segment of transcribe(follow)) segments.push(segment);
  } catch (error) {
    failure = { error };
  }
  if (failure && signal?.aborted) throw failure.error;
  const { turns, centres } = await diarizer.finish();
  const labels = labelsOf(centres, people);
  for (const segment of segments) {
    const parts = funasr ? [sentence(segment, turns)] : attribute(segment, turns);
    for (const { speaker, segment } of parts) yield labelled(segment, labels[speaker ?? -1], timestamps);
  }
  if (failure) throw failure.error;
  return turns.map((turn) => ({ ...turn, speaker: labels[turn.speaker] }));
}

function wholeOf({ start, pcm }: Clip): Stretch {
  return { startMs: start, pcm };
}

/** The stretches of speech of a clip, with their sound. */
export function stretchesOf({ start, pcm, speech }: Clip): Stretch[] {
  return speech.map(([from, to]) => ({
    startMs: from,
    pcm: pcm.subarray((from - start) * SAMPLES, (to - start) * SAMPLES),
  }));
}

/** A segment as FunASR gives it to one speaker. */
function sentence(segment: Segment, turns: readonly Turn[]): Part {
  const speaker =
    turns.length > 0 ? funasrSpeaker({ start: segment.start * 1000, end: segment.end * 1000 }, turns) : null;
  return { speaker, segment };
}

/** A segment and its words, if they were asked for, with who says it. */
export function labelled(segment: Segment, speaker: string | undefined, timestamps: boolean): Segment {
  const words = timestamps ? segment.words : null;
  if (speaker === undefined) return { ...segment, words };
  return { ...segment, speaker, words: words?.map((word) => ({ ...word, speaker })) ?? null };
}
