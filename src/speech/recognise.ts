import { SenseVoiceError } from "../error.ts";
import { confidenceOf, greedy } from "../model/sensevoice/ctc.ts";
import { type AskedLanguage, LANGUAGE_ROW, type Prompt, type SpokenLanguage } from "../model/sensevoice/prompt.ts";
import type { Heard, Recognition, Recognizer } from "../model/sensevoice/recognizer.ts";
import { richText } from "../model/sensevoice/richText.ts";
import { readTags } from "../model/sensevoice/tags.ts";
import type { Tokenizer } from "../model/sensevoice/tokenizer.ts";
import { tokenLogProbs } from "../model/sensevoice/tokenLogProbs.ts";
import { alignWords } from "../model/sensevoice/words.ts";
import { checkChoice } from "../options.ts";
import { HOTWORD_K, type Hotword, hotwordGraph, withHotwords } from "./hotwords.ts";
import { askAgain, checkLanguages } from "./languages.ts";
import { punctuate } from "./punctuation.ts";
import type { Utterance } from "./transcribe.ts";

/** What can be asked about a clip. */
export interface RecogniseOptions {
  /** The language spoken; `"auto"` (the default) lets the model tell. */
  readonly language?: AskedLanguage;
  /** Lets the model tell, but only among these (and that nobody speaks). In place of `language`. */
  readonly languages?: readonly SpokenLanguage[];
  /** Inverse text normalisation: punctuation, capitals, figures. Default false. */
  readonly itn?: boolean;
  /**
   * Punctuation and capitals without the rest of `itn`: numbers stay as they were spoken. Every clip is heard twice, as
   * it is spoken and as it is written. Not beside `itn`. Default false.
   */
  readonly punctuation?: boolean;
  /** Words and phrases that are likely to be said, such as names: heard rather than what sounds like them. */
  readonly hotwords?: readonly Hotword[];
  /** Word times. Default false. */
  readonly timestamps?: boolean;
  /**
   * Each token of the text with its log-probability. With `punctuation` they are those of what was spoken: marks and
   * capitals that were put in have none. Default false.
   */
  readonly logProbs?: boolean;
  /** Forbids the answer `<|EMO_UNKNOWN|>` (FunASR's ban_emo_unk). Default false. */
  readonly banUnknownEmotion?: boolean;
}

/** How a run goes on. */
interface Progress {
  readonly signal?: AbortSignal;
  /** See RecognizeOptions. */
  readonly onRecorded?: () => void;
}

/** A loaded model and its vocabulary. */
interface Parts {
  readonly model: Recognizer;
  readonly tokenizer: Tokenizer;
}

/** Throws a SenseVoiceError for options that are not as they should be. */
export function checkRecognition(options: RecogniseOptions, tokenizer: Tokenizer): void {
  checkChoice("language", options.language, [undefined, ...Object.keys(LANGUAGE_ROW)]);
  checkLanguages(options);
  if (options.itn && options.punctuation) {
    throw new SenseVoiceError(
      "[engine] punctuation: expected no itn beside it, which has its own and rewrites numbers",
    );
  }
  hotwordGraph(options.hotwords, tokenizer);
}

/**
 * From features to what was said: the model hears all clips in one batch, then each answer is decoded.
 *
 * @returns also the milliseconds that the model took
 */
export async function recognise(
  clips: readonly Prompt["features"][],
  { model, tokenizer }: Parts,
  options: RecogniseOptions & Progress,
): Promise<{ utterances: Utterance[]; encodeMs: number }> {
  const { language = "auto", languages, itn = false, punctuation, banUnknownEmotion = false } = options;
  const { signal, onRecorded } = options;
  const graph = hotwordGraph(options.hotwords, tokenizer);
  const k = graph && Math.min(HOTWORD_K, tokenizer.size - 1);
  const banned = banUnknownEmotion ? tokenizer.tags.get("EMO_UNKNOWN") : undefined;
  const tagIds = new Set(tokenizer.tags.values());
  const isTag = (token: number) => tagIds.has(token);
  const recognitions: Recognition[] = [];
  const keep = (recognition: Recognition): readonly Heard[] => {
    recognitions.push(recognition);
    return recognition.clips;
  };
  try {
    const start = performance.now();
    const asked = punctuation ? [false, true] : [itn];
    const prompts = asked.flatMap((itn) => clips.map((features): Prompt => ({ language, itn, features })));
    let heard = keep(await model.recognize(prompts, { banned, k, signal, onRecorded }));
    if (languages) {
      const hear = async (again: readonly Prompt[]) => keep(await model.recognize(again, { banned, k, signal }));
      heard = await askAgain(languages, { prompts, heard, hear, tags: tokenizer.tags });
    }
    const encodeMs = performance.now() - start;
    const utterances: Utterance[] = [];
    for (const i of clips.keys()) {
      const decode = async (heard: Heard) => {
        const spoken = graph ? await withHotwords(heard, graph) : greedy(heard);
        return { ...spoken, raw: tokenizer.decode(spoken.tokens) };
      };
      const said = await decode(heard[i]);
      utterances.push({
        ...textOf(punctuation ? await punctuated(said.raw, (await decode(heard[clips.length + i])).raw) : said.raw),
        tokens: said.tokens,
        words: options.timestamps ? await alignWords(tokenizer, heard[i], said.raw) : null,
        confidence: confidenceOf(said, isTag),
        ...(options.logProbs && { logProbs: tokenLogProbs(said, tokenizer, isTag) }),
      });
      signal?.throwIfAborted();
    }
    return { utterances, encodeMs };
  } finally {
    for (const recognition of recognitions) recognition.release();
  }
}

function textOf(raw: string) {
  return { text: richText(raw), raw, ...readTags(raw) };
}

const LEADING_TAGS = /^(?:<\|\w+\|>)*/;

/** A raw text with the punctuation of another. */
async function punctuated(spoken: string, written: string): Promise<string> {
  const [tags] = LEADING_TAGS.exec(spoken) ?? [""];
  const text = await punctuate(spoken.slice(tags.length), written.replace(LEADING_TAGS, ""));
  return tags + text.replaceAll("The.", "the."); // "The." is what richText takes for a hallucination
}
