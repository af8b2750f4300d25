import { join, sep } from "node:path";
import { SenseVoiceError } from "../error.ts";
import type { EvalClip } from "./clip.ts";
import { shorten } from "./jsonLines.ts";
import { readText } from "./text.ts";

/**
 * Clips of TIMIT: `DIALECT/SPEAKER/SENTENCE.TXT` with a line `BEGIN END TEXT` (samples, then what is said) beside
 * `SENTENCE.WAV`, a NIST SPHERE file. Names may be in capitals or not. Texts without a sound (TIMIT's documents) are
 * passed over. English, with punctuation and capitals, numbers in words.
 *
 * @param files of the folder, relative to it
 * @returns no clips if there is no text with a sound beside it; keys are paths, for speakers share sentences
 * @throws SenseVoiceError if a text is not one such line
 * @see https://catalog.ldc.upenn.edu/docs/LDC93S1/
 */
export async function readTimit(dir: string, files: readonly string[]): Promise<EvalClip[]> {
  const stem = (file: string) => file.replace(/\.\w+$/, "");
  const sounds = new Map(
    files.filter((file) => /\.(wav|sph)$/i.test(file)).map((file) => [stem(file).toLowerCase(), file]),
  );
  const clips: EvalClip[] = [];
  for (const file of files.filter((name) => /\.txt$/i.test(name))) {
    const sound = sounds.get(stem(file).toLowerCase());
    if (!sound) continue;
    const text = (await readText(join(dir, file))).trim();
    const [, said] = /^\d+\s+\d+\s+(\S.*)$/.exec(text) ?? [];
    if (said === undefined) {
      throw new SenseVoiceError(`${join(dir, file)}:1: expected one line BEGIN END TEXT, got ${shorten(text)}`);
    }
    const key = stem(file).split(sep).join("/");
    clips.push({ key, source: join(dir, sound), text: said, language: "en", itn: false });
  }
  return clips;
}
