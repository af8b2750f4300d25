/** Tensors start at a multiple of this and own whole ones, so a vector at a row's end may read past it. */
export const ALIGNMENT = 64;
/** The threads' own words and the module's constants lie below. */
const FIRST = 65536;

interface Range {
  start: number;
  end: number;
}

/**
 * Hands out ranges of the kernels' memory: addresses only, it touches no byte. Free ranges are kept in order and
 * joined with their neighbours; the lowest that is large enough is taken, so runs of mixed lengths share the memory
 * that the longest of them needs.
 */
export class Heap {
  readonly #free: Range[] = [];
  /** What was given back by the part that is recorded now: others might run beside it, so only it may use that again. */
  #own: Range[] | undefined;
  readonly #grow: (bytes: number) => void;
  #end = FIRST;

  /** @param grow makes the memory so large, or throws */
  constructor(grow: (bytes: number) => void) {
    this.#grow = grow;
  }

  /** Bytes up to the highest address handed out so far. */
  get bytes(): number {
    return this.#end;
  }

  acquire(bytes: number): number {
    return (this.#own && take(this.#own, roundUp(bytes))) ?? this.acquireShared(bytes);
  }

  /** Memory that no part has given back. */
  acquireShared(bytes: number): number {
    const size = roundUp(bytes);
    const start = take(this.#free, size);
    if (start !== undefined) return start;
    const last = this.#free.at(-1);
    if (last?.end !== this.#end) return this.acquireFresh(bytes);
    this.#extend(last.start + size);
    this.#free.pop();
    return last.start;
  }

  /** Memory that nothing has used before: all zeros, and no work under way can still read or write it. */
  acquireFresh(bytes: number): number {
    const start = this.#end;
    this.#extend(start + roundUp(bytes));
    return start;
  }

  release(start: number, bytes: number): void {
    put(this.#own ?? this.#free, { start, end: start + roundUp(bytes) });
  }

  /** Runs each part so that none is given memory which another has used. */
  apart(parts: readonly (() => void)[]): void {
    const released: Range[] = [];
    try {
      for (const part of parts) {
        this.#own = [];
        try {
          part();
        } finally {
          released.push(...this.#own);
        }
      }
    } finally {
      this.#own = undefined;
      for (const range of released) put(this.#free, range);
    }
  }

  #extend(end: number): void {
    this.#grow(end + ALIGNMENT);
    this.#end = end;
  }
}

/** The start of the lowest range that is large enough, which it is taken from. */
function take(ranges: Range[], size: number): number | undefined {
  const i = ranges.findIndex(({ start, end }) => end - start >= size);
  if (i < 0) return;
  const { start, end } = ranges[i];
  if (end - start === size) ranges.splice(i, 1);
  else ranges[i].start += size;
  return start;
}

/** Adds a range where it belongs. */
function put(ranges: Range[], range: Range): void {
  let i = ranges.findIndex(({ start }) => start > range.start);
  if (i < 0) i = ranges.length;
  ranges.splice(i, 0, range);
  join(ranges, i);
  join(ranges, i - 1);
}

/** Makes one of range i and the next if they touch. */
function join(ranges: Range[], i: number): void {
  const [range, next] = [ranges[i], ranges[i + 1]];
  if (!range || range.end !== next?.start) return;
  range.end = next.end;
  ranges.splice(i + 1, 1);
}

function roundUp(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / ALIGNMENT)) * ALIGNMENT;
}
