import { checkPiece } from "../audio/input.ts";
import { checkFinite, SAMPLE_RATE } from "../audio/pcm.ts";
import { SenseVoiceError } from "../error.ts";
import { untilAborted } from "../pause.ts";
import type { Clip, Cutter } from "./cut.ts";
import { readAhead } from "./readAhead.ts";
import type { Segment } from "./segment.ts";
import { type Hear, segmentOf } from "./transcribe.ts";

/** What is heard of a segment: while somebody speaks, again and again; then once and for all. */
export interface LiveResult extends Segment {
  /** Whether the segment is over; what comes next is another one. */
  readonly final: boolean;
  /** So many characters of `text` were the same in the result before; all of a final one. */
  readonly stable: number;
  /**
   * Speakers of final results so far who turned out to be others, if there are any: what was `from` is `to`, each of them at
   * once. Partial results have no speaker.
   */
  readonly renamed?: readonly Renaming[];
}

/** A speaker's label, and what it is from now on. */
export interface Renaming {
  readonly from: string;
  readonly to: string;
}

/** Tells the speakers of live sound apart. */
export interface LiveSpeakers {
  /**
   * The parts of a clip that is over, each with its speaker; clips come in order.
   *
   * @param heard what was heard of it, with word times
   */
  attribute(clip: Clip, heard: Promise<Segment>): Promise<readonly Omit<LiveResult, "final" | "stable">[]>;
}

export interface ListenOptions {
  readonly partialMs: number;
  readonly signal?: AbortSignal;
  /** If speakers are told apart. */
  readonly speakers?: {
    readonly loaded: Promise<LiveSpeakers>;
    /** Recognises with word times. */
    readonly hearTimed: Hear;
  };
  /** Called with the number of samples that do not wait any more: voice activity and the recogniser had them. */
  readonly onHeard?: (samples: number) => void;
}

/** Samples that may wait before a writer is asked to: 10 s. */
const MAX_WAITING = 10 * SAMPLE_RATE;

/**
 * Results while sound comes in: the segment that is open is recognised anew after every `partialMs` of sound, or as
 * often as the device can; sound that came meanwhile is taken at once.
 */
export async function* listen(
  sound: AsyncIterable<Float32Array>,
  cutter: Cutter,
  hear: Hear,
  { partialMs, signal, speakers, onHeard }: ListenOptions,
): AsyncGenerator<LiveResult> {
  const ahead = readAhead(sound, (pcm) => pcm.length, Number.POSITIVE_INFINITY);
  let before = { end: 0, text: "" };
  try {
    const voices = speakers && (await untilAborted(speakers.loaded, signal));
    const conclude = async (clip: Clip) => {
      const heard = (speakers?.hearTimed ?? hear)([clip.pcm]).then(([said]) => segmentOf(clip, said));
      return voices ? voices.attribute(clip, heard) : [await heard];
    };
    for (;;) {
      await untilAborted(ahead.ready(), signal);
      const pieces = ahead.take(Number.POSITIVE_INFINITY);
      const ended = pieces.length === 0;
      for (const pcm of ended ? [undefined] : pieces) {
        for (const clip of await (pcm ? cutter.push(pcm) : cutter.finish())) {
          for (const part of await conclude(clip)) yield { ...part, final: true, stable: part.text.length };
          before = { end: 0, text: "" };
        }
        onHeard?.(pcm?.length ?? 0);
      }
      if (ended) break;
      const open = cutter.open();
      if (!open || open.end - Math.max(open.start, before.end) < partialMs) continue;
      const [heard] = await hear([open.pcm]);
      yield { ...segmentOf(open, heard), final: false, stable: commonLength(before.text, heard.text) };
      before = { end: open.end, text: heard.text };
    }
    const failure = ahead.failure();
    if (failure) throw failure.error;
  } finally {
    ahead.stop();
    cutter.close();
  }
}

/** How many characters two texts begin with alike. A surrogate pair counts only as a whole. */
export function commonLength(a: string, b: string): number {
  let length = 0;
  for (const character of a) {
    if (!b.startsWith(character, length)) break;
    length += character.length;
  }
  return length;
}

/** Live sound on its way to the model: sound goes in by `write`, results come out by `for await`. */
export class SpeechStream implements AsyncIterable<LiveResult> {
  readonly #results: AsyncGenerator<LiveResult>;
  #sound!: ReadableStreamDefaultController<Float32Array>;
  #ended = false;
  /** Nobody reads the results any more. */
  #left = false;
  /** Samples that were written and not heard yet, and the writers that wait for there to be fewer. */
  #waiting = 0;
  #writers: (() => void)[] = [];

  /** @internal See LiveOptions.continued. */
  readonly speakers: Promise<LiveSpeakers> | undefined;

  /** @internal Use Engine.stream. */
  constructor(
    results: (sound: AsyncIterable<Float32Array>, onHeard: (samples: number) => void) => AsyncGenerator<LiveResult>,
    speakers?: Promise<LiveSpeakers>,
  ) {
    speakers?.catch(() => {}); // an error of the first result
    this.speakers = speakers;
    const sound = new ReadableStream<Float32Array>({
      start: (controller) => {
        this.#sound = controller;
      },
      cancel: () => {
        this.#left = true;
      },
    });
    this.#results = this.#follow(results(items(sound), (samples) => this.#onHeard(samples)));
  }

  /** The results. Once they end, have failed or are left nothing more is heard: writers do not wait. */
  async *#follow(results: AsyncGenerator<LiveResult>): AsyncGenerator<LiveResult> {
    try {
      yield* results;
    } finally {
      if (!this.#left && !this.#ended) this.#sound.close();
      this.#left = true;
      this.#onHeard(this.#waiting);
    }
  }

  #onHeard(samples: number): void {
    this.#waiting -= samples;
    if (this.#waiting < MAX_WAITING) for (const resume of this.#writers.splice(0)) resume();
  }

  /**
   * Takes the next samples, mono at 16 kHz in [-1, 1], any number of them. They are copied before the call returns.
   *
   * @returns resolves once less than 10 s of sound wait to be heard: at once, if sound comes as fast as it is spoken.
   *   Whoever sends faster waits for it, so that memory is bounded; who does not loses nothing. The results have to be
   *   read meanwhile; once nobody reads them any more, or they failed, it resolves. It never rejects
   * @throws SenseVoiceError (at once, not by the promise) for anything else, and after `end`
   */
  write(pcm: Float32Array): Promise<void> {
    if (this.#ended) throw new SenseVoiceError("[stream] write: the stream has ended; create a new one");
    checkPiece(pcm, "Float32Array", "[stream] write");
    checkFinite(pcm, "[stream] write");
    if (this.#left) return Promise.resolve();
    this.#sound.enqueue(new Float32Array(pcm));
    this.#waiting += pcm.length;
    return new Promise((resolve) => {
      if (this.#waiting < MAX_WAITING) resolve();
      else this.#writers.push(resolve);
    });
  }

  /** The sound is over: what is open becomes final, then the results end. */
  end(): void {
    if (!this.#ended && !this.#left) this.#sound.close();
    this.#ended = true;
  }

  [Symbol.asyncIterator](): AsyncGenerator<LiveResult> {
    return this.#results;
  }
}

/** Not every browser's ReadableStream can be iterated. */
async function* items<T>(stream: ReadableStream<T>): AsyncGenerator<T> {
  const reader = stream.getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    await reader.cancel();
  }
}
