import { z } from "zod";
import { EMOTIONS, EVENTS } from "../output/tagNames.ts";

// What answers hold; /openapi.json is made of these schemas.

const seconds = z.number().min(0);

const speaker = z.string().optional().describe("Who speaks, where speakers were asked for and somebody is known to.");

const word = z.object({
  word: z.string(),
  start: seconds,
  end: seconds,
  confidence: z.number().min(0).max(1),
  speaker,
});

const tokenLogProb = z.object({
  token: z.string(),
  logProb: z.number().max(0).describe("Natural logarithm."),
  bytes: z.array(z.int().min(0).max(255)).describe("The token in UTF-8."),
});

const tags = {
  language: z.enum(["zh", "en", "yue", "ja", "ko", "nospeech", "unknown"]),
  emotion: z.enum(EMOTIONS as [string, ...string[]]),
  events: z.array(z.enum(EVENTS as [string, ...string[]])),
};

const said = {
  text: z.string().describe("Tags taken out or turned into emoji."),
  raw: z.string().describe("What the model said, tags and all."),
  ...tags,
  tokens: z.array(z.int().min(0)),
  words: z.array(word).nullable().describe("Null unless timestamps were asked for."),
  confidence: z.number().min(0).max(1),
};

export const segmentSchema = z.object({
  start: seconds.describe("Seconds from the start of the recording."),
  end: seconds,
  ...said,
  logProbs: z.array(tokenLogProb).optional(),
  speaker,
});

/** `POST /v1/transcribe` in the format json. */
export const transcriptSchema = z.object({
  duration: seconds,
  ...said,
  speakers: z
    .array(z.object({ speaker: z.string(), seconds, share: z.number().min(0).max(1) }))
    .optional()
    .describe("Who speaks how long, and which share of all talk that is, by first appearance."),
  model: z.string(),
  segments: z.array(segmentSchema),
});

const usage = z.object({ type: z.literal("duration"), seconds: z.int().min(0) });
const logprob = z.object({ token: z.string(), logprob: z.number(), bytes: z.array(z.int()) });

export const transcriptionSchema = z.object({ text: z.string(), logprobs: z.array(logprob).optional(), usage });

export const verboseSchema = z.object({
  task: z.literal("transcribe"),
  language: z.string(),
  duration: seconds,
  text: z.string(),
  segments: z
    .array(
      z.object({
        id: z.int().min(0),
        seek: z.int().min(0),
        start: seconds,
        end: seconds,
        text: z.string(),
        tokens: z.array(z.int()),
        temperature: z.number(),
        avg_logprob: z.number(),
        compression_ratio: z.number(),
        no_speech_prob: z.number(),
      }),
    )
    .optional(),
  words: z.array(z.object({ word: z.string(), start: seconds, end: seconds })).optional(),
  usage,
});

/** Words of one speaker. A, B, … by first appearance, or the name of who is known; `unknown` where nobody is heard to speak. */
const diarizedSegment = z.object({
  type: z.literal("transcript.text.segment"),
  id: z.string(),
  start: seconds,
  end: seconds,
  text: z.string(),
  speaker: z.string(),
});

export const diarizedSchema = z.object({
  task: z.literal("transcribe"),
  duration: seconds,
  text: z.string(),
  segments: z.array(diarizedSegment),
  usage,
});

/** The events of a transcription that is streamed, each behind `data: `. */
export const eventSchema = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("transcript.text.delta"),
    delta: z.string(),
    logprobs: z.array(logprob).optional(),
    segment_id: z
      .string()
      .optional()
      .describe("Of diarized_json: the segment that it is the text of, and that follows."),
  }),
  diarizedSegment,
  z.object({
    type: z.literal("transcript.text.done"),
    text: z.string(),
    logprobs: z.array(logprob).optional(),
    usage,
  }),
]);

export const modelSchema = z.object({
  id: z.string(),
  object: z.literal("model"),
  created: z.int(),
  owned_by: z.string(),
});

export const modelsSchema = z.object({ object: z.literal("list"), data: z.array(modelSchema) });

/** An error, as OpenAI has it. */
export const errorSchema = z.object({
  error: z.object({
    message: z.string(),
    type: z.enum(["invalid_request_error", "authentication_error", "rate_limit_error", "server_error"]),
    param: z.string().nullable(),
    code: z.string().nullable(),
  }),
});
