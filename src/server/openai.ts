import { deflateSync } from "node:zlib";
import type { FormatName } from "../output/format.ts";
import { FORMATS } from "../output/formats.ts";
import { summarise } from "../output/summary.ts";
import type { Segment } from "../speech/segment.ts";
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
  if (stream && format !== "json" && format !== "text") throw mismatch("stream", "response_format json", format);
  return {
    language,
    itn: itn || undefined,
    hotwords: hotwordsOf(prompt),
    timestamps: granularities?.includes("word") || format === "srt" || format === "vtt" || undefined,
    logProbs: include ? true : undefined,
    ...(typeof chunking === "object" && chunking ? voiceSettings(chunking) : {}),
  };
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
  const make = format === "json" ? jsonBody : verboseBody;
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

/** Server-sent events: a delta for each segment; the deltas joined are the text. */
async function* events(segments: Segments, { include }: OpenaiAsk): AsyncGenerator<string> {
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
      yield event({ type: "transcript.text.delta", delta, ...logprobs([value]) });
    }
  } finally {
    await segments.return({ duration: 0 });
  }
}

function jsonBody(list: readonly Segment[], total: Total, { include }: OpenaiAsk) {
  return { text: textOf(list), ...(include ? { logprobs: logprobsOf(list) } : {}), usage: usageOf(total) };
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
