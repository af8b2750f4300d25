/** A source that is read ahead of whoever takes from it. */
export interface ReadAhead<T> {
  /** Resolves once something waits, or the source has ended. */
  ready(): Promise<void>;
  /** What waits, of at most this size in all, but one item at least; nothing only if the source has ended. */
  take(most: number): T[];
  /** What the source threw at its end. */
  failure(): { readonly error: unknown } | undefined;
  /** Ends the source. It is not waited for: it may hang. */
  stop(): void;
}

/** @param limit reading goes on while less than this waits in all */
export function readAhead<T>(source: AsyncIterable<T>, sizeOf: (item: T) => number, limit: number): ReadAhead<T> {
  const waiting: T[] = [];
  const size = (items: readonly T[]) => items.reduce((sum, item) => sum + sizeOf(item), 0);
  let [ended, stopped] = [false, false];
  let failure: { error: unknown } | undefined;
  let wake = () => {};
  let changed = Promise.resolve();
  const change = () => {
    wake();
    changed = new Promise((resolve) => {
      wake = resolve;
    });
  };
  change();
  const read = async () => {
    try {
      for await (const item of source) {
        waiting.push(item);
        change();
        while (!stopped && size(waiting) >= limit) await changed;
        if (stopped) break;
      }
    } catch (error) {
      failure = { error };
    }
    ended = true;
    change();
  };
  void read();
  return {
    async ready() {
      while (waiting.length === 0 && !ended) await changed;
    },
    take(most) {
      let [count, sum] = [0, 0];
      for (const item of waiting) {
        sum += sizeOf(item);
        if (count > 0 && sum > most) break;
        count++;
      }
      const taken = waiting.splice(0, count);
      change();
      return taken;
    },
    failure: () => failure,
    stop() {
      stopped = true;
      change();
    },
  };
}
