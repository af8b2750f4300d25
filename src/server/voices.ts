import { createHash } from "node:crypto";
import { LRUCache } from "lru-cache";
import { concat, SAMPLE_RATE } from "../audio/pcm.ts";
import { quote, SenseVoiceError } from "../error.ts";
import type { Engine, KnownPerson } from "../node.ts";
import { createPause } from "../pause.ts";
import type { Decoding } from "./decoding.ts";
import { HttpError } from "./httpError.ts";
import type { Ask } from "./schemas.ts";
import { bytesOf } from "./upload.ts";

/** Seconds of a reference, as OpenAI has them; an encoder's padding may come on top. */
const SHORTEST = 2;
const LONGEST = 10;
const PADDING = 0.2;

/** What a reference is called in messages that do not know whose it is. */
const NAME = "sound";

/** Embeddings that are kept, of 768 bytes. */
const KEPT = 1000;

/** Known people, by sounds of their voices that requests bring. A sound that comes again is not computed again. */
export class Voices {
  readonly #engine: Engine;
  readonly #decoding: Decoding;
  readonly #embeddings = new LRUCache<string, Promise<Float32Array>>({ max: KEPT });

  constructor(engine: Engine, decoding: Decoding) {
    this.#engine = engine;
    this.#decoding = decoding;
  }

  /** @throws HttpError 400 that names whose reference is wrong */
  async people(asked: NonNullable<Ask["people"]>): Promise<KnownPerson[]> {
    const names = asked.map(({ name }) => name);
    const twice = names.find((name, i) => names.indexOf(name) !== i);
    if (twice !== undefined) throw refusal(`expected names that differ, got ${quote(twice)} twice`);
    const people: KnownPerson[] = [];
    for (const { name, reference } of asked) {
      try {
        people.push({ name, embeddings: [await this.#embeddingOf(bytesOf(reference, NAME))] });
      } catch (error) {
        if (!(error instanceof HttpError) || error.status !== 400) throw error;
        throw refusal(`reference of ${quote(name)}: ${error.message.replace(`${NAME}: `, "")}`);
      }
    }
    return people;
  }

  /** What fails is tried again the next time. */
  #embeddingOf(bytes: Buffer): Promise<Float32Array> {
    const digest = createHash("sha256").update(bytes).digest("hex");
    const known = this.#embeddings.get(digest);
    if (known) return known;
    const embedding = this.#embed(bytes);
    this.#embeddings.set(digest, embedding);
    embedding.catch(() => this.#embeddings.delete(digest));
    return embedding;
  }

  async #embed(bytes: Buffer): Promise<Float32Array> {
    const expected = `expected ${SHORTEST} to ${LONGEST} seconds of sound`;
    try {
      const pieces: Float32Array[] = [];
      for await (const piece of this.#decoding.decodeBytes(bytes, NAME, LONGEST + PADDING)) pieces.push(piece);
      const pcm = await concat(pieces, createPause());
      const seconds = pcm.length / SAMPLE_RATE;
      if (seconds < SHORTEST) throw refusal(`${expected}, got ${seconds.toFixed(2)}`);
      return await this.#engine.embedVoice(pcm);
    } catch (error) {
      if (error instanceof HttpError && error.options.code === "audio_too_long") throw refusal(`${expected}, got more`);
      const reason =
        error instanceof SenseVoiceError ? /^\[speakers\] voice: (.*)/.exec(error.message)?.[1] : undefined;
      throw reason === undefined ? error : refusal(reason);
    }
  }
}

function refusal(message: string): HttpError {
  return new HttpError(400, message, { code: "invalid_value" });
}
