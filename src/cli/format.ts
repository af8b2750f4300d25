import type { Engine, Transcript, Word } from "../node.ts";
import { shortClock } from "../output/clock.ts";

/** A transcript and what made it as one line of JSON, under the names of the library's Transcript and Engine. */
export function jsonLine(file: string, transcript: Transcript, engine: Engine): string {
  const { duration, text, raw, tokens, language, emotion, events, words, timings } = transcript;
  const said = { file, duration, text, raw, tokens, language, emotion, events, words };
  const by = { model: engine.config.name, device: engine.device, weights: engine.weights };
  return `${JSON.stringify({ ...said, ...by, timings })}\n`;
}

/** The text in a line, `FILE: ` in front if a file is given, then a line for each word that has times. */
export function textLines({ text, words }: Transcript, file?: string): string {
  const lines = [file === undefined ? text : `${file}: ${text}`, ...(words ?? []).map(wordLine)];
  return lines.map((line) => `${line}\n`).join("");
}

/** `[00:01.470 --> 00:01.590] word`, as Whisper and WebVTT write times. */
function wordLine({ word, start, end }: Word): string {
  return `[${shortClock(start)} --> ${shortClock(end)}] ${word}`;
}
