import { z } from "zod";
import { FORMAT_NAMES } from "../../output/format.ts";
import { MARKS } from "../../output/marks.ts";
import type { Segment } from "../../speech/segment.ts";
import { HttpError } from "../httpError.ts";
import { askSchema } from "../schemas.ts";
import type { Total } from "../transcriber.ts";

/** The BullMQ queue of sounds, and that of webhooks. */
export const QUEUE = "sensevoice";
export const HOOKS = "sensevoice-webhooks";
/** Redis keys: a sound's bytes; whose turn it is; jobs whose webhook is due; what workers serve, and they. */
export const SOUND = "sensevoice:sound:";
export const TURN = "sensevoice:turn";
export const TURNS = "sensevoice:turns";
export const DUE = "sensevoice:due";
export const MODEL = "sensevoice:model";
export const WORKERS = "sensevoice:workers";
/** Seconds that sounds, jobs and results are kept. */
export const KEPT = 86_400;

/**
 * What a job of the BullMQ queue `sensevoice` holds. Any program may add one:
 *
 * 1. It writes the bytes of a sound file to the Redis string `sensevoice:sound:ID`, with SET or with APPEND in pieces, and
 *    gives it an expiry of a day.
 * 2. It adds a job with `{ sound: "sensevoice:sound:ID", ask: {} }`; `ask` is what `POST /v1/transcribe` takes, without
 *    `format` and `marks`. The job's name does not matter. What does not fit this schema fails at once.
 * 3. While the sound is heard, the job's progress is `{ seconds, index, segment }`: segment number `index` is done, and
 *    with it `seconds` of the sound. A job that is begun anew, since its worker died, counts from 0 again.
 * 4. Its result is `{ segments, total: { duration } }`, and the sound is removed. Why it failed is JSON,
 *    `{ status, message, code?, param? }` as over HTTP, but for failures of BullMQ itself.
 */
export const jobSchema = z.strictObject({
  sound: z.string().startsWith(SOUND).max(200),
  ask: askSchema,
  bytes: z.number().int().min(0).optional().describe("Length of the sound, if it shall be checked."),
  key: z.string().optional().describe("Whose job it is: jobs of several keys are heard in rotation."),
  webhook: z.string().optional().describe("Who is told when it is done."),
  format: z.enum(FORMAT_NAMES).optional().describe("How the result is shown over HTTP."),
  marks: z.enum(MARKS).optional(),
});
export type JobData = z.infer<typeof jobSchema>;

/** What is kept of a job that was heard. */
export interface JobResult {
  readonly segments: readonly Segment[];
  readonly total: Total;
}

export interface JobProgress {
  readonly seconds: number;
  readonly index: number;
  readonly segment: Segment;
}

/** The code of a failure: Redis no longer has the sound. Who still has it adds the job again. */
export const SOUND_LOST = "sound_lost";

/** Why a job fails, as its text. */
export function failureText({ status, message, options: { code, param } }: HttpError): string {
  return JSON.stringify({ status, message, code, param });
}

const failureSchema = z.object({
  status: z.number().int().min(400).max(599),
  message: z.string(),
  code: z.string().optional(),
  param: z.string().optional(),
});

/** The answer that a job's failure is. */
export function failureOf(text: string): HttpError {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const { data } = failureSchema.safeParse(value);
  if (data) return new HttpError(data.status, data.message, { code: data.code, param: data.param });
  const stalled = /stalled more than/.test(text);
  const reason = stalled ? "each worker that tried ended" : "an error of the service";
  return new HttpError(500, `the sound could not be heard: ${reason}`, { cause: text });
}
