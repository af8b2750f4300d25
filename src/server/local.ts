import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { concat, MAX_SECONDS, SAMPLE_RATE } from "../audio/pcm.ts";
import type { Engine, EngineOptions, Transcript } from "../node.ts";
import { createPause, untilAborted } from "../pause.ts";
import { asksToCut, type Beginning, continued, takeBeginning, wholeSegment } from "../speech/beginning.ts";
import { defaultModel, findModel, findSpeaker } from "../weights/home.ts";
import type { Decoding } from "./decoding.ts";
import type { Places } from "./places.ts";
import type { Ask } from "./schemas.ts";
import { SMALL, type Spool } from "./spool.ts";
import type { Context, Hearing, Segments, Transcriber } from "./transcriber.ts";
import { Voices } from "./voices.ts";

/** A short sound, and what is asked about it. */
export interface Clip {
  readonly pcm: Float32Array;
  readonly ask: Omit<Ask, "people">;
}

export type EnginePlaces = Places<Clip, Transcript>;

/** An engine of this process hears. */
export class LocalTranscriber implements Transcriber {
  readonly model: string;
  readonly identity: string;
  readonly #engine: Engine;
  readonly #decoding: Decoding;
  readonly #places: EnginePlaces;
  readonly #voices: Voices;

  /** @param speaker what is known of the speaker model: results depend on it */
  constructor(engine: Engine, decoding: Decoding, places: EnginePlaces, speaker?: string) {
    this.model = engine.config.name;
    this.identity = identityOf(engine, speaker);
    this.#voices = new Voices(engine, decoding);
    this.#engine = engine;
    this.#decoding = decoding;
    this.#places = places;
  }

  /** See Transcriber.begin. A large sound is decoded while it still comes; a small one may turn out to be known. */
  begin(spool: Spool): Hearing {
    const ears = { engine: this.#engine, places: this.#places, voices: this.#voices };
    let decoded: { readonly sound: AsyncGenerator<Float32Array>; readonly beginning: Promise<Beginning> } | undefined;
    const decode = () => {
      if (decoded) return decoded;
      const sound = this.#decoding.decode(spool);
      decoded = { sound, beginning: takeBeginning(sound) };
      decoded.beginning.catch(() => {}); // told by segments
      return decoded;
    };
    spool.onGrowth(() => spool.growth.size > SMALL && decode());
    return {
      segments: (ask, context) => {
        const { sound, beginning } = decode();
        return hearSound(ears, beginning, sound, ask, context);
      },
      close: async () => {
        decoded?.sound.return(undefined).catch(() => {}); // not waited for: it ends with its thread
      },
    };
  }
}

/** What hears. */
export interface Ears {
  readonly engine: Engine;
  readonly places: EnginePlaces;
  /** Only where people may be asked for. */
  readonly voices?: Voices;
}

/** Hears a sound and the beginning that was taken of it: a short one as a whole, maybe in a batch with others. */
export async function* hearSound(
  { engine, places, voices }: Ears,
  begun: Promise<Beginning>,
  sound: AsyncGenerator<Float32Array>,
  { people: asked, ...ask }: Ask,
  { key, signal, onProgress }: Context,
): Segments {
  const beginning = await begun;
  if (!beginning.more && !asksToCut(ask)) {
    const pcm = await concat(beginning.pieces, createPause());
    const about = { key, seconds: pcm.length / SAMPLE_RATE, group: JSON.stringify(ask), signal };
    const heard = await places.hear({ pcm, ask }, about);
    const { duration } = heard;
    yield wholeSegment(heard);
    onProgress?.(duration);
    return { duration };
  }
  const leave = await places.turn(key, signal);
  try {
    let samples = 0;
    const counted = async function* () {
      for await (const pcm of continued(beginning, sound)) {
        samples += pcm.length;
        yield pcm;
      }
    };
    const people = asked && (await untilAborted(Promise.resolve(voices?.people(asked)), signal));
    yield* engine.transcribe(counted(), { ...ask, people, signal, onProgress });
    return { duration: samples / SAMPLE_RATE };
  } finally {
    leave();
  }
}

/** Hears clips that ask the same in one pass, as long as `Places` has made it. */
export function hearClips(
  engine: Engine,
  batchSeconds: number,
): (clips: readonly Clip[], signal: AbortSignal) => Promise<Transcript[]> {
  return (clips, signal) => {
    return engine.runBatch(
      clips.map(({ pcm }) => pcm),
      { ...clips[0].ask, batchSeconds: Math.min(batchSeconds, MAX_SECONDS), signal },
    );
  };
}

/** What tells the speaker model that a configuration leads to from others; undefined if there is none. */
export function speakerDigest({ model = defaultModel(), speakerModel }: EngineOptions): string | undefined {
  const dir = speakerModel ?? findSpeaker(findModel(model));
  const file = join(dir ?? "", "config.json"); // it has the digests of the others
  if (dir === undefined || !existsSync(file)) return undefined;
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

/** What an engine's results depend on. */
function identityOf({ config, weights }: Engine, speaker: string | undefined): string {
  const digests = Object.values(config.files).map(({ sha256 }) => sha256);
  return JSON.stringify([config.name, weights, digests, ...(speaker === undefined ? [] : [speaker])]);
}
