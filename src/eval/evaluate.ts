import { LANGUAGE_ROW } from "../model/sensevoice/prompt.ts";
import type { AskedLanguage, Emotion, Engine, Language, SoundEvent, Timings } from "../node.ts";
import type { EvalClip } from "./clip.ts";
import { withoutTags } from "./normalise.ts";
import { scoreText, type TextScore } from "./score.ts";

/** What a person, or the model, says about a clip. */
export interface Heard {
  readonly text: string;
  readonly language: Language;
  readonly emotion?: Emotion;
  readonly event?: SoundEvent;
}

/** One clip's answer beside what was expected. */
export interface ClipResult extends TextScore {
  readonly key: string;
  readonly source: string;
  readonly asked: { readonly language: AskedLanguage; readonly itn: boolean };
  readonly expected: Heard;
  /** The text is the model's, its tags taken out, not normalised. */
  readonly got: Heard;
  readonly tokens: readonly number[];
  /** Seconds of sound. */
  readonly duration: number;
  /** Milliseconds that the engine took. */
  readonly timings: Timings;
  /** Milliseconds to read and decode the file, which are not in the timings. */
  readonly reading: number;
}

/** A clip without an answer. */
export interface ClipFailure {
  readonly key: string;
  readonly source: string;
  readonly error: Error;
}

export interface EvaluateOptions {
  /** Reads a sound file: mono samples at 16 kHz. */
  readonly read: (source: string) => Promise<Float32Array>;
  /** The language asked for; "manifest" asks for the one each clip has, if it can be asked for. Default "auto". */
  readonly language?: AskedLanguage | "manifest";
  /** Default true. */
  readonly normalise?: boolean;
  /** Called after each clip. */
  readonly onClip?: (done: number, failure?: ClipFailure) => void;
}

/**
 * Runs clips one after another and compares the answers with what was expected. A clip that fails is told apart and
 * does not stop the rest.
 */
export async function evaluate(
  engine: Pick<Engine, "run">,
  clips: readonly EvalClip[],
  options: EvaluateOptions,
): Promise<{ results: ClipResult[]; failures: ClipFailure[] }> {
  const results: ClipResult[] = [];
  const failures: ClipFailure[] = [];
  for (const [i, clip] of clips.entries()) {
    let failure: ClipFailure | undefined;
    try {
      results.push(await evaluateClip(engine, clip, options));
    } catch (cause) {
      const error = cause instanceof Error ? cause : new Error(String(cause));
      failure = { key: clip.key, source: clip.source, error };
      failures.push(failure);
    }
    options.onClip?.(i + 1, failure);
  }
  return { results, failures };
}

async function evaluateClip(
  engine: Pick<Engine, "run">,
  { key, source, itn, ...expected }: EvalClip,
  { read, language = "auto", normalise }: EvaluateOptions,
): Promise<ClipResult> {
  const asked = { language: language === "manifest" ? askable(expected.language) : language, itn };
  const start = performance.now();
  const pcm = await read(source);
  const reading = performance.now() - start;
  const { raw, tokens, duration, timings, ...tags } = await engine.run(pcm, asked);
  const text = withoutTags(raw);
  return {
    key,
    source,
    asked,
    expected,
    got: { text, language: tags.language, emotion: tags.emotion, event: tags.events[0] },
    ...scoreText(expected.text, text, expected.language, normalise),
    tokens,
    duration,
    timings,
    reading,
  };
}

function askable(language: Language): AskedLanguage {
  return language in LANGUAGE_ROW ? (language as AskedLanguage) : "auto";
}
