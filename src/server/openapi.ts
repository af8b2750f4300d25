import { z } from "zod";
import {
  diarizedSchema,
  errorSchema,
  eventSchema,
  modelSchema,
  modelsSchema,
  segmentSchema,
  transcriptionSchema,
  transcriptSchema,
  verboseSchema,
} from "./responses.ts";
import {
  jobQuerySchema,
  jobViewSchema,
  openaiSchema,
  postJobSchema,
  soundSchema,
  transcribeSchema,
} from "./schemas.ts";

/** What JSON may be in a document: kept loose, since it is only written. */
type Json = Readonly<Record<string, unknown>>;

const text = { schema: { type: "string" } };
const json = (schema: Json) => ({ "application/json": { schema } });
const ref = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });

const id = { name: "id", in: "path", required: true, schema: { type: "string" } };
/** The formats of results beside json. */
const WRITTEN = {
  "application/x-ndjson": { schema: ref("Segment") },
  "text/plain": text,
  "text/vtt": text,
  "text/tab-separated-values": text,
  "text/x-ssa": text,
  "application/x-subrip": text,
};

/** Schemas by name; requests as they come, answers as they go. */
const COMPONENTS: Readonly<Record<string, z.ZodType>> = {
  Error: errorSchema,
  Transcription: transcriptionSchema,
  VerboseTranscription: verboseSchema,
  DiarizedTranscription: diarizedSchema,
  TranscriptionEvent: eventSchema,
  Transcript: transcriptSchema,
  Segment: segmentSchema,
  Model: modelSchema,
  Models: modelsSchema,
  Job: jobViewSchema,
};

const ERRORS: Readonly<Record<string, string>> = {
  400: "Something in the request is wrong; `param` names it.",
  401: "There is no such key.",
  403: "Not for this origin or host.",
  404: "There is nothing there.",
  408: "The rest of the request did not come in time.",
  409: "Not in the state that the job is in.",
  413: "The sound is too large or too long.",
  415: "Neither a form nor JSON.",
  429: "All places are taken, or too many requests; Retry-After says when to try again.",
  500: "An error of the server.",
  503: "The service is stopping, or has nobody who could answer.",
  504: "It took too long.",
};
const ALWAYS = ["401", "403", "429", "500"];

/** The description of the service, OpenAPI 3.1, made of the schemas that check requests. */
export function createOpenapi({ version, auth }: { readonly version: string; readonly auth: boolean }): Json {
  const schemas = Object.entries(COMPONENTS).map(([name, schema]) => [name, jsonSchema(schema, "output")]);
  return {
    openapi: "3.1.1",
    info: {
      title: "sensevoice",
      version,
      summary: "Speech to text with language, emotion and sound events.",
      description: "Live sound comes through WebSockets, /v1/realtime and /v1/live: see docs/service.md.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    security: auth ? [{ bearer: [] }] : [{}],
    tags: [
      { name: "transcription", description: "Recordings." },
      { name: "jobs", description: "Recordings that nobody waits for." },
      { name: "service", description: "How the service is." },
    ],
    paths: paths(),
    components: {
      schemas: Object.fromEntries(schemas),
      ...(auth ? { securitySchemes: { bearer: { type: "http", scheme: "bearer" } } } : {}),
      responses: Object.fromEntries(
        Object.entries(ERRORS).map(([status, description]) => [
          `E${status}`,
          { description, content: json(ref("Error")) },
        ]),
      ),
    },
  };
}

function paths(): Json {
  return {
    "/v1/audio/transcriptions": {
      post: {
        ...about("createTranscription", "Transcribe a recording, as OpenAI has it", "transcription"),
        requestBody: soundBody(openaiSchema),
        responses: {
          200: {
            description: "What was said, in the format asked for; streamed with `stream`.",
            content: {
              "application/json": {
                schema: { anyOf: [ref("Transcription"), ref("VerboseTranscription"), ref("DiarizedTranscription")] },
              },
              "text/plain": text,
              "text/vtt": text,
              "application/x-subrip": text,
              "text/event-stream": { schema: ref("TranscriptionEvent") },
            },
          },
          ...errors("400", "408", "413", "415", "503", "504"),
        },
      },
    },
    "/v1/transcribe": {
      post: {
        ...about("transcribe", "Transcribe a recording, with everything that is heard", "transcription"),
        requestBody: soundBody(transcribeSchema),
        responses: {
          200: {
            description: "What was heard, in the format asked for.",
            content: {
              ...json(ref("Transcript")),
              ...WRITTEN,
            },
          },
          ...errors("400", "408", "413", "415", "503", "504"),
        },
      },
    },
    "/v1/jobs": {
      post: {
        ...about("createJob", "Transcribe a recording later; only with a queue", "jobs"),
        requestBody: soundBody(postJobSchema),
        responses: {
          202: { description: "The job is taken.", headers: { Location: text }, content: json(ref("Job")) },
          ...errors("400", "404", "408", "413", "415", "503", "504"),
        },
      },
    },
    "/v1/jobs/{id}": {
      get: {
        ...about("getJob", "Tell how far a job is, and its result", "jobs"),
        parameters: [id, { name: "format", in: "query", schema: jsonSchema(jobQuerySchema.shape.format, "input") }],
        responses: {
          200: {
            description: "The job; with `format` its result alone.",
            content: { ...json(ref("Job")), ...WRITTEN },
          },
          ...errors("400", "404", "409", "503"),
        },
      },
      delete: {
        ...about("deleteJob", "Forget a job that is not being heard", "jobs"),
        parameters: [id],
        responses: { 204: { description: "It is gone." }, ...errors("404", "409", "503") },
      },
    },
    "/v1/models": {
      get: {
        ...about("listModels", "List the models", "service"),
        responses: { 200: { description: "The one there is.", content: json(ref("Models")) }, ...errors() },
      },
    },
    "/v1/models/{id}": {
      get: {
        ...about("getModel", "Describe a model", "service"),
        parameters: [id],
        responses: { 200: { description: "The model.", content: json(ref("Model")) }, ...errors("404") },
      },
    },
    "/healthz": { get: state("health", "Tell whether the service lives", []) },
    "/readyz": { get: state("readiness", "Tell whether the service takes requests", ["503"]) },
    "/metrics": {
      get: {
        ...about("metrics", "Tell figures, in Prometheus' format", "service"),
        responses: { 200: { description: "Figures.", content: { "text/plain": text } }, ...errors() },
      },
    },
    "/openapi.json": {
      get: {
        ...about("openapi", "Describe the service", "service"),
        security: [{}],
        responses: { 200: { description: "This document.", content: json({ type: "object" }) }, ...errors() },
      },
    },
  };
}

function about(operationId: string, summary: string, tag: string): Json {
  return { operationId, summary, tags: [tag] };
}

function errors(...statuses: string[]): Json {
  const all = [...new Set([...statuses, ...ALWAYS])].sort();
  return Object.fromEntries(all.map((status) => [status, { $ref: `#/components/responses/E${status}` }]));
}

function state(id: string, summary: string, statuses: readonly string[]): Json {
  const bad = statuses.map((status) => [status, { description: "Not now, and why.", content: { "text/plain": text } }]);
  return {
    ...about(id, summary, "service"),
    security: [{}],
    responses: {
      200: { description: "It does.", content: { "text/plain": text } },
      ...errors(),
      ...Object.fromEntries(bad),
    },
  };
}

/** A sound and fields: as a form, whose lists are repeated or have commas, or as JSON. */
function soundBody(schema: z.ZodObject): Json {
  const fields = jsonSchema(schema, "input") as { properties: Json; required?: string[] };
  const file = { type: "string", contentMediaType: "application/octet-stream", description: "A sound file." };
  const { properties } = jsonSchema(soundSchema, "input") as { properties: Json };
  return {
    required: true,
    content: {
      "multipart/form-data": {
        schema: {
          ...fields,
          properties: { file, ...fields.properties },
          required: ["file", ...(fields.required ?? [])],
        },
      },
      "application/json": {
        schema: {
          ...fields,
          properties: { ...properties, ...fields.properties },
          oneOf: [{ required: ["file"] }, { required: ["url"] }],
        },
      },
    },
  };
}

function jsonSchema(schema: z.ZodType, io: "input" | "output"): Json {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io, target: "draft-2020-12" });
  return rest;
}
