import type { IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import { Busboy, type BusboyHeaders } from "@fastify/busboy";
import type { z } from "zod";
import { reasonOf } from "../error.ts";
import { checkFields, fromTexts, type Shape } from "./fields.ts";
import { HttpError } from "./httpError.ts";
import { MAX_PEOPLE, MAX_REFERENCE } from "./schemas.ts";
import { type Spool, tooLarge } from "./spool.ts";

export interface UploadOptions {
  /** Bytes of a sound. */
  readonly maxBytes: number;
  /** Seconds without a byte after which a client is given up. */
  readonly idleSeconds: number;
  /** Ends it when the client has gone. */
  readonly signal: AbortSignal;
  /** Makes the place for the sound, once it begins to come. */
  readonly begin: () => Promise<Spool>;
  /** Fetches a sound from an address that the request names. */
  readonly fetch: (url: string) => Promise<AsyncIterable<Uint8Array>>;
}

/** JSON is parsed as a whole, on the server's own thread. */
const MAX_JSON = 16 * 2 ** 20;
/** Characters of a field that brings no sound, and of all of a request's fields. */
const MAX_FIELD = 2 ** 18;
const MAX_FIELDS = MAX_PEOPLE * MAX_REFERENCE + 2 ** 20;
const LIMITS = { fieldNameSize: 100, fieldSize: MAX_FIELDS, fields: 200, headerPairs: 20, headerSize: 8192 };
/** Fields that bring sounds of people. */
const REFERENCES = ["people", "known_speaker_references"];

/**
 * Reads a request: its sound goes into the spool as it comes, its fields are checked by the schema.
 *
 * @throws HttpError 400, 408, 413 or 415
 */
export async function receive<S extends z.ZodObject>(
  request: IncomingMessage,
  schema: S,
  options: UploadOptions,
): Promise<{ fields: z.infer<S>; sound: Spool }> {
  const type = request.headers["content-type"]?.split(";", 1)[0].trim().toLowerCase();
  const length = Number(request.headers["content-length"] ?? 0);
  if (type === "multipart/form-data") {
    if (length > options.maxBytes + MAX_FIELDS) throw tooLarge(options.maxBytes);
    return readForm(request, schema, options);
  }
  if (type === "application/json") return readJson(request, schema, options);
  const got = type === undefined ? "none" : JSON.stringify(type.slice(0, 60));
  throw new HttpError(415, `content-type: expected multipart/form-data or application/json, got ${got}`);
}

async function readForm<S extends z.ZodObject>(request: IncomingMessage, schema: S, options: UploadOptions) {
  const texts = new Map<string, string[]>();
  const items = new Set<string>();
  let characters = 0;
  let sound: Promise<Spool> | undefined;
  await new Promise<void>((resolve, reject) => {
    let file: Readable | undefined;
    const fail = (error: unknown) => {
      request.unpipe();
      file?.destroy();
      const known = error instanceof HttpError || options.signal.aborted;
      reject(known ? error : new HttpError(400, `multipart/form-data: ${reasonOf(error)}`));
    };
    let form: InstanceType<typeof Busboy>;
    try {
      const isPartAFile = (name?: string, _type?: string, file?: string) => name === "file" || file !== undefined;
      form = new Busboy({ headers: request.headers as BusboyHeaders, limits: LIMITS, isPartAFile });
    } catch (error) {
      return fail(error);
    }
    form.on("file", (name, stream) => {
      if (name !== "file" || sound) {
        stream.resume();
        const problem = name === "file" ? "expected one sound, got two" : "is not known here as a file";
        return fail(new HttpError(400, `${JSON.stringify(name.slice(0, 60))}: ${problem}`, { param: "file" }));
      }
      file = stream.on("error", fail); // it may come before anyone reads
      sound = fill(stream, options);
      sound.catch(fail);
    });
    form.on("field", (key, value, keyCut, valueCut) => {
      const name = key.replace(/\[\]$/, "");
      characters += value.length;
      const tooLong = value.length > MAX_FIELD && !REFERENCES.includes(name);
      if (keyCut || valueCut || tooLong || characters > MAX_FIELDS) {
        fail(new HttpError(400, `${name}: expected a shorter text`, { param: name }));
      }
      if (name !== key) items.add(name);
      texts.set(name, [...(texts.get(name) ?? []), value]);
    });
    form.on("fieldsLimit", () => fail(new HttpError(400, `expected at most ${LIMITS.fields} fields`)));
    form.on("error", fail);
    form.on("finish", resolve);
    watchIdle(request, options, fail);
    request.on("aborted", () => fail(new Error("the connection was closed")));
    request.pipe(form);
  });
  if (!sound) throw missing();
  return { sound: await sound, fields: checkFields(schema, fromTexts(schema.shape as Shape, texts, items)) };
}

async function readJson<S extends z.ZodObject>(request: IncomingMessage, schema: S, options: UploadOptions) {
  const chunks: Buffer[] = [];
  let length = 0;
  const most = Math.min(MAX_JSON, options.maxBytes * 1.4 + MAX_FIELDS);
  await new Promise<void>((resolve, reject) => {
    const fail = (error: unknown) => {
      request.off("data", take);
      reject(error);
    };
    const take = (chunk: Buffer) => {
      chunks.push(chunk);
      length += chunk.length;
      const hint = "; larger sounds go as multipart/form-data";
      if (length > most) fail(new HttpError(413, `expected at most ${most} bytes of JSON, got more${hint}`));
    };
    request.on("data", take);
    request.on("end", resolve);
    request.on("aborted", () => fail(new Error("the connection was closed")));
    watchIdle(request, options, fail);
  });
  const { file, url, ...fields } = jsonOf(Buffer.concat(chunks).toString("utf8"));
  const checked = checkFields(schema, fields);
  if (url !== undefined && file === undefined) {
    if (typeof url !== "string") throw new HttpError(400, "url: expected a text", { param: "url" });
    return { fields: checked, sound: await fill(await options.fetch(url), options) };
  }
  if (url !== undefined || typeof file !== "string") throw missing();
  return { fields: checked, sound: await fill([bytesOf(file, "file")], options) };
}

/** What comes, in the spool. */
async function fill(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, options: UploadOptions): Promise<Spool> {
  const spool = await options.begin();
  for await (const chunk of chunks) {
    options.signal.throwIfAborted();
    await spool.write(chunk);
  }
  spool.end();
  return spool;
}

/** Gives up a client that sends nothing. */
function watchIdle(request: IncomingMessage, { idleSeconds }: UploadOptions, fail: (error: unknown) => void): void {
  const timer = setTimeout(() => {
    fail(new HttpError(408, `expected the rest of the request within ${idleSeconds} seconds`));
  }, idleSeconds * 1000);
  const stop = () => clearTimeout(timer);
  request.on("data", () => timer.refresh());
  request.on("end", stop);
  request.on("close", stop);
}

function jsonOf(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new HttpError(400, "expected a body in JSON, got something else");
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new HttpError(400, "expected a JSON object");
}

const DATA_URL = /^data:[\w.+/-]*(?:;[\w.+-]+=[\w.+-]+)*;base64,/;

/** The bytes of a sound in a text. @throws HttpError 400 that begins with what it is called */
export function bytesOf(text: string, name: string): Buffer {
  const base64 = text.slice(DATA_URL.exec(text.slice(0, 200))?.[0].length ?? 0);
  if (base64 !== "" && /^[A-Za-z0-9+/_-]+={0,2}$/.test(base64)) return Buffer.from(base64, "base64");
  throw new HttpError(400, `${name}: expected the bytes of a sound file in base64`, { param: name });
}

function missing(): HttpError {
  return new HttpError(400, "file: expected a sound file, got none", { param: "file", code: "missing_file" });
}
