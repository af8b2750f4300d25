import { randomUUID } from "node:crypto";
import { SAMPLE_RATE } from "../audio/pcm.ts";
import type { Engine, LiveResult, Segment } from "../node.ts";
import { takeBeginning } from "../speech/beginning.ts";
import { httpErrorOf } from "./answer.ts";
import { Ear } from "./ear.ts";
import { checkFields, fromTexts } from "./fields.ts";
import { HttpError } from "./httpError.ts";
import { hearSound } from "./local.ts";
import { RawSound } from "./rawSound.ts";
import { type Item, Items } from "./realtimeItems.ts";
import {
  type ClientEvent,
  clientEvent,
  describe,
  parseJson,
  realtimeSchema,
  type Settings,
  updated,
} from "./realtimeSchema.ts";
import { type Ask, hotwordsOf, voiceSettings } from "./schemas.ts";
import type { RequestContext, Service } from "./service.ts";
import { type LiveSocket, openSocket, type Session } from "./sockets.ts";

/** Sound that waits for a commit: the least, as OpenAI has it, and the most. */
const MIN_COMMIT_SECONDS = 0.1;
const MAX_COMMIT_SECONDS = 600;

/** OpenAI's Realtime API for transcription sessions. Source: OpenAI's API reference, "Realtime". */
export function openRealtime(c: RequestContext, service: Service): Promise<Response> {
  const texts = new Map(Object.entries(c.req.queries()));
  return openSocket(c, service, {
    begin: (socket) => new RealtimeSession(socket, service, c.get("key"), texts),
    told: (error) => errorEvent(error),
  });
}

function errorEvent({ body }: HttpError, event_id: unknown = null): object {
  const { type, code, message, param } = body.error;
  return { type: "error", event_id: eventId(), error: { type, code, message, param, event_id } };
}

function eventId(): string {
  return `event_${randomUUID()}`;
}

class RealtimeSession implements Session {
  readonly #socket: LiveSocket;
  readonly #service: Service;
  readonly #key: string;
  readonly #id = `sess_${randomUUID()}`;
  readonly #partialSeconds: number | undefined;
  readonly #items: Items;
  readonly #gone = new AbortController();
  #settings: Settings;
  #sound: RawSound;
  /** Hears what comes, with server VAD. */
  #ear: Ear | undefined;
  /** What waits for a commit, without. */
  #buffer: Float32Array[] = [];
  /** The hearing of what was committed. */
  #hearing: Promise<void> = Promise.resolve();
  /** Samples that came, and of these the ones before what is not committed. */
  #samples = 0;
  #settled = 0;

  constructor(socket: LiveSocket, service: Service, key: string, texts: ReadonlyMap<string, readonly string[]>) {
    const { model, partialSeconds } = checkFields(realtimeSchema, fromTexts(realtimeSchema.shape, texts));
    this.#socket = socket;
    this.#service = service;
    this.#key = key;
    this.#partialSeconds = partialSeconds;
    this.#items = new Items((event) => this.#send(event));
    this.#settings = {
      rate: 24_000,
      transcription: { model: model ?? service.transcriber.model },
      turnDetection: { type: "server_vad" },
      include: null,
      speakers: false,
    };
    this.#sound = this.#openSound();
    this.#ear = this.#openEar(this.#settings);
    void this.#send({ type: "session.created", session: describe(this.#id, this.#settings, false) });
  }

  async take(message: Buffer, binary: boolean): Promise<void> {
    let value: unknown;
    try {
      if (binary) throw new HttpError(400, "expected events in JSON as text, got a binary message");
      value = parseJson(message.toString());
      await this.#handle(clientEvent(value));
    } catch (thrown) {
      const error = httpErrorOf(thrown);
      if (error.status !== 400) throw thrown;
      const id = typeof value === "object" && value !== null && "event_id" in value ? value.event_id : undefined;
      await this.#socket.send(errorEvent(error, typeof id === "string" ? id : null));
    }
  }

  async finish(): Promise<void> {
    try {
      await this.#sound.end();
    } finally {
      await this.#ear?.finish();
      await this.#hearing;
    }
  }

  drop(): void {
    this.#ear?.drop();
    this.#gone.abort(new HttpError(499, "the connection was closed"));
  }

  #send(event: { type: string; [name: string]: unknown }): Promise<void> {
    const { type, ...about } = event;
    return this.#socket.send({ type, event_id: eventId(), ...about });
  }

  #handle(event: ClientEvent): Promise<void> | void {
    switch (event.type) {
      case "session.update":
      case "transcription_session.update":
        return this.#update(event);
      case "input_audio_buffer.append":
        return this.#sound.write(bytesOf(event.audio));
      case "input_audio_buffer.commit":
        return this.#ear ? this.#commitHeard(this.#ear) : this.#commitBuffer();
      case "input_audio_buffer.clear":
        return this.#clear();
    }
  }

  /** Holds for the sound from now on; what is open becomes final. */
  async #update(event: Extract<ClientEvent, { session: object }>): Promise<void> {
    const settings = updated(this.#settings, event);
    await this.#sound.end();
    if (settings.turnDetection && this.#buffer.length > 0) {
      throw new HttpError(400, "turn_detection: expected the sound before it to be committed or cleared", {
        param: "turn_detection",
      });
    }
    const ear = settings.turnDetection ? this.#openEar(settings) : undefined;
    if (this.#ear) {
      await this.#ear.finish();
      this.#settled = this.#samples;
    }
    this.#ear = ear;
    this.#settings = settings;
    this.#sound = this.#openSound();
    const older = event.type === "transcription_session.update";
    this.#items.older = older;
    const type = older ? "transcription_session.updated" : "session.updated";
    await this.#send({ type, session: describe(this.#id, settings, older) });
  }

  async #commitHeard(ear: Ear): Promise<void> {
    await this.#sound.end();
    this.#checkCommit(0);
    const { count } = this.#items;
    await ear.finish();
    this.#ear = this.#openEar(this.#settings);
    if (this.#items.count === count) {
      const item = this.#items.create();
      await this.#items.commit(item);
      await this.#items.complete(item, [], this.#uncommitted, this.#logprobs);
    }
    this.#settled = this.#samples;
  }

  async #commitBuffer(): Promise<void> {
    await this.#sound.end();
    this.#checkCommit(MIN_COMMIT_SECONDS);
    const [pieces, seconds] = [this.#buffer, this.#uncommitted];
    this.#buffer = [];
    this.#settled = this.#samples;
    const item = this.#items.create();
    await this.#items.commit(item);
    await this.#hearing; // so that no more than two wait
    this.#hearing = this.#hear(item, pieces, seconds);
  }

  /** Seconds that came after what was committed or cleared. */
  get #uncommitted(): number {
    return (this.#samples - this.#settled) / SAMPLE_RATE;
  }

  #checkCommit(least: number): void {
    const seconds = this.#uncommitted;
    if (seconds > 0 && seconds >= least) return;
    const expected = least > 0 ? `at least ${least * 1000} ms of sound` : "sound";
    const told = `expected ${expected} before a commit, got ${Math.round(seconds * 1000)} ms`;
    throw new HttpError(400, told, { code: "input_audio_buffer_commit_empty" });
  }

  #clear(): Promise<void> {
    this.#buffer = [];
    this.#sound = this.#openSound();
    this.#settled = this.#samples;
    if (this.#ear) {
      this.#ear.drop();
      this.#ear = this.#openEar(this.#settings);
    }
    return this.#send({ type: "input_audio_buffer.cleared" });
  }

  #openSound(): RawSound {
    return new RawSound({ encoding: "s16le", rate: this.#settings.rate, channels: 1 }, (pcm) => {
      if (!this.#ear && this.#uncommitted > MAX_COMMIT_SECONDS) {
        throw new HttpError(400, `expected a commit after at most ${MAX_COMMIT_SECONDS} seconds of sound`);
      }
      this.#socket.count(pcm.length);
      this.#samples += pcm.length;
      if (this.#ear) return this.#ear.write(pcm);
      this.#buffer.push(pcm);
    });
  }

  get #logprobs(): boolean {
    return (this.#settings.include?.length ?? 0) > 0;
  }

  #ask({ transcription, include }: Settings): Omit<Ask, "people"> {
    return {
      language: transcription.language,
      itn: this.#service.config.itn || undefined,
      hotwords: hotwordsOf(transcription.prompt),
      logProbs: include?.length ? true : undefined,
    };
  }

  /** @throws SenseVoiceError for what the engine refuses */
  #openEar(settings: Settings): Ear {
    const cutting = settings.turnDetection ? voiceSettings(settings.turnDetection) : {};
    const { speakers } = settings;
    const continued = speakers === this.#settings.speakers ? this.#ear?.stream : undefined;
    const options = { ...this.#ask(settings), ...cutting, partialSeconds: this.#partialSeconds, speakers, continued };
    const from = this.#samples;
    const logprobs = settings.include !== null && settings.include.length > 0;
    let item: Item | undefined;
    const onResult = async (result: LiveResult) => {
      const place = (seconds: number) => Math.round((from / SAMPLE_RATE + seconds) * 1000);
      const { start, end, text, stable, final } = result;
      if (!item) {
        item = this.#items.create();
        const began = { audio_start_ms: place(start), item_id: item.id };
        await this.#send({ type: "input_audio_buffer.speech_started", ...began });
      }
      if (!final) return this.#items.partial(item, text, stable);
      const ended = { audio_end_ms: place(end), item_id: item.id };
      await this.#send({ type: "input_audio_buffer.speech_stopped", ...ended });
      await this.#items.commit(item);
      await this.#items.complete(item, [result], end - start, logprobs);
      this.#settled = Math.max(this.#settled, from + Math.round(end * SAMPLE_RATE));
      item = undefined;
    };
    return new Ear(this.#service.engine as Engine, options, onResult, (error) => this.#socket.fail(error));
  }

  /** Hears what was committed: as a request would be, in turn with others. */
  async #hear(item: Item, pieces: readonly Float32Array[], seconds: number): Promise<void> {
    const { engine, places } = this.#service;
    const [ask, logprobs] = [this.#ask(this.#settings), this.#logprobs];
    const context = { key: this.#key, signal: this.#gone.signal };
    let leave = () => {};
    try {
      leave = places.enter(this.#key);
      const sound = (async function* () {
        yield* pieces;
      })();
      const ears = { engine: engine as Engine, places };
      const segments: Segment[] = [];
      for await (const segment of hearSound(ears, takeBeginning(sound), sound, ask, context)) {
        segments.push(segment);
        await this.#items.heard(item, segments);
      }
      await this.#items.complete(item, segments, seconds, logprobs);
    } catch (thrown) {
      const error = httpErrorOf(thrown);
      if (error.status === 500)
        this.#service.log.error({ err: error.options.cause ?? thrown }, "an error of the server");
      await this.#items.fail(item, error);
    } finally {
      leave();
    }
  }
}

/** @throws HttpError 400 */
function bytesOf(base64: string): Buffer {
  if (base64.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(base64)) return Buffer.from(base64, "base64");
  throw new HttpError(400, "audio: expected bytes in base64", { param: "audio", code: "invalid_value" });
}
