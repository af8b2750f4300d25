import { checkFinite, SAMPLE_RATE } from "../audio/pcm.ts";
import { BLANK } from "../model/sensevoice/ctc.ts";
import type { SpeechEvent, VoiceActivity } from "./voiceActivity.ts";

/** The best token of each row of 60 ms of a sound of at most 30 s. */
export type BestTokens = (pcm: Float32Array) => Promise<Float32Array>;

const ROW_MS = 60;
const ROW = (ROW_MS * SAMPLE_RATE) / 1000;
/** Rows of a window: 30 s. */
const WINDOW = 500;
/** Rows at either end of a window that are left to its neighbour, which hears more around them. */
const MARGIN = 40;

export interface ModelActivityOptions {
  /** Time without a token that ends a segment; 800 unless given. */
  readonly endSilenceMs?: number;
  /** What a segment has before its first token and after its last one; 300 unless given, at most half a pause. */
  readonly padMs?: number;
  /** Where a segment is cut, at its longest pause, even if it goes on; 60 000 unless given. */
  readonly maxSegmentMs?: number;
}

/**
 * Voice activity by the recogniser itself, for where there is no model of voice activity: speech is where its CTC head
 * has tokens, and ends where it says blank for long. It listens in windows of 30 s that overlap by 4.8 s.
 */
export class ModelActivity implements VoiceActivity {
  readonly #bestTokens: BestTokens;
  readonly #pauseRows: number;
  readonly #padMs: number;
  readonly #maxSegmentMs: number;
  readonly #window = new Float32Array(WINDOW * ROW);
  #filled = 0;
  /** The window's first row, and the next row to be decided. */
  #first = 0;
  #row = 0;
  /** The open segment: where it began, its last row with a token, its pauses. */
  #start: number | undefined;
  #token = 0;
  #pauses: { ms: number; rows: number }[] = [];
  /** Where the last segment ended. */
  #end = 0;
  #heard = 0;

  constructor(bestTokens: BestTokens, options: ModelActivityOptions = {}) {
    const { endSilenceMs = 800, padMs = 300, maxSegmentMs = 60_000 } = options;
    this.#bestTokens = bestTokens;
    this.#pauseRows = Math.max(1, Math.ceil(endSilenceMs / ROW_MS));
    this.#padMs = Math.min(padMs, (this.#pauseRows * ROW_MS) / 2);
    this.#maxSegmentMs = maxSegmentMs;
  }

  /** See VoiceActivity.push. */
  async push(pcm: Float32Array): Promise<SpeechEvent[]> {
    const events: SpeechEvent[] = [];
    for (let at = 0; at < pcm.length; ) {
      const part = pcm.subarray(at, at + this.#window.length - this.#filled);
      checkFinite(part, "audio", this.#heard);
      this.#window.set(part, this.#filled);
      this.#filled += part.length;
      this.#heard += part.length;
      at += part.length;
      if (this.#filled < this.#window.length) break;
      events.push(...this.#decide(await this.#bestTokens(this.#window.slice()), WINDOW - MARGIN));
      const step = WINDOW - 2 * MARGIN;
      this.#window.copyWithin(0, step * ROW);
      this.#filled -= step * ROW;
      this.#first += step;
    }
    return events;
  }

  /** See VoiceActivity.finish. */
  async finish(): Promise<SpeechEvent[]> {
    if (this.#heard === 0) return [];
    const ids = await this.#bestTokens(this.#window.slice(0, this.#filled));
    const events = this.#decide(ids, ids.length);
    if (this.#start === undefined) return events;
    const end = Math.min(this.#endMs(), Math.floor((this.#heard * 1000) / SAMPLE_RATE));
    return [...events, [-1, end]];
  }

  close(): void {}

  /** The rows of the window that nobody has decided yet, up to its row `end`. */
  #decide(ids: Float32Array, end: number): SpeechEvent[] {
    const events: SpeechEvent[] = [];
    for (; this.#row < this.#first + end; this.#row++) {
      if (ids[this.#row - this.#first] !== BLANK) events.push(...this.#onToken(this.#row));
      else if (this.#start !== undefined && this.#row - this.#token >= this.#pauseRows) {
        this.#end = this.#endMs();
        this.#start = undefined;
        events.push([-1, this.#end]);
      }
    }
    return events;
  }

  #onToken(row: number): SpeechEvent[] {
    const last = this.#token;
    this.#token = row;
    if (this.#start === undefined) {
      this.#start = Math.max(this.#end, row * ROW_MS - this.#padMs);
      this.#pauses = [];
      return [[this.#start, -1]];
    }
    this.#pauses.push({ ms: ((last + 1 + row) / 2) * ROW_MS, rows: row - last - 1 });
    const events: SpeechEvent[] = [];
    for (let limit = this.#limit(); this.#endMs() > limit; limit = this.#limit()) {
      const pauses = this.#pauses.filter(({ ms }) => ms <= limit);
      const longest = pauses.reduce((best, pause) => (pause.rows >= best.rows ? pause : best), { ms: limit, rows: 0 });
      this.#pauses = this.#pauses.filter(({ ms }) => ms > longest.ms);
      this.#start = longest.ms;
      events.push([-1, longest.ms], [longest.ms, -1]);
    }
    return events;
  }

  /** The longest that the open segment may last. */
  #limit(): number {
    return (this.#start ?? 0) + this.#maxSegmentMs;
  }

  #endMs(): number {
    return (this.#token + 1) * ROW_MS + this.#padMs;
  }
}
