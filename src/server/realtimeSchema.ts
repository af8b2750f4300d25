import { z } from "zod";
import { quote } from "../error.ts";
import { checkFields } from "./fields.ts";
import { HttpError } from "./httpError.ts";
import { language, liveSpeakers, MAX_PROMPT, serverVad } from "./schemas.ts";

// What a client of OpenAI's Realtime API sends. Source: OpenAI's API reference, "Realtime client events".

const transcription = z.strictObject({
  model: z.string().min(1).max(200).optional(),
  language: language.optional(),
  prompt: z.string().max(MAX_PROMPT).optional(),
});
/** Nobody answers in a transcription session, so whether to do so is without effect. */
const turnDetection = serverVad
  .extend({
    create_response: z.boolean().optional(),
    interrupt_response: z.boolean().optional(),
    idle_timeout_ms: z.null().optional(),
  })
  .nullable();
const include = z.array(z.literal("item.input_audio_transcription.logprobs")).max(1).nullable();
const format = z.strictObject({ type: z.literal("audio/pcm"), rate: z.literal([24_000, 16_000]).default(24_000) });

const event = { event_id: z.string().max(512).nullish() };
const CLIENT_EVENTS = {
  "session.update": z.strictObject({
    ...event,
    type: z.literal("session.update"),
    session: z.strictObject({
      type: z.literal("transcription"),
      audio: z
        .strictObject({
          input: z
            .strictObject({
              format: format.optional(),
              transcription: transcription.optional(),
              turn_detection: turnDetection.optional(),
              noise_reduction: z.null().optional(),
            })
            .optional(),
        })
        .optional(),
      include: include.optional(),
      speakers: liveSpeakers.optional(),
    }),
  }),
  "transcription_session.update": z.strictObject({
    ...event,
    type: z.literal("transcription_session.update"),
    session: z.strictObject({
      input_audio_format: z.literal("pcm16").optional(),
      input_audio_transcription: transcription.optional(),
      turn_detection: turnDetection.optional(),
      input_audio_noise_reduction: z.null().optional(),
      include: include.optional(),
      speakers: liveSpeakers.optional(),
    }),
  }),
  "input_audio_buffer.append": z.strictObject({
    ...event,
    type: z.literal("input_audio_buffer.append"),
    audio: z.string(),
  }),
  "input_audio_buffer.commit": z.strictObject({ ...event, type: z.literal("input_audio_buffer.commit") }),
  "input_audio_buffer.clear": z.strictObject({ ...event, type: z.literal("input_audio_buffer.clear") }),
};
type ClientEvents = typeof CLIENT_EVENTS;
export type ClientEvent = { [K in keyof ClientEvents]: z.infer<ClientEvents[K]> }[keyof ClientEvents];

/** `/v1/realtime`, in its address. */
export const realtimeSchema = z.strictObject({
  model: z.string().min(1).max(200).optional().describe("Any name: there is one model, which /v1/models names."),
  intent: z.literal("transcription").optional().describe("Sound is only transcribed; nobody answers."),
  partialSeconds: z.number().min(0).max(600).optional().describe("Sound between two looks at what is being said."),
});

/** @throws HttpError 400 */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new HttpError(400, "expected an event in JSON, got something else", { code: "invalid_json" });
  }
}

/** @throws HttpError 400 for what is no event, or none of a transcription session */
export function clientEvent(value: unknown): ClientEvent {
  const type = typeof value === "object" && value !== null && "type" in value ? value.type : undefined;
  if (typeof type === "string" && Object.hasOwn(CLIENT_EVENTS, type)) {
    return checkFields(CLIENT_EVENTS[type as keyof ClientEvents], value) as ClientEvent;
  }
  const got = type === undefined ? "nothing" : quote(type);
  const expected = `expected one of ${Object.keys(CLIENT_EVENTS).join(", ")}`;
  throw new HttpError(400, `type: ${expected}; got ${got}`, { param: "type", code: "invalid_value" });
}

/** What a session goes by. */
export interface Settings {
  readonly rate: 24_000 | 16_000;
  readonly transcription: z.infer<typeof transcription>;
  readonly turnDetection: z.infer<typeof turnDetection>;
  readonly include: z.infer<typeof include>;
  /** Not OpenAI's: who speaks is told with each transcript. */
  readonly speakers: boolean | number;
}

/** The settings after an update: what it does not name stays. @throws HttpError 400 for what does not go together */
export function updated(settings: Settings, update: Extract<ClientEvent, { session: object }>): Settings {
  const next = { ...changed(settings, update), speakers: update.session.speakers ?? settings.speakers };
  if (!next.speakers || next.turnDetection) return next;
  const told = "speakers: expected turn_detection beside it, since they are told apart in all of the sound; got none";
  throw new HttpError(400, told, { param: "speakers" });
}

function changed(settings: Settings, update: Extract<ClientEvent, { session: object }>): Omit<Settings, "speakers"> {
  if (update.type === "session.update") {
    const { audio: { input = {} } = {}, include } = update.session;
    return {
      rate: input.format?.rate ?? settings.rate,
      transcription: input.transcription ?? settings.transcription,
      turnDetection: input.turn_detection === undefined ? settings.turnDetection : input.turn_detection,
      include: include === undefined ? settings.include : include,
    };
  }
  const { session } = update;
  return {
    rate: session.input_audio_format ? 24_000 : settings.rate,
    transcription: session.input_audio_transcription ?? settings.transcription,
    turnDetection: session.turn_detection === undefined ? settings.turnDetection : session.turn_detection,
    include: session.include === undefined ? settings.include : session.include,
  };
}

/** A session as it is told of; the older form where a client uses that. */
export function describe(id: string, settings: Settings, older: boolean): object {
  const { rate, transcription, turnDetection: turn_detection, include, speakers } = settings;
  const about = { id, object: "realtime.transcription_session", include, ...(speakers && { speakers }) };
  if (older) {
    const input_audio_format = "pcm16";
    const input_audio_noise_reduction = null;
    return {
      ...about,
      input_audio_format,
      input_audio_transcription: transcription,
      turn_detection,
      input_audio_noise_reduction,
    };
  }
  const input = { format: { type: "audio/pcm", rate }, transcription, noise_reduction: null, turn_detection };
  return { ...about, type: "transcription", audio: { input } };
}
