// GPUBufferUsage's bits, by the specification: Node has no such global.
export const STORAGE = 0x80;
export const UNIFORM = 0x40;
export const COPY_DST = 0x08;
export const COPY_SRC = 0x04;
export const MAP_READ = 0x01;

/** A buffer with an id to cache by; `size` is its size class, at least what was asked for. */
export interface PooledBuffer {
  readonly id: number;
  readonly size: number;
  readonly usage: number;
  readonly generation: number;
  readonly buffer: GPUBuffer;
}

/** Bytes of free buffers kept for reuse; what exceeds it is destroyed at the next `trim`. */
const MAX_FREE_BYTES = 512 * 2 ** 20;

/** Size classes of 2^k · {1, 1.25, 1.5, 1.75}, from 256 bytes: at most a fifth is wasted, and clips share buffers. */
export function sizeClass(bytes: number): number {
  if (bytes <= 256) return 256;
  const step = 2 ** (Math.ceil(Math.log2(bytes)) - 3);
  return Math.ceil(bytes / step) * step;
}

/** Buffers by size class, last in first out, so that the same work gets the same buffers and bind groups. */
export class BufferPool {
  readonly #device: GPUDevice;
  readonly #free = new Map<string, PooledBuffer[]>();
  #nextId = 0;
  #generation = 0;
  #freeBytes = 0;
  #bytes = 0;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  get bytes(): number {
    return this.#bytes;
  }

  acquire(bytes: number, usage: number, exact = false): PooledBuffer {
    const size = exact ? Math.ceil(bytes / 4) * 4 : sizeClass(bytes);
    const pooled = this.#free.get(`${usage}:${size}`)?.pop();
    if (pooled) {
      this.#freeBytes -= size;
      return pooled;
    }
    this.#bytes += size;
    const buffer = this.#device.createBuffer({ size, usage });
    return { id: this.#nextId++, size, usage, generation: this.#generation, buffer };
  }

  release(pooled: PooledBuffer): void {
    if (pooled.generation !== this.#generation) {
      pooled.buffer.destroy();
      this.#bytes -= pooled.size;
      return;
    }
    const key = `${pooled.usage}:${pooled.size}`;
    const bucket = this.#free.get(key);
    if (bucket) bucket.push(pooled);
    else this.#free.set(key, [pooled]);
    this.#freeBytes += pooled.size;
  }

  /** Destroys the free buffers if there are too many; only when no recorded work can still name one. */
  trim(most = MAX_FREE_BYTES): boolean {
    if (this.#freeBytes <= most) return false;
    this.#clear();
    return true;
  }

  #clear(): void {
    for (const bucket of this.#free.values()) for (const { buffer } of bucket) buffer.destroy();
    this.#free.clear();
    this.#bytes -= this.#freeBytes;
    this.#freeBytes = 0;
  }

  /** After a failed allocation: no buffer made so far is used again, once it is given back. */
  discard(): void {
    this.#generation++;
    this.#clear();
  }
}
