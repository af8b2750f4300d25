import type { Engine, Transcript, Word } from "../node.ts";

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
  return `[${clock(start)} --> ${clock(end)}] ${word}`;
}

/** Minutes, seconds and milliseconds: `00:01.470`. */
export function clock(seconds: number): string {
  const total = Math.round(seconds * 1000);
  const minutes = Math.floor(total / 60_000);
  const pad = (value: number, digits: number) => String(value).padStart(digits, "0");
  return `${pad(minutes, 2)}:${pad(Math.floor(total / 1000) % 60, 2)}.${pad(total % 1000, 3)}`;
}
