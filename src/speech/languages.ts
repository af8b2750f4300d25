import { SenseVoiceError } from "../error.ts";
import { type AskedLanguage, type Prompt, SPOKEN_LANGUAGES, type SpokenLanguage } from "../model/sensevoice/prompt.ts";
import type { Heard } from "../model/sensevoice/recognizer.ts";
import { show } from "../options.ts";

/** Throws a SenseVoiceError unless `languages` is absent, or a list of languages and no single one is asked for. */
export function checkLanguages({ language, languages }: { language?: AskedLanguage; languages?: unknown }): void {
  if (languages === undefined) return;
  const list = `[engine] languages: expected a list of some of ${SPOKEN_LANGUAGES.join(", ")}, got `;
  if (!Array.isArray(languages)) throw new SenseVoiceError(list + show(languages));
  if (languages.length === 0) throw new SenseVoiceError(`${list}none`);
  for (const name of languages) if (!SPOKEN_LANGUAGES.includes(name)) throw new SenseVoiceError(list + show(name));
  if (language !== undefined && language !== "auto") {
    throw new SenseVoiceError(`[engine] languages: expected no language beside it, got ${show(language)}`);
  }
}

interface Named {
  readonly name: SpokenLanguage;
  readonly tag: number;
}

interface Answers {
  /** What was asked, and what was heard. */
  readonly prompts: readonly Prompt[];
  readonly heard: readonly Heard[];
  /** Asks the model again. */
  readonly hear: (prompts: readonly Prompt[]) => Promise<readonly Heard[]>;
  /** Ids of the tags. */
  readonly tags: ReadonlyMap<string, number>;
}

/**
 * Answers in these languages only. Row 0 of an answer names the language. Where that is neither one of the list nor
 * nospeech, the model is asked again, for the one of highest probability in the list: argmax ln softmax(logits)[0, tag].
 * So the text is heard in that language; if the tag still says another, it is replaced.
 */
export async function askAgain(
  languages: readonly SpokenLanguage[],
  { prompts, heard, hear, tags }: Answers,
): Promise<readonly Heard[]> {
  const allowed = languages.map((name): Named => ({ name, tag: tags.get(name) ?? missing(name) }));
  const accepted = [tags.get("nospeech"), ...allowed.map(({ tag }) => tag)];
  const tagIds = Uint32Array.from(allowed, ({ tag }) => tag);
  const wrong = heard.flatMap(({ ids }, clip) => (accepted.includes(ids[0]) ? [] : [clip]));
  if (wrong.length === 0) return heard;
  const chosen: Named[] = [];
  for (const clip of wrong) {
    const logProbs = await heard[clip].logProbsOf(tagIds, 0, 1);
    chosen.push(allowed[logProbs.indexOf(Math.max(...logProbs))]);
  }
  const answers = await hear(wrong.map((clip, i) => ({ ...prompts[clip], language: chosen[i].name })));
  const result = [...heard];
  for (const [i, answer] of answers.entries()) {
    result[wrong[i]] = accepted.includes(answer.ids[0]) ? answer : await named(answer, chosen[i].tag);
  }
  return result;
}

/** The same answer, but for the language that it names. */
async function named(heard: Heard, tag: number): Promise<Heard> {
  const [ids, logProbs] = [heard.ids.slice(), heard.logProbs.slice()];
  ids[0] = tag;
  [logProbs[0]] = await heard.logProbsOf(Uint32Array.of(tag), 0, 1);
  return { ...heard, ids, logProbs };
}

function missing(name: string): never {
  throw new SenseVoiceError(`[engine] languages: the model has no tag <|${name}|>`);
}
