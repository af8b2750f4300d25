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
    const size = roundUp(bytes);
    const i = this.#free.findIndex(({ start, end }) => end - start >= size);
    if (i < 0) {
      const last = this.#free.at(-1);
      if (last?.end !== this.#end) return this.acquireFresh(bytes);
      this.#extend(last.start + size);
      this.#free.pop();
      return last.start;
    }
    const { start, end } = this.#free[i];
    if (end - start === size) this.#free.splice(i, 1);
    else this.#free[i].start += size;
    return start;
  }

  /** Memory that nothing has used before: all zeros, and no work under way can still read or write it. */
  acquireFresh(bytes: number): number {
    const start = this.#end;
    this.#extend(start + roundUp(bytes));
    return start;
  }

  release(start: number, bytes: number): void {
    const end = start + roundUp(bytes);
    let i = this.#free.findIndex((range) => range.start > start);
    if (i < 0) i = this.#free.length;
    this.#free.splice(i, 0, { start, end });
    this.#join(i);
    this.#join(i - 1);
  }

  /** Makes one of range i and the next if they touch. */
  #join(i: number): void {
    const [range, next] = [this.#free[i], this.#free[i + 1]];
    if (!range || range.end !== next?.start) return;
    range.end = next.end;
    this.#free.splice(i + 1, 1);
  }

  #extend(end: number): void {
    this.#grow(end + ALIGNMENT);
    this.#end = end;
  }
}

function roundUp(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / ALIGNMENT)) * ALIGNMENT;
}
