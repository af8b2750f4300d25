import type { Emotion, SoundEvent } from "../model/sensevoice/tags.ts";
import type { Segment } from "../speech/segment.ts";

/** How emotions and sound events are shown: emoji, words in the segment's language (`[laughter]`, `[笑声]`), not at all. */
export const MARKS = ["emoji", "words", "none"] as const;
export type Marks = (typeof MARKS)[number];

type Shown = Exclude<Emotion | SoundEvent, "neutral" | "unknown" | "speech">;

/** English, Chinese, Japanese, Korean; Cantonese takes the Chinese words. */
const WORDS: Record<Shown, readonly [en: string, zh: string, ja: string, ko: string]> = {
  happy: ["happy", "开心", "喜び", "기쁨"],
  sad: ["sad", "伤心", "悲しみ", "슬픔"],
  angry: ["angry", "愤怒", "怒り", "분노"],
  fearful: ["fearful", "害怕", "恐れ", "두려움"],
  disgusted: ["disgusted", "厌恶", "嫌悪", "혐오"],
  surprised: ["surprised", "惊讶", "驚き", "놀람"],
  bgm: ["music", "音乐", "音楽", "음악"],
  laughter: ["laughter", "笑声", "笑い声", "웃음"],
  applause: ["applause", "掌声", "拍手", "박수"],
  cry: ["crying", "哭声", "泣き声", "울음"],
  sneeze: ["sneeze", "喷嚏", "くしゃみ", "재채기"],
  breath: ["breath", "呼吸声", "息の音", "숨소리"],
  cough: ["cough", "咳嗽", "咳", "기침"],
  sing: ["singing", "歌声", "歌声", "노래"],
};
const COLUMN: Readonly<Record<string, number>> = { zh: 1, yue: 1, ja: 2, ko: 3 };

/** The emoji that `richText` writes; the model's vocabulary has none. */
const EMOJI = /[😊😔😡😰🤢😮🎼👏😀😭🤧😷❓]/gu;

/** A mark in words, in a text. It is shown and not spoken. */
export const WORD_MARK = new RegExp(
  `\\[(?:${Object.values(WORDS).flat().join("|")})\\]`, // letters only: nothing to escape
  "gu",
);

/**
 * A segment's text with its marks: as it is for emoji; else without emoji, and for words with its events in front and its
 * emotion behind.
 * @param language of the words, where the segment has none (`nospeech`: music, applause)
 */
export function shownText(segment: Segment, marks: Marks, language = "en"): string {
  if (marks === "emoji") return segment.text;
  const text = segment.text.replace(EMOJI, "");
  if (marks === "none") return text;
  const spoken = isSpoken(segment) ? segment.language : language;
  const word = (mark: Emotion | SoundEvent): string[] =>
    mark in WORDS ? [`[${WORDS[mark as Shown][COLUMN[spoken] ?? 0]}]`] : [];
  const space = ["zh", "yue", "ja"].includes(spoken) ? "" : " ";
  return [...segment.events.flatMap(word), ...(text === "" ? [] : [text]), ...word(segment.emotion)].join(space);
}

/** Whether the segment names a language. */
export function isSpoken({ language }: Segment): boolean {
  return language !== "nospeech" && language !== "unknown";
}
