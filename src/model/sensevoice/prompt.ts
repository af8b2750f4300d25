import type { HostTensor } from "../../tensor/host.ts";

/** The languages that can be asked for, and the rows of `embed.weight` that ask for them. */
export const LANGUAGE_ROW = { auto: 0, zh: 3, en: 4, yue: 7, ja: 11, ko: 12, nospeech: 13 } as const;
export type AskedLanguage = keyof typeof LANGUAGE_ROW;

/** Rows of `embed.weight` that ask for the event and the emotion. */
const EVENT_EMOTION_ROWS = [1, 2];
const TEXTNORM_ROW = { withitn: 14, woitn: 15 };

/** Features of one clip and what is asked about it. */
export interface Query {
  readonly features: { readonly rows: number; readonly data: Float32Array };
  readonly language: AskedLanguage;
  /** Inverse text normalisation: digits, capitals and punctuation. */
  readonly itn: boolean;
}

/**
 * The encoder's input: for each clip four query rows (language, event, emotion, text norm) and its features, times
 * √D, plus positions; the clips' rows one after another.
 *
 * Positions count from 1 in each clip: row p gets [sin(p·w) | cos(p·w)], wᵢ = exp(−i·ln(10000)/(depth/2 − 1)).
 * Source: SinusoidalPositionEncoder in funasr/models/sense_voice/model.py; steps are rounded to f32 as there.
 *
 * @param table `embed.weight` [16, depth]
 * @returns rows [R, depth] and the number of rows of each clip, features + 4
 */
export function embed(
  queries: readonly Query[],
  table: Float32Array,
  depth: number,
  outputSize: number,
): { rows: HostTensor; lengths: number[] } {
  const lengths = queries.map(({ features }) => features.rows + 4);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const x = new Float32Array(total * depth);
  const scale = Math.fround(Math.sqrt(outputSize));
  const half = depth / 2;
  const step = Math.fround(Math.fround(Math.log(10000)) / (half - 1));
  const frequencies = Float32Array.from({ length: half }, (_, i) => Math.exp(Math.fround(-i * step)));
  let start = 0;
  for (const { features, language, itn } of queries) {
    const asked = [LANGUAGE_ROW[language], ...EVENT_EMOTION_ROWS, TEXTNORM_ROW[itn ? "withitn" : "woitn"]];
    asked.forEach((row, i) => {
      x.set(table.subarray(row * depth, (row + 1) * depth), start + i * depth);
    });
    x.set(features.data, start + 4 * depth);
    for (let position = 1; position <= features.rows + 4; position++, start += depth) {
      for (let i = 0; i < half; i++) {
        const angle = Math.fround(position * frequencies[i]);
        x[start + i] = Math.fround(x[start + i] * scale) + Math.sin(angle);
        x[start + half + i] = Math.fround(x[start + half + i] * scale) + Math.cos(angle);
      }
    }
  }
  return { rows: { dtype: "f32", shape: [total, depth], data: x }, lengths };
}
