import { cosine, type Vector } from "./vectors.ts";

const MOST = 0.6;
const SHARE = 0.75;
const STEPS = 100;
/** What neighbours are taken to be like at first: so many of this cosine. */
const USUAL = { cosine: 0.7, count: 20 };

/**
 * Below which cosine neighbouring windows may be of two voices: 0.6, or 0.75 of what three in four neighbours so far do not
 * exceed, where that is less. So windows of a voice that varies are not all taken for changes. Not tuned on real recordings.
 */
export class ChangeLimit {
  readonly #counts = new Uint32Array(STEPS + 1);

  constructor() {
    this.#counts[USUAL.cosine * STEPS] = USUAL.count;
  }

  /** Takes a stretch's windows into account. */
  add(embeddings: readonly Vector[]): void {
    for (const [i, next] of embeddings.slice(1).entries()) {
      this.#counts[Math.round(Math.max(0, cosine(embeddings[i], next)) * STEPS)]++;
    }
  }

  get value(): number {
    const total = this.#counts.reduce((sum, count) => sum + count, 0);
    let below = 0;
    const step = this.#counts.findIndex((count) => {
      below += count;
      return below >= 0.75 * total;
    });
    return Math.min(MOST, (SHARE * step) / STEPS);
  }
}
