import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { quote, SenseVoiceError } from "../error.ts";
import { readTags, type Tags } from "../model/sensevoice/tags.ts";
import type { EvalClip } from "./clip.ts";
import { type JsonLine, parseJsonLines, shorten } from "./jsonLines.ts";

/**
 * Parses a manifest as SenseVoice is trained with: JSON Lines of `key`, `source`, `target`, `text_language` and, where
 * there are any, `emo_target`, `event_target`, `with_or_wo_itn`. A source is relative to the manifest's folder.
 *
 * @throws SenseVoiceError `FILE:LINE: …` if a line is no JSON, lacks a field, has a tag that is not known, repeats a
 *   key, or names a sound that is not there; `FILE: …` if there is no line
 * @see https://github.com/FunAudioLLM/SenseVoice#finetune
 */
export function parseManifest(text: string, file: string): EvalClip[] {
  const lines = parseJsonLines(text, file);
  if (lines.length === 0) throw new SenseVoiceError(`${file}: expected clips, got an empty manifest`);
  const clips = lines.map((line) => parseClip(line, dirname(file)));
  const seen = new Map<string, string>();
  for (const [i, { key }] of clips.entries()) {
    const { where } = lines[i];
    const before = seen.get(key);
    if (before) throw new SenseVoiceError(`${where}: key: ${shorten(key)} was used before, at ${before}`);
    seen.set(key, where);
  }
  return clips;
}

function parseClip({ where, value }: JsonLine, folder: string): EvalClip {
  const fail = (field: string, expected: string, got: unknown): never => {
    throw new SenseVoiceError(`${where}: ${field}: expected ${expected}, got ${quote(got)}`);
  };
  const text = (field: string): string => {
    const got = value[field];
    return typeof got === "string" ? got : fail(field, "a text", got);
  };
  /** What a field's tag says; only the tag `unknown` itself may say "unknown". */
  const tag = <T>(field: string, say: (tags: Tags) => T, example: string, unknown?: string): T => {
    const raw = text(field);
    const said = say(readTags(raw));
    return said === "unknown" && raw !== unknown ? fail(field, `a tag, ${example} say`, raw) : said;
  };
  const has = (field: string) => value[field] !== undefined;

  const source = resolve(folder, text("source"));
  if (!existsSync(source)) throw new SenseVoiceError(`${where}: source: there is no file ${source}`);
  const itn = has("with_or_wo_itn") ? text("with_or_wo_itn") : "<|woitn|>";
  if (itn !== "<|withitn|>" && itn !== "<|woitn|>") fail("with_or_wo_itn", "<|withitn|> or <|woitn|>", itn);
  return {
    key: text("key"),
    source,
    text: text("target"),
    language: tag("text_language", ({ language }) => language, "<|en|>"),
    emotion: has("emo_target")
      ? tag("emo_target", ({ emotion }) => emotion, "<|HAPPY|>", "<|EMO_UNKNOWN|>")
      : undefined,
    event: has("event_target")
      ? tag("event_target", ({ events }) => events[0] ?? "unknown", "<|Speech|>", "<|Event_UNK|>")
      : undefined,
    itn: itn === "<|withitn|>",
  };
}
