import { elementCount } from "../../tensor/host.ts";

// GPUBufferUsage's bits, by the specification: Node has no such global.
export const STORAGE = 0x80;
export const UNIFORM = 0x40;
export const COPY_DST = 0x08;
export const COPY_SRC = 0x04;
export const MAP_READ = 0x01;

/** A buffer with an id to cache by. */
export interface PooledBuffer {
  readonly id: number;
  readonly size: number;
  readonly generation: number;
  readonly buffer: GPUBuffer;
  /** The free ones of its size and usage. */
  readonly bucket: PooledBuffer[];
  /** The time when it was last given back, counted in trims. */
  usedAt: number;
}

/** Bytes of free buffers kept for reuse; past that, `trim` destroys those that were not used of late. */
const MAX_FREE_BYTES = 512 * 2 ** 20;

/** Rows that a buffer has room for at least: clips of up to 30 s share their buffers, and so their bind groups. */
export const LEAST_ROWS = 512;

/** Size classes of 2^k · {1, 1.5}: at most a third is wasted. */
export function sizeClass(count: number): number {
  const half = 2 ** (31 - Math.clz32(count - 1)); // below count, and at least half of it
  return count <= 1.5 * half ? 1.5 * half : 2 * half;
}

/** Bytes to make room for a tensor: those of a matrix for more rows, so that all matrices of a network grow at the same rows. */
export function roomFor(shape: readonly number[], bytesPerElement: number): number {
  const isMatrix = shape.length === 2;
  const bytes = bytesPerElement * (isMatrix ? shape[1] : 1);
  const count = isMatrix ? shape[0] : elementCount(shape);
  const least = isMatrix ? LEAST_ROWS : 64;
  return Math.ceil((bytes * (count <= least ? least : sizeClass(count))) / 4) * 4;
}

/** Buffers by size. Of free ones the oldest is taken, so that the same work gets the same buffers and bind groups. */
export class BufferPool {
  readonly #device: GPUDevice;
  /** Free buffers by usage and size, the oldest last. */
  readonly #free = new Map<number, Map<number, PooledBuffer[]>>();
  #nextId = 0;
  #generation = 0;
  #freeBytes = 0;
  #bytes = 0;
  #time = 0;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  get bytes(): number {
    return this.#bytes;
  }

  acquire(size: number, usage: number): PooledBuffer {
    const bucket = this.#free.get(usage)?.get(size) ?? this.#addBucket(size, usage);
    const pooled = bucket.pop();
    if (pooled) {
      this.#freeBytes -= size;
      return pooled;
    }
    this.#bytes += size;
    const buffer = this.#device.createBuffer({ size, usage });
    return { id: this.#nextId++, size, generation: this.#generation, buffer, bucket, usedAt: 0 };
  }

  release(pooled: PooledBuffer): void {
    if (pooled.generation !== this.#generation) {
      this.#destroy(pooled);
      return;
    }
    const { bucket } = pooled;
    let at = bucket.length;
    bucket.push(pooled);
    for (; at > 0 && bucket[at - 1].id < pooled.id; at--) bucket[at] = bucket[at - 1];
    bucket[at] = pooled;
    pooled.usedAt = this.#time;
    this.#freeBytes += pooled.size;
  }

  /**
   * Destroys free buffers if there are too many: those that were not used since the call before last. Only when no recorded
   * work can still name one.
   */
  trim(): void {
    this.#time++;
    if (this.#freeBytes > MAX_FREE_BYTES) this.#clear(this.#time - 2);
  }

  /** Destroys all free buffers; only when no recorded work can still name one. */
  empty(): void {
    this.#clear();
  }

  #clear(usedBefore = Number.POSITIVE_INFINITY): void {
    for (const bucket of [...this.#free.values()].flatMap((buckets) => [...buckets.values()])) {
      for (const pooled of bucket.splice(0)) {
        if (pooled.usedAt >= usedBefore) {
          bucket.push(pooled);
          continue;
        }
        this.#freeBytes -= pooled.size;
        this.#destroy(pooled);
      }
    }
  }

  #addBucket(size: number, usage: number): PooledBuffer[] {
    const buckets = this.#free.get(usage) ?? new Map<number, PooledBuffer[]>();
    this.#free.set(usage, buckets);
    const bucket: PooledBuffer[] = [];
    buckets.set(size, bucket);
    return bucket;
  }

  #destroy({ buffer, size }: PooledBuffer): void {
    buffer.destroy();
    this.#bytes -= size;
  }

  /** After a failed allocation: no buffer made so far is used again, once it is given back. */
  discard(): void {
    this.#generation++;
    this.#clear();
  }
}
