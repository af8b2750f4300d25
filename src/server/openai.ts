import { deflateSync } from "node:zlib";
import type { FormatName } from "../output/format.ts";
import { FORMATS } from "../output/formats.ts";
import { summarise } from "../output/summary.ts";
import type { Segment } from "../speech/segment.ts";
import { diarizer, peopleOf } from "./diarized.ts";
import { HttpError } from "./httpError.ts";
import { type Ask, hotwordsOf, type OpenaiAsk, voiceSettings } from "./schemas.ts";
import type { Segments, Total } from "./transcriber.ts";

// OpenAI's transcriptions in our terms. Source: OpenAI's API reference, "Create transcription".

/** The answer to a request: its type and its parts, as they come. */
export interface Answer {
  readonly type: string;
  readonly body: AsyncGenerator<string>;
}

/**
 * What OpenAI's fields ask of a recording.
 *
 * @throws HttpError 400 for fields that do not go together
 */
export function askOf(fields: OpenaiAsk, itn: boolean): Ask {
  const { language, prompt, response_format: format, include, chunking_strategy: chunking, stream } = fields;
  const { timestamp_granularities: granularities } = fields;
  if (include && format !== "json") throw mismatch("include", "response_format json", format);
  if (granularities && format !== "verbose_json") {
    throw mismatch("timestamp_granularities", "response_format verbose_json", format);
  }
  if (stream && !["json", "text", "diarized_json"].includes(format)) {
    throw mismatch("stream", "response_format json", format);
  }
  const people = peopleOf(fields);
  const diarized = format === "diarized_json";
  if (people && !diarized) throw mismatch("known_speaker_names", "response_format diarized_json", format);
  return {
    language,
    itn: itn || undefined,
    hotwords: hotwordsOf(prompt),
    timestamps: granularities?.includes("word") || format === "srt" || format === "vtt" || undefined,
    logProbs: include ? true : undefined,
    ...(diarized && { speakers: true, people }),
    ...(typeof chunking === "object" && chunking ? voiceSettings(chunking) : {}),
  };
}

/**
 * What our own routes ask of a recording whose answer is in a format: rttm says nothing else than who speaks.
 *
 * @throws HttpError 400 for options of speakers where they are not asked for
 */
export function withFormat(format: FormatName, ask: Ask): Ask {
  const speakers = ask.speakers ?? (format === "rttm" ? true : undefined);
  const about = (["speakerMode", "people"] as const).find((name) => ask[name] !== undefined);
  if (speakers) return { ...ask, speakers };
  const refuse = (param: string, problem: string) => new HttpError(400, `${param}: ${problem}`, { param });
  if (format === "rttm") throw refuse("speakers", "expected true, or how many, for format rttm; got false");
  if (about) throw refuse(about, "expected speakers beside it, got none");
  return ask;
}

function mismatch(param: string, expected: string, got: string): HttpError {
  return new HttpError(400, `${param}: expected ${expected} beside it, got ${got}`, { param });
}

/** The answer in the format asked for. Its first part comes once something was heard. */
export function openaiAnswer(fields: OpenaiAsk, segments: Segments): Answer {
  const { response_format: format, stream } = fields;
  if (stream) return { type: "text/event-stream", body: events(segments, fields) };
  if (format === "srt" || format === "vtt") return formatAnswer(format, {}, segments);
  if (format === "text")
    return { type: "text/plain; charset=utf-8", body: whole(segments, (list) => `${textOf(list)}\n`) };
  const make = { json: jsonBody, verbose_json: verboseBody, diarized_json: diarizedBody }[format];
  const write = (list: readonly Segment[], total: Total) => JSON.stringify(make(list, total, fields));
  return { type: "application/json", body: whole(segments, write) };
}

/** Segments in one of our formats; all but json come as they are heard. */
export function formatAnswer(
  format: FormatName,
  options: Parameters<(typeof FORMATS)[FormatName]["writer"]>[0],
  segments: Segments,
  closing: object = {},
): Answer {
  const { head, add, end } = FORMATS[format].writer(options);
  async function* body(): AsyncGenerator<string> {
    let before = head();
    try {
      for (;;) {
        const { value, done } = await segments.next();
        if (done) return yield before + end({ ...value, ...closing });
        const text = before + add(value);
        before = "";
        if (text !== "") yield text;
      }
    } finally {
      await segments.return({ duration: 0 });
    }
  }
  return { type: contentType(format), body: body() };
}

export function contentType(format: FormatName): string {
  const { mimeType } = FORMATS[format];
  return mimeType.startsWith("text/") ? `${mimeType}; charset=utf-8` : mimeType;
}

async function* whole(
  segments: Segments,
  write: (list: readonly Segment[], total: Total) => string,
): AsyncGenerator<string> {
  const list: Segment[] = [];
  try {
    for (;;) {
      const { value, done } = await segments.next();
      if (done) return yield write(list, value);
      list.push(value);
    }
  } finally {
    await segments.return({ duration: 0 });
  }
}

/** Server-sent events: a delta for each segment; the deltas joined are the text. With speakers the segment follows. */
async function* events(segments: Segments, fields: OpenaiAsk): AsyncGenerator<string> {
  const { include, response_format: format, known_speaker_names: names } = fields;
  const diarized = format === "diarized_json" ? diarizer(names) : () => undefined;
  const event = (data: object) => `data: ${JSON.stringify(data)}\n\n`;
  const list: Segment[] = [];
  let text = "";
  try {
    for (;;) {
      const { value, done } = await segments.next();
      const logprobs = (of: readonly Segment[]) => (include ? { logprobs: logprobsOf(of) } : {});
      if (done) {
        yield event({ type: "transcript.text.done", text, ...logprobs(list), usage: usageOf(value) });
        return;
      }
      list.push(value);
      if (value.text === "") continue;
      const delta = (text === "" ? "" : " ") + value.text;
      text += delta;
      const segment = diarized(value);
      yield event({ type: "transcript.text.delta", delta, ...logprobs([value]), segment_id: segment?.id });
      if (segment) yield event(segment);
    }
  } finally {
    await segments.return({ duration: 0 });
  }
}

function jsonBody(list: readonly Segment[], total: Total, { include }: OpenaiAsk) {
  return { text: textOf(list), ...(include ? { logprobs: logprobsOf(list) } : {}), usage: usageOf(total) };
}

function diarizedBody(list: readonly Segment[], total: Total, { known_speaker_names: names }: OpenaiAsk) {
  const segments = list.map(diarizer(names)).filter((segment) => segment !== undefined);
  return { task: "transcribe", duration: total.duration, text: textOf(list), segments, usage: usageOf(total) };
}

/** Whisper's names for languages. */
const LANGUAGES: Readonly<Record<string, string>> = {
  zh: "chinese",
  en: "english",
  yue: "cantonese",
  ja: "japanese",
  ko: "korean",
};

function verboseBody(list: readonly Segment[], total: Total, fields: OpenaiAsk) {
  const { timestamp_granularities: granularities = ["segment"], temperature = 0 } = fields;
  const { language, words } = summarise(list);
  const segments = list.map((segment, id) => ({
    id,
    seek: Math.round(segment.start * 100),
    start: segment.start,
    end: segment.end,
    text: segment.text,
    tokens: segment.tokens,
    temperature,
    avg_logprob: Math.log(Math.max(segment.confidence, Number.MIN_VALUE)),
    compression_ratio: compressionRatio(segment.text),
    no_speech_prob: segment.language === "nospeech" ? 1 : 0,
  }));
  return {
    task: "transcribe",
    language: LANGUAGES[language] ?? language,
    duration: total.duration,
    text: textOf(list),
    ...(granularities.includes("segment") ? { segments } : {}),
    ...(words && granularities.includes("word")
      ? { words: words.map(({ word, start, end }) => ({ word, start, end })) }
      : {}),
    usage: usageOf(total),
  };
}

/** UTF-8 bytes of a text to those of it deflated, as Whisper has it: much more than 2 is a text that repeats itself. */
function compressionRatio(text: string): number {
  const bytes = Buffer.from(text);
  return bytes.length === 0 ? 1 : bytes.length / deflateSync(bytes).length;
}

export function textOf(list: readonly Segment[]): string {
  return list
    .map(({ text }) => text)
    .filter((text) => text !== "")
    .join(" ");
}

export function logprobsOf(list: readonly Segment[]) {
  return list.flatMap(({ logProbs = [] }) => {
    return logProbs.map(({ token, logProb, bytes }) => ({ token, logprob: logProb, bytes }));
  });
}

function usageOf({ duration }: Total) {
  return { type: "duration", seconds: Math.ceil(duration) };
}
