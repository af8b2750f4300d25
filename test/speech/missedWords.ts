import { readFileSync } from "node:fs";
import { countEdits } from "../../src/eval/align.ts";
import { type Engine, type Hotword, type RunOptions, readAudio } from "../../src/node.ts";

const path = (name: string) => new URL(`../eval/${name}`, import.meta.url).pathname;
const readLines = <T>(name: string) =>
  readFileSync(path(name), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as T);

/** What is said in the 200 clips. */
const truths = readLines<{ target: string }>("manifest.jsonl");

interface Answer {
  readonly key: string;
  readonly use_itn: boolean;
  readonly language: RunOptions["language"];
  readonly tokens: readonly number[];
  readonly text: string;
}
/** What FunASR hears in them. */
export const funasr = readLines<Answer>("funasr.jsonl");

/**
 * All words that FunASR's text of a clip has fewer times than the true one: from three letters or two characters on,
 * without figures. Words as Intl.Segmenter finds them.
 */
export const MISSED: readonly string[] = [
  ..."drive seoul five play for thirty jones fly berlin will sunny temperature chicago eight four".split(" "),
  ..."nine two sixteen how are twenty 八十八 부산".split(" "),
];

export function readClips(): Promise<Float32Array[]> {
  return Promise.all(funasr.map(({ key }) => readAudio(path(`${key}.flac`))));
}

/** How often a text has a word: in Latin letters as a whole word. */
function countOf(text: string, word: string): number {
  const lower = text.toLowerCase();
  if (!/^[a-z]+$/.test(word)) return lower.split(word).length - 1;
  return lower.split(/[^a-z']+/).filter((found) => found === word).length;
}

export interface Counts {
  /** Places where FunASR's text misses one of the words, and those of them where it is heard now. */
  missed: number;
  found: number;
  /** In clips in which none of the words is said: tokens, and how many are other ones now. */
  tokens: number;
  changed: number;
  /** Characters that differ from what is said, in all clips, before and now. */
  wrongBefore: number;
  wrong: number;
}

/** Hears the clips with MISSED as hotwords: the counts of clips 0 to 99, and of the others. */
export async function measure(engine: Engine, clips: readonly Float32Array[], boost?: number): Promise<Counts[]> {
  const none = { missed: 0, found: 0, tokens: 0, changed: 0, wrongBefore: 0, wrong: 0 };
  const halves: Counts[] = [{ ...none }, { ...none }];
  const hotwords = MISSED.map((text): Hotword => ({ text, boost }));
  for (const [i, { target }] of truths.entries()) {
    const counts = halves[i < 100 ? 0 : 1];
    const { language, use_itn: itn, tokens, text } = funasr[i];
    const after = await engine.run(clips[i], { language, itn, hotwords });
    for (const word of MISSED) {
      const [said, heard, now] = [target, text, after.text].map((where) => countOf(where, word));
      counts.missed += Math.max(said - heard, 0);
      counts.found += Math.max(said - heard, 0) - Math.max(said - now, 0);
    }
    counts.wrongBefore += edits([...target], [...withoutEmoji(text)]);
    counts.wrong += edits([...target], [...withoutEmoji(after.text)]);
    if (MISSED.some((word) => countOf(target, word) > 0)) continue;
    counts.tokens += tokens.length;
    counts.changed += edits(tokens, after.tokens);
  }
  return halves;
}

function edits<T>(before: readonly T[], after: readonly T[]): number {
  const { substitutions, deletions, insertions } = countEdits(before, after);
  return substitutions + deletions + insertions;
}

function withoutEmoji(text: string): string {
  return text.replace(/\p{Extended_Pictographic}/gu, "");
}
