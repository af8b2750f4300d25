import { dirname, join } from "node:path";
import { SenseVoiceError } from "../error.ts";
import type { EvalClip } from "./clip.ts";
import { shorten } from "./jsonLines.ts";
import { readText } from "./text.ts";

const TRANSCRIPTS = /\.trans\.txt$/;

export function isLibriSpeech(files: readonly string[]): boolean {
  return files.some((file) => TRANSCRIPTS.test(file));
}

/**
 * Clips of LibriSpeech: `SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt` has a line `KEY TEXT` for each `KEY.flac` beside
 * it. English, in capitals, without punctuation.
 *
 * @param files of the folder, relative to it
 * @throws SenseVoiceError `FILE:LINE: …` for a line that is something else, or has no sound
 * @see https://www.openslr.org/12
 */
export async function readLibriSpeech(dir: string, files: readonly string[]): Promise<EvalClip[]> {
  const present = new Set(files);
  const clips: EvalClip[] = [];
  for (const file of files.filter((name) => TRANSCRIPTS.test(name))) {
    const lines = (await readText(join(dir, file))).split("\n");
    for (const [i, line] of lines.entries()) {
      if (line.trim() === "") continue;
      const where = `${join(dir, file)}:${i + 1}`;
      const [, key, text] = /^(\S+)\s+(\S.*)$/.exec(line.trim()) ?? [];
      if (key === undefined) throw new SenseVoiceError(`${where}: expected KEY TEXT, got ${shorten(line)}`);
      const source = join(dirname(file), `${key}.flac`);
      if (!present.has(source)) throw new SenseVoiceError(`${where}: there is no file ${join(dir, source)}`);
      clips.push({ key, source: join(dir, source), text, language: "en", itn: false });
    }
  }
  return clips;
}
