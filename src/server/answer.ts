import type { z } from "zod";
import { SenseVoiceError } from "../error.ts";
import { fetchSound } from "./fetchSound.ts";
import { HttpError } from "./httpError.ts";
import type { Answer } from "./openai.ts";
import type { Ask } from "./schemas.ts";
import type { RequestContext, Service } from "./service.ts";
import type { Spool } from "./spool.ts";
import type { Hearing, Segments } from "./transcriber.ts";
import { receive } from "./upload.ts";

/** How a route makes an answer of what it was sent. */
interface Route<S extends z.ZodObject> {
  readonly schema: S;
  /** What the fields ask of the recording. */
  readonly ask: (fields: z.infer<S>) => Ask;
  readonly answer: (fields: z.infer<S>, segments: Segments) => Answer;
}

/** Takes a sound, hears it or remembers it, and answers, all at once where the format allows it. */
export async function answerSound<S extends z.ZodObject>(
  c: RequestContext,
  service: Service,
  { schema, ask, answer }: Route<S>,
): Promise<Response> {
  const { metrics, results, transcriber, log } = service;
  const { fields, sound, hearing, signal, close } = await takeUpload(c, service, schema, (spool) =>
    transcriber.begin(spool),
  );
  try {
    const arrived = performance.now();
    const { known, segments } = await results.hear(sound, hearing, ask(fields), { key: c.get("key"), signal });
    const cache = known ? "hit" : "miss";
    c.set("cache", cache);
    metrics.cache.inc({ outcome: cache });
    const counted = countSound(segments, (duration) => {
      c.set("sound", duration);
      if (known || duration === 0) return;
      metrics.sound.inc(duration);
      metrics.rtf.observe((performance.now() - arrived) / 1000 / duration);
    });
    const { type, body } = answer(fields, counted);
    const first = await body.next();
    c.header("Content-Type", type);
    c.header("X-Cache", cache);
    c.header("Cache-Control", "no-store");
    c.header("X-Accel-Buffering", "no");
    const fail = (error: HttpError) => {
      if (error.status !== 499) log.warn({ id: c.get("id"), reason: error.message }, "an answer was cut off");
      if (type === "text/event-stream") return `data: ${JSON.stringify(error.body)}\n\n`;
      return type === "application/x-ndjson" ? `${JSON.stringify(error.body)}\n` : undefined;
    };
    return c.body(rest(first, body, close, fail));
  } catch (error) {
    await close();
    throw httpErrorOf(error);
  }
}

/**
 * Takes a place and reads a request: its sound goes to `begin` as it comes. Call `close` in the end.
 *
 * @throws HttpError if there is no place, or the request is not as it should be
 */
export async function takeUpload<S extends z.ZodObject, H extends Hearing>(
  c: RequestContext,
  service: Service,
  schema: S,
  begin: (sound: Spool) => H,
) {
  const { config } = service;
  if (service.closed !== undefined) throw new HttpError(503, service.closed, { retryAfter: 10 });
  const leave = service.places.enter(c.get("key"));
  const { signal, end } = requestLife(c, config.timeout);
  const begun: { sound?: Spool; hearing?: H } = {};
  const close = async () => {
    end();
    leave();
    await begun.hearing?.close();
    await begun.sound?.remove();
  };
  try {
    const { fields, sound } = await receive(c.env.incoming, schema, {
      maxBytes: config.maxUpload,
      idleSeconds: config.idleTimeout,
      signal,
      begin: async () => {
        begun.sound = await service.uploads.create();
        begun.hearing = begin(begun.sound);
        return begun.sound;
      },
      fetch: (url) => fetchSound(url, { hosts: config.allowUrl, maxBytes: config.maxUpload, signal }),
    });
    return { fields, sound, hearing: begun.hearing as H, signal, close };
  } catch (error) {
    await close();
    throw httpErrorOf(error);
  }
}

/** Aborts when the client goes, or its time is over. */
function requestLife(c: RequestContext, seconds: number) {
  const life = new AbortController();
  const over = new HttpError(504, `expected to be done within ${seconds} seconds, it takes longer`, {
    code: "timeout",
  });
  const timer = setTimeout(() => life.abort(over), seconds * 1000);
  const gone = () => life.abort(new HttpError(499, "the connection was closed"));
  const { outgoing } = c.env;
  const closed = () => outgoing.writableFinished || gone();
  outgoing.on("close", closed);
  if (outgoing.destroyed) gone();
  return {
    signal: life.signal,
    end() {
      clearTimeout(timer);
      outgoing.off("close", closed);
    },
  };
}

/** Calls `told` with the duration, once it is known. */
async function* countSound(segments: Segments, told: (duration: number) => void): Segments {
  const total = yield* segments;
  told(total.duration);
  return total;
}

/**
 * A body whose first part is there. What goes wrong later cannot change the status: where the format has a way to say so
 * it is told at the end, else the connection is cut.
 */
function rest(
  first: IteratorResult<string>,
  body: AsyncGenerator<string>,
  close: () => Promise<void>,
  fail: (error: HttpError) => string | undefined,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let next = first;
  return new ReadableStream({
    async pull(controller) {
      try {
        if (next.done) {
          await close();
          controller.close();
          return;
        }
        controller.enqueue(encoder.encode(next.value));
        next = await body.next();
      } catch (error) {
        await close();
        const told = fail(httpErrorOf(error));
        if (told === undefined) return controller.error(error);
        controller.enqueue(encoder.encode(told));
        controller.close();
      }
    },
    async cancel() {
      await body.return(undefined).catch(() => {});
      await close();
    },
  });
}

/** What was thrown, as an answer. What is asked wrongly is told; what is our own fault is not shown. */
export function httpErrorOf(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  if (error instanceof SenseVoiceError && /^\[(engine|vad|output)\] [\w.[\]]+:/.test(error.message)) {
    return new HttpError(400, error.message.replace(/^\[\w+\] /, ""), { code: "invalid_value" });
  }
  return new HttpError(500, "the sound could not be heard: an error of the server", { cause: error });
}
