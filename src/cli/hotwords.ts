import { readFile } from "node:fs/promises";
import { reasonOf, SenseVoiceError } from "../error.ts";
import type { Hotword } from "../speech/hotwords.ts";

/** Those of `--hotwords` and those of `--hotwords-file`; undefined if neither was given. */
export async function readHotwords(list?: readonly Hotword[], file?: string): Promise<Hotword[] | undefined> {
  if (file === undefined) return list?.slice();
  const text = await readFile(file, "utf8").catch((error) => {
    throw new SenseVoiceError(`[hotwords] ${file}: ${reasonOf(error)}`, { cause: error });
  });
  const lines = text.replace(/^\ufeff/, "").split(/\r\n|\r|\n/);
  return [...(list ?? []), ...lines.flatMap((line, i) => hotwordOf(line, `[hotwords] ${file}: line ${i + 1}`))];
}

/** A word, and a boost behind a tab if it has one of its own; an empty line is passed over. */
function hotwordOf(line: string, where: string): Hotword[] {
  const [text, boost, ...more] = line.split("\t").map((field) => field.trim());
  if (text === "" && boost === undefined) return [];
  if (text === "" || more.length > 0) throw new SenseVoiceError(`${where}: expected a word, or word, tab, boost`);
  if (boost === undefined || boost === "") return [text];
  if (Number(boost) > 0) return [{ text, boost: Number(boost) }];
  throw new SenseVoiceError(`${where}: expected a boost above 0, got ${JSON.stringify(boost)}`);
}
