import { untilAborted } from "../pause.ts";
import { HttpError } from "./httpError.ts";

export interface PlacesOptions {
  /** Sounds that are heard at a time. */
  readonly concurrency: number;
  /** Requests beyond those that wait or send their sound; more are refused. */
  readonly maxQueue: number;
  /** Seconds of sound that are heard in one batch, but for one sound that is longer. */
  readonly batchSeconds: number;
}

/** Hears a batch. */
type Hear<Item, Result> = (items: readonly Item[], signal: AbortSignal) => Promise<readonly Result[]>;

/** Something that waits for the device. */
interface Work<Item, Result> {
  readonly key: string;
  readonly seconds: number;
  /** Only works of one group share a batch. */
  readonly group: string;
  /** What a batch is made of; without it the work takes as long as it wants, beside others. */
  readonly item?: Item;
  readonly signal: AbortSignal;
  readonly start: (outcome: Promise<Result> | undefined) => void;
}

/**
 * Who is served when. A request enters on its arrival and is refused if too many are there. With its sound at hand it
 * waits for its turn: keys are served in rotation, so that one with many requests holds up no other. When the device is
 * free, short sounds that wait go to it as a batch.
 */
export class Places<Item, Result> {
  readonly #options: PlacesOptions;
  readonly #hear: Hear<Item, Result>;
  /** Requests inside: those that send, wait or are heard; of each key. */
  readonly #inside = new Map<string, number>();
  #count = 0;
  /** By key; the key that was served longest ago first. */
  readonly #waiting = new Map<string, Work<Item, Result>[]>();
  #active = 0;
  /** While a batch is heard, what comes gathers for the next. */
  #batching = false;
  /** Seconds that a request takes from its turn on; a moving mean. */
  #seconds = 1;
  /** Called with the size of each batch. */
  onBatch: (size: number) => void = () => {};

  constructor(options: PlacesOptions, hear: Hear<Item, Result>) {
    this.#options = options;
    this.#hear = hear;
  }

  get inside(): number {
    return this.#count;
  }

  get active(): number {
    return this.#active;
  }

  /**
   * @returns what to call when the request is over
   * @throws HttpError 429 if all places are taken, or the key has half of them while others are inside
   */
  enter(key: string): () => void {
    const places = this.#options.concurrency + this.#options.maxQueue;
    const own = this.#inside.get(key) ?? 0;
    const crowded = own >= Math.max(1, places / 2) && own < this.#count;
    if (this.#count >= places || crowded) {
      const after = Math.ceil((this.#seconds * this.#count) / this.#options.concurrency);
      const what = crowded ? "half of the places are taken by this key" : `all ${places} places are taken`;
      throw new HttpError(429, `${what}; try again later`, {
        code: "queue_full",
        retryAfter: Math.min(60, Math.max(1, after)),
      });
    }
    this.#count++;
    this.#inside.set(key, own + 1);
    let inside = true;
    return () => {
      if (!inside) return;
      inside = false;
      this.#count--;
      const left = (this.#inside.get(key) ?? 1) - 1;
      if (left > 0) this.#inside.set(key, left);
      else this.#inside.delete(key);
    };
  }

  /** One short sound's result; it may be heard in a batch with others of its group. */
  hear(item: Item, about: { key: string; seconds: number; group: string; signal: AbortSignal }): Promise<Result> {
    return this.#wait({ ...about, item }) as Promise<Result>;
  }

  /** Waits for a turn of its own. Returns what to call when it is over. */
  async turn(key: string, signal: AbortSignal): Promise<() => void> {
    await this.#wait({ key, seconds: 0, group: "", signal });
    const begin = performance.now();
    return () => this.#leave(1, begin);
  }

  #wait(about: Omit<Work<Item, Result>, "start">): Promise<Result | undefined> {
    about.signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const abort = () => {
        const list = this.#waiting.get(about.key)?.filter((other) => other !== work) ?? [];
        if (list.length > 0) this.#waiting.set(about.key, list);
        else this.#waiting.delete(about.key);
        reject(about.signal.reason);
      };
      const start = (outcome: Promise<Result> | undefined) => {
        about.signal.removeEventListener("abort", abort);
        if (outcome) untilAborted(outcome, about.signal).then(resolve, reject);
        else resolve(undefined);
      };
      const work = { ...about, start };
      about.signal.addEventListener("abort", abort, { once: true });
      this.#waiting.set(about.key, [...(this.#waiting.get(about.key) ?? []), work]);
      queueMicrotask(() => this.#serve());
    });
  }

  #serve(): void {
    while (this.#active < this.#options.concurrency) {
      const first = this.#take((work) => !work.item || !this.#batching);
      if (!first) return;
      this.#active++;
      if (first.item) this.#startBatch(first);
      else first.start(undefined);
    }
  }

  /** Takes the next work that fits, and puts its key behind the others. */
  #take(fits: (work: Work<Item, Result>) => boolean): Work<Item, Result> | undefined {
    for (const [key, list] of this.#waiting) {
      if (!fits(list[0])) continue;
      const [work, ...others] = list;
      this.#waiting.delete(key);
      if (others.length > 0) this.#waiting.set(key, others);
      return work;
    }
    return undefined;
  }

  #startBatch(first: Work<Item, Result>): void {
    const batch = [first];
    let { seconds } = first;
    const fits = (work: Work<Item, Result>) =>
      work.item !== undefined && work.group === first.group && seconds + work.seconds <= this.#options.batchSeconds;
    while (this.#active < this.#options.concurrency) {
      const next = this.#take(fits);
      if (!next) break;
      batch.push(next);
      seconds += next.seconds;
      this.#active++;
    }
    this.#batching = true;
    this.onBatch(batch.length);
    const begin = performance.now();
    const everyone = whenAllAbort(batch.map(({ signal }) => signal));
    const results = this.#hear(
      batch.map(({ item }) => item as Item),
      everyone,
    );
    for (const [i, { start }] of batch.entries()) start(results.then((list) => list[i]));
    const done = () => {
      this.#batching = false;
      this.#leave(batch.length, begin);
    };
    results.then(done, done);
  }

  #leave(count: number, begin: number): void {
    this.#active -= count;
    this.#seconds += 0.2 * ((performance.now() - begin) / 1000 - this.#seconds);
    this.#serve();
  }
}

/** Aborts once all of these have. */
function whenAllAbort(signals: readonly AbortSignal[]): AbortSignal {
  const all = new AbortController();
  let left = signals.length;
  for (const signal of signals) {
    signal.addEventListener("abort", () => {
      if (--left === 0) all.abort(signal.reason);
    });
  }
  return all.signal;
}
