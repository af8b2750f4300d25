import { createPause } from "../../pause.ts";
import type { HostTensor } from "../../tensor/host.ts";
import type { EncoderConfig } from "./config.ts";
import { positionsOf } from "./positions.ts";

/** The languages that can be asked for, and the rows of `embed.weight` that ask for them. */
export const LANGUAGE_ROW = { auto: 0, zh: 3, en: 4, yue: 7, ja: 11, ko: 12, nospeech: 13 } as const;
export type AskedLanguage = keyof typeof LANGUAGE_ROW;

/** Those of them that people speak. */
export const SPOKEN_LANGUAGES = ["zh", "en", "yue", "ja", "ko"] as const satisfies readonly AskedLanguage[];
export type SpokenLanguage = (typeof SPOKEN_LANGUAGES)[number];

/** Rows of `embed.weight` that ask for the event and the emotion. */
const EVENT_EMOTION_ROWS = [1, 2];
const TEXTNORM_ROW = { withitn: 14, woitn: 15 };

/** Features of one clip and what is asked about it. */
export interface Prompt {
  readonly features: { readonly rows: number; readonly data: Float32Array };
  readonly language: AskedLanguage;
  /** Inverse text normalisation: digits, capitals and punctuation. */
  readonly itn: boolean;
}

/** Rows in front of the features: language, event, emotion, text norm. */
export const PROMPT_ROWS = 4;

/**
 * The encoder's input: for each clip its four prompt rows and its features, times √outputSize, plus positions; the
 * clips' rows one after another. Positions count from 1 in each clip. The event loop gets its turns meanwhile.
 *
 * @param table `embed.weight` [16, inputSize]
 * @returns rows [R, inputSize] and the number of rows of each clip, features + 4
 */
export async function embedPrompts(
  prompts: readonly Prompt[],
  table: Float32Array,
  { inputSize: width, outputSize }: Pick<EncoderConfig, "inputSize" | "outputSize">,
): Promise<{ rows: HostTensor; lengths: number[] }> {
  const lengths = prompts.map(({ features }) => features.rows + PROMPT_ROWS);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const x = new Float32Array(total * width);
  const scale = Math.fround(Math.sqrt(outputSize));
  const positions = positionsOf(width);
  const pause = createPause();
  let start = 0;
  for (const { features, language, itn } of prompts) {
    const asked = [LANGUAGE_ROW[language], ...EVENT_EMOTION_ROWS, TEXTNORM_ROW[itn ? "withitn" : "woitn"]];
    asked.forEach((row, i) => {
      x.set(table.subarray(row * width, (row + 1) * width), start + i * width);
    });
    x.set(features.data, start + PROMPT_ROWS * width);
    for (let position = 1; position <= features.rows + PROMPT_ROWS; position++, start += width) {
      const added = positions(position);
      for (let i = 0; i < width; i++) x[start + i] = Math.fround(x[start + i] * scale) + added[i];
      await pause();
    }
  }
  return { rows: { dtype: "f32", shape: [total, width], data: x }, lengths };
}
