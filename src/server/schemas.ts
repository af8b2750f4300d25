import { z } from "zod";
import { LANGUAGE_ROW, SPOKEN_LANGUAGES } from "../model/sensevoice/prompt.ts";
import { VADS } from "../options.ts";
import { FORMAT_NAMES } from "../output/format.ts";
import { MARKS } from "../output/marks.ts";
import { SPEAKER_MODES } from "../speech/speakerOptions.ts";
import { ENCODINGS } from "./rawSound.ts";

// What requests hold. These schemas check, convert and document: /openapi.json is made of them.

const LANGUAGES = Object.keys(LANGUAGE_ROW) as (keyof typeof LANGUAGE_ROW)[];

/** Longest text of a prompt, and words in a list. */
export const MAX_PROMPT = 10_000;
const MAX_WORDS = 1000;

export const language = z.enum(LANGUAGES).describe("The language spoken; auto lets the model tell.");
const hotword = z.string().min(1).max(200);
/** As VoiceSettings has them. */
const endSilence = z.number().min(0).max(10_000);
const padding = z.number().min(0).max(5000);

/** Known people that a request may bring, and characters of what each sounds like: 4 MB in base64. */
export const MAX_PEOPLE = 4;
export const MAX_REFERENCE = 5_400_000;
const personName = z.string().min(1).max(200);
const reference = z
  .string()
  .max(MAX_REFERENCE)
  .describe("2 to 10 seconds of nobody else's voice: a sound file as a data: URL, or in base64.");

/** What can be asked of a recording; the names are the library's. */
export const askSchema = z.strictObject({
  language: language.optional(),
  languages: z
    .array(z.enum(SPOKEN_LANGUAGES))
    .min(1)
    .max(5)
    .optional()
    .describe("Lets the model tell, but only among these. In place of language."),
  itn: z.boolean().optional().describe("Write punctuation, capitals and figures."),
  punctuation: z.boolean().optional().describe("Punctuation and capitals, numbers as they are spoken. Not beside itn."),
  hotwords: z
    .array(z.union([hotword, z.strictObject({ text: hotword, boost: z.number().gt(0).max(100).optional() })]))
    .max(MAX_WORDS)
    .optional()
    .describe("Words that are likely to be said."),
  timestamps: z.boolean().optional().describe("Add when each word was said."),
  logProbs: z.boolean().optional().describe("Add the log probability of each token."),
  banUnknownEmotion: z.boolean().optional().describe("Always name an emotion."),
  vad: z.enum(VADS).optional().describe("How speech is found in long sound."),
  mergeSeconds: z.number().min(0).max(600).optional().describe("Join stretches of speech up to this length."),
  maxSegmentSeconds: z.number().min(1).max(600).optional().describe("Cut longer speech."),
  endSilenceMs: endSilence.optional().describe("Silence that ends a segment."),
  padMs: padding.optional().describe("Sound kept in front of speech."),
  speechThreshold: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe("By how much speech must be more probable than silence."),
  speakers: z
    .union([z.int().min(1).max(1000), z.boolean()])
    .optional()
    .describe("Tell who says what: true, or how many speakers there are. Segments then come once all was heard."),
  speakerMode: z.enum(SPEAKER_MODES).optional().describe("How speakers are told apart: funasr with FunASR's answers."),
  people: z
    .array(z.strictObject({ name: personName, reference }))
    .max(MAX_PEOPLE)
    .optional()
    .describe("Who may be among the speakers: their names take the place of S1, S2, …"),
});
export type Ask = z.infer<typeof askSchema>;

/** `POST /v1/transcribe`, without its sound. */
export const transcribeSchema = askSchema.extend({
  format: z.enum(FORMAT_NAMES).default("json").describe("Of the answer; all but json come while the sound is heard."),
  marks: z.enum(MARKS).optional().describe("How emotions and events are shown in texts."),
});

/** `POST /v1/jobs`, without its sound. */
export const postJobSchema = transcribeSchema.extend({
  webhook: z.url().max(2000).optional().describe("Who is told when the job is done; only hosts that the server names."),
});

/** A job, as it is answered and told to a webhook. */
export const jobViewSchema = z.object({
  id: z.string(),
  state: z.enum(["waiting", "active", "completed", "failed"]),
  created: z.iso.datetime(),
  progress: z.number().describe("Seconds of the sound that were heard."),
  result: z.unknown().optional().describe("In the format that was asked for: an object for json, else a text."),
  error: z.string().optional().describe("Why there is no result."),
});
export type JobView = z.infer<typeof jobViewSchema>;

/** `GET /v1/jobs/ID` */
export const jobQuerySchema = z.strictObject({
  format: z.enum(FORMAT_NAMES).optional().describe("Answers with the result alone, in this format."),
});

export const liveSpeakers = z
  .union([z.int().min(1).max(1000), z.boolean()])
  .describe("Tell who says what: true, or how many speakers there are at most.");

/** `/v1/live`, in its address. */
export const liveSchema = askSchema.omit({ mergeSeconds: true, speakerMode: true, people: true }).extend({
  speakers: liveSpeakers.optional(),
  partialSeconds: z.number().min(0).max(600).optional().describe("Sound between two partial results."),
  encoding: z.enum(ENCODINGS).default("s16le").describe("Of the samples in binary messages; little-endian."),
  rate: z.number().int().min(8000).max(192_000).default(16_000).describe("Samples a second."),
  channels: z.number().int().min(1).max(16).default(1).describe("Channels; their mean is heard."),
  marks: z.enum(MARKS).optional().describe("How emotions and events are shown in texts."),
});

/** OpenAI's settings of voice activity. */
export const serverVad = z.strictObject({
  type: z.literal("server_vad"),
  threshold: z.number().min(0).max(1).optional(),
  prefix_padding_ms: padding.optional(),
  silence_duration_ms: endSilence.optional(),
});

export const RESPONSE_FORMATS = ["json", "text", "srt", "verbose_json", "vtt", "diarized_json"] as const;

/** `POST /v1/audio/transcriptions`, without its sound. Source: OpenAI's API reference. */
export const openaiSchema = z.strictObject({
  model: z.string().min(1).max(200).describe("Any name: there is one model, which /v1/models names."),
  language: language.optional(),
  prompt: z.string().max(MAX_PROMPT).optional().describe("Words that are likely to be said, with commas between them."),
  response_format: z.enum(RESPONSE_FORMATS).default("json"),
  temperature: z.number().min(0).max(1).optional().describe("Without effect: the model does not sample."),
  include: z.array(z.enum(["logprobs"])).optional(),
  timestamp_granularities: z.array(z.enum(["word", "segment"])).optional(),
  chunking_strategy: z
    .union([z.literal("auto"), serverVad])
    .nullable()
    .optional(),
  known_speaker_names: z
    .array(personName)
    .max(MAX_PEOPLE)
    .optional()
    .describe("Who may be among the speakers of diarized_json; each has a reference."),
  known_speaker_references: z.array(reference).max(MAX_PEOPLE).optional(),
  stream: z.boolean().nullable().optional(),
});
export type OpenaiAsk = z.infer<typeof openaiSchema>;

/** How a sound comes in JSON. */
export const soundSchema = z.object({
  file: z.string().optional().describe("Bytes of a sound file in base64, or as a data: URL."),
  url: z.string().max(2000).optional().describe("Where the sound is; only hosts that the server names."),
});

/** OpenAI's settings of voice activity as ours: a probability p of speech is 2p − 1 more than that of silence. */
export function voiceSettings({
  threshold,
  prefix_padding_ms,
  silence_duration_ms,
}: z.infer<typeof serverVad>): Omit<Ask, "people"> {
  return {
    speechThreshold: threshold === undefined ? undefined : Math.max(0, 2 * threshold - 1),
    padMs: prefix_padding_ms,
    endSilenceMs: silence_duration_ms,
  };
}

/** The words in OpenAI's prompt. */
export function hotwordsOf(prompt: string | undefined): string[] | undefined {
  const words = prompt?.split(/[,;\n.!?，、；。！？]/).map((word) => word.trim()) ?? [];
  const named = words.filter((word) => word !== "").slice(0, MAX_WORDS);
  return named.length > 0 ? named : undefined;
}
