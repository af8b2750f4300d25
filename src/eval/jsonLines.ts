import { SenseVoiceError } from "../error.ts";
import { isObject, parseJson } from "../weights/fields.ts";

/** One object of a JSON Lines file. */
export interface JsonLine {
  /** FILE:LINE, to begin an error with. */
  readonly where: string;
  readonly value: Readonly<Record<string, unknown>>;
}

/**
 * Parses JSON Lines: an object to a line; empty lines are passed over.
 *
 * @throws SenseVoiceError `FILE:LINE: …` for a line that is something else
 */
export function parseJsonLines(text: string, file: string): JsonLine[] {
  return text
    .replace(/^\ufeff/, "")
    .split("\n")
    .map((line, i) => ({ where: `${file}:${i + 1}`, line: line.trim() }))
    .filter(({ line }) => line !== "")
    .map(({ where, line }) => ({ where, value: parseObject(line, where) }));
}

function parseObject(line: string, where: string): Readonly<Record<string, unknown>> {
  const value = parseJson(line);
  if (isObject(value)) return value;
  throw new SenseVoiceError(`${where}: expected a JSON object, got ${shorten(line)}`);
}

/** The beginning of what was found, in one line of printable characters. */
export function shorten(text: string): string {
  const clean = text.replace(/\p{C}/gu, "\ufffd");
  return clean.length > 40 ? `${clean.slice(0, 40)}…` : clean;
}
