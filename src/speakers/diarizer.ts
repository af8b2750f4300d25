import { SenseVoiceError } from "../error.ts";
import { ChangeLimit } from "./change.ts";
import { type Chunk, clearOf, coarse, everyHalf, RATE, refine, WINDOW, windowOf } from "./chunks.ts";
import { byAppearance, type Turn } from "./turn.ts";
import { turnsOf } from "./turns.ts";
import { centresOf, unit } from "./vectors.ts";
import { groupVoices, nearest } from "./voices.ts";

/** The embedding of each window: 1.5 s at 16 kHz each. */
export type Embed = (windows: readonly Float32Array[]) => Promise<readonly Float32Array[]>;

/** Samples at 16 kHz in which somebody speaks, and where they begin in the recording. */
export interface Stretch {
  readonly startMs: number;
  readonly pcm: Float32Array;
}

export interface DiarizerOptions {
  /** `funasr` computes what FunASR does, oddities included; by default short recordings may hold several voices. */
  readonly mode?: "default" | "funasr";
  /** How many speakers there are; found unless given. */
  readonly speakers?: number;
  /** By default: from which likeness on two groups of windows are one voice, 0 to 1; 0.75 unless given. */
  readonly sameVoice?: number;
  /** By default: the most seconds that a window of 1.5 s speaks for; 2 unless given, and 2.5 from five minutes of speech on. */
  readonly share?: number;
  /** `funasr`: where random numbers start. */
  readonly seed?: number;
}

export interface Diarization {
  /** By time, none overlapping another. */
  readonly turns: Turn[];
  /** The mean embedding of each speaker (of embeddings of length 1, but in `funasr`). */
  readonly centres: Float32Array[];
}

/** By when voices are known well enough to hear less: samples of speech, and the share of a window from then on. */
const KNOWN = { samples: 300 * RATE, share: 2.5 };
/** Windows in one call, and how much sound waits for theirs. */
const BATCH = 32;
const MOST_WAITING = 2 * BATCH * WINDOW;

interface Window {
  readonly chunk: Chunk;
  /** Whether it counts where voices are looked for: it may be of one voice alone. */
  isClear: boolean;
  embedding?: Float32Array;
}

/** A stretch whose windows are on their way; its sound is let go with the last. */
interface Heard {
  readonly startMs: number;
  pcm: Float32Array;
  readonly windows: Window[];
  left: number;
  /** Whether windows in between are added, if there are to be any. */
  isRefined: boolean;
}

/**
 * Who speaks when in a recording, from its stretches of speech in order. Keeps an embedding for each window (768 bytes) and
 * at most 96 s of sound and a stretch, so that windows of several stretches are computed at once.
 */
export class Diarizer {
  readonly #embed: Embed;
  readonly #options: DiarizerOptions;
  readonly #heard: Heard[] = [];
  #waiting: { readonly of: Heard; readonly window: Window }[] = [];
  #samplesWaiting = 0;
  #samples = 0;
  readonly #limit = new ChangeLimit();
  #work: Promise<void> = Promise.resolve();

  constructor(embed: Embed, options: DiarizerOptions = {}) {
    const { speakers } = options;
    if (speakers !== undefined && !(Number.isInteger(speakers) && speakers >= 1)) {
      throw new SenseVoiceError(`speakers: expected a whole number from 1, got ${speakers}`);
    }
    this.#embed = embed;
    this.#options = options;
  }

  /** A stretch of speech, behind those before. Its samples are copied; without any it has no speaker. */
  add({ startMs, pcm }: Stretch): Promise<void> {
    const isRefined = this.#options.mode === "funasr";
    const share = this.#options.share ?? (this.#samples < KNOWN.samples ? undefined : KNOWN.share);
    const chunks = isRefined ? everyHalf(pcm.length, startMs) : coarse(pcm.length, startMs, share);
    this.#samples += pcm.length;
    const windows = chunks.map((chunk): Window => ({ chunk, isClear: true }));
    if (windows.length === 0) return this.#work;
    const heard: Heard = { startMs, pcm: pcm.slice(), windows, left: windows.length, isRefined };
    this.#heard.push(heard);
    this.#waiting.push(...windows.map((window) => ({ of: heard, window })));
    this.#samplesWaiting += pcm.length;
    this.#work = this.#work.then(async () => {
      while (this.#waiting.length >= BATCH || this.#samplesWaiting > MOST_WAITING) await this.#computeBatch();
    });
    return this.#work;
  }

  /** The turns of all that was added. */
  async finish(): Promise<Diarization> {
    await this.#work;
    while (this.#waiting.length > 0) await this.#computeBatch();
    const windows = this.#heard.flatMap(({ windows }) => [...windows].sort((a, b) => a.chunk.first - b.chunk.first));
    const chunks = windows.map(({ chunk }) => chunk);
    const embeddings = windows.map(({ embedding }) => embedding as Float32Array);
    if (chunks.length === 0) return { turns: [], centres: [] };
    const { mode, speakers, sameVoice, seed } = this.#options;
    if (mode === "funasr") {
      const { funasrLabels } = await import("./funasr.ts"); // brings a library for matrices along
      const labels = byAppearance(funasrLabels(embeddings, speakers, seed));
      return { turns: turnsOf(chunks, labels), centres: centresOf(embeddings, labels) };
    }
    // Others may hold two voices: they do not tell which voices there are, but are told by them.
    const enough = windows.filter(({ isClear }) => isClear).length >= (speakers ?? 1);
    const telling = embeddings.filter((_, i) => windows[i].isClear || !enough);
    const voices = groupVoices(telling, { speakers, sameVoice });
    const centres = centresOf(telling.map(unit), voices);
    const directions = centres.map(unit);
    const own = voices.values();
    const labels = windows.map(({ isClear }, i) =>
      isClear || !enough ? (own.next().value as number) : nearest(embeddings[i], directions),
    );
    return spoken(turnsOf(chunks, labels, { keepApart: true }), labels, centres);
  }

  async #computeBatch(): Promise<void> {
    const batch = this.#waiting.splice(0, BATCH);
    const embeddings = await this.#embed(batch.map(({ of, window }) => windowOf(of.pcm, window.chunk)));
    for (const [i, { of, window }] of batch.entries()) {
      window.embedding = embeddings[i];
      of.left--;
      if (of.left === 0) this.#complete(of);
    }
  }

  /** All windows of a stretch are computed: those in between are added, once, or its sound is let go. */
  #complete(heard: Heard): void {
    const between = heard.isRefined ? [] : refined(heard, this.#limit);
    heard.isRefined = true;
    heard.left = between.length;
    heard.windows.push(...between);
    this.#waiting.push(...between.map((window) => ({ of: heard, window })));
    if (between.length > 0) return;
    this.#samplesWaiting -= heard.pcm.length;
    heard.pcm = new Float32Array();
  }
}

/** Tells which of a stretch's windows are clear, and those to add between unlike ones. */
function refined({ windows, startMs }: Heard, limit: ChangeLimit): Window[] {
  const embeddings = windows.map(({ embedding }) => embedding as Float32Array);
  limit.add(embeddings);
  for (const [i, isClear] of clearOf(embeddings, limit.value).entries()) windows[i].isClear = isClear;
  const chunks = windows.map(({ chunk }) => chunk);
  return refine(chunks, embeddings, startMs, limit.value).map((chunk) => ({ chunk, isClear: false }));
}

/** Turns and centres numbered by first appearance in the turns: a voice that was heard only in passing may have none. */
function spoken(turns: readonly Turn[], labels: readonly number[], centres: readonly Float32Array[]): Diarization {
  const inWindows = [...new Set(labels)];
  const inTurns = [...new Set(turns.map(({ speaker }) => speaker))];
  return {
    turns: turns.map((turn) => ({ ...turn, speaker: inTurns.indexOf(turn.speaker) })),
    centres: inTurns.map((speaker) => centres[inWindows[speaker]]),
  };
}
