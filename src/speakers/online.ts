import { type Group, union } from "./linkage.ts";
import { unit, type Vector } from "./vectors.ts";
import { groupVoices, likeness, SAME_VOICE } from "./voices.ts";

export interface OnlineOptions {
  /** No more speakers than these are told apart. */
  readonly speakers?: number;
  readonly sameVoice?: number;
}

/** A speaker that turned out to be another: what had number `from` has `to` from now on, and before. */
export interface Renumbering {
  readonly from: number;
  readonly to: number;
}

/** The number that a speaker has after these. */
export function settled(number: number, renumbered: readonly Renumbering[]): number {
  const moved = renumbered.find(({ from }) => from === number);
  return moved ? settled(moved.to, renumbered) : number;
}

/** Two speakers become one only when each has been heard in so many windows, and they are so alike. */
const CERTAIN = { windows: 8, likeness: 0.85 };
/** A single window is a new voice only if it is less like every voice so far; else it is the nearest one's. */
const SINGLE_NEW = 0.5;

/**
 * Speakers of live sound, stretch by stretch, in the order of their numbers: a stretch's windows are grouped into voices, and
 * each voice is the speaker it is most like, or a new one where none is alike. A number once given stays, unless two speakers
 * turn out to be one: 12 s of each were heard, and their likeness is 0.85 or more. Then the higher number becomes the lower,
 * and is not given again. Keeps one sum per speaker.
 */
export class OnlineSpeakers {
  readonly #options: OnlineOptions;
  /** By number; null: became another. */
  readonly #speakers: (Group | null)[] = [];

  constructor(options: OnlineOptions = {}) {
    this.#options = options;
  }

  /**
   * The number of each window of a stretch, from its embedding.
   * @returns labels after the renumberings, if there are any
   */
  add(embeddings: readonly Vector[]): { labels: number[]; renumbered: Renumbering[] } {
    const units = embeddings.map(unit);
    const voices = groupVoices(
      units,
      this.#options.speakers === 1 ? this.#options : { sameVoice: this.#options.sameVoice },
    );
    const groups = [...new Set(voices)].map((voice) =>
      units
        .filter((_, i) => voices[i] === voice)
        .map((sum): Group => ({ sum, count: 1 }))
        .reduce(union),
    );
    const numbers = groups.map((group) => this.#numberOf(group));
    const renumbered = this.#merge();
    return { labels: voices.map((voice) => settled(numbers[voice], renumbered)), renumbered };
  }

  /** The mean direction of each speaker; null: became another. */
  get centres(): (Float64Array | null)[] {
    return this.#speakers.map((group) => group && unit(group.sum));
  }

  #numberOf(group: Group): number {
    const { speakers = Number.POSITIVE_INFINITY, sameVoice = SAME_VOICE } = this.#options;
    let best = { number: -1, alike: Number.NEGATIVE_INFINITY };
    for (const [number, speaker] of this.#speakers.entries()) {
      if (!speaker) continue;
      const alike = likeness(group, speaker);
      if (alike > best.alike) best = { number, alike };
    }
    const least = group.count === 1 ? SINGLE_NEW : sameVoice;
    const isFull = this.#speakers.filter((speaker) => speaker).length >= speakers;
    if (best.number < 0 || (best.alike < least && !isFull)) return this.#speakers.push(group) - 1;
    this.#speakers[best.number] = union(this.#speakers[best.number] as Group, group);
    return best.number;
  }

  #merge(): Renumbering[] {
    const renumbered: Renumbering[] = [];
    for (let to = 0; to < this.#speakers.length; to++) {
      for (let from = to + 1; from < this.#speakers.length; from++) {
        const [kept, gone] = [this.#speakers[to], this.#speakers[from]];
        if (!kept || !gone || Math.min(kept.count, gone.count) < CERTAIN.windows) continue;
        if (likeness(kept, gone) < CERTAIN.likeness) continue;
        this.#speakers[to] = union(kept, gone);
        this.#speakers[from] = null;
        renumbered.push({ from, to });
      }
    }
    return renumbered;
  }
}
