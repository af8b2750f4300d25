import { readFileSync } from "node:fs";
import { InvalidArgumentError } from "commander";
import { oneLine, reasonOf } from "../error.ts";
import type { Hotword } from "../speech/hotwords.ts";

/** The words of a file, one a line; a boost may follow a tab. Empty lines are passed over. */
export function readHotwords(file: string): Hotword[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new InvalidArgumentError(oneLine(reasonOf(error)));
  }
  const lines = text.replace(/^\ufeff/, "").split(/\r\n|\r|\n/);
  return lines.flatMap((line, i) => (line.trim() === "" ? [] : [hotwordOf(line, `line ${i + 1}`)]));
}

function hotwordOf(line: string, where: string): Hotword {
  const [text, boost, ...more] = line.split("\t").map((field) => field.trim());
  if (text === "" || more.length > 0) throw new InvalidArgumentError(`${where}: expected a word, or word, tab, boost`);
  if (boost === undefined || boost === "") return text;
  if (Number(boost) > 0) return { text, boost: Number(boost) };
  throw new InvalidArgumentError(oneLine(`${where}: expected a boost above 0, got ${JSON.stringify(boost)}`));
}
