import { COPY_DST, UNIFORM } from "./buffers.ts";

/** Bytes of a kernel's `Params`. */
export const PARAMS_BYTES = 64;
/** Every adapter can bind a uniform at a multiple of 256. */
const STRIDE = 256;
const BLOCKS = 1024;
const WORDS = PARAMS_BYTES / 4;

/** A list of parameters in the uniform buffer. */
interface Block {
  /** Where it is, as setBindGroup wants it. */
  readonly offset: readonly [number];
  /** The next with the same hash. */
  readonly next: Block | undefined;
}

/**
 * The parameters of kernels, in one uniform buffer that is bound with a dynamic offset, so that they do not multiply bind
 * groups. Equal ones share a place and stay there: a run of a length that was seen before writes none.
 */
export class Params {
  readonly buffer: GPUBuffer;
  readonly #queue: GPUQueue;
  readonly #words = new Uint32Array((BLOCKS * STRIDE) / 4);
  readonly #blocks = new Map<number, Block>();
  #used = 0;
  #written = 0;

  constructor(device: GPUDevice) {
    this.#queue = device.queue;
    this.buffer = device.createBuffer({ size: this.#words.byteLength, usage: UNIFORM | COPY_DST });
  }

  /** Whether there is no room for one more: then submit. */
  get full(): boolean {
    return this.#used === BLOCKS;
  }

  /** The dynamic offset of these numbers. */
  place(params: readonly number[]): readonly [number] {
    let hash = params.length;
    for (let i = 0; i < params.length; i++) hash = (Math.imul(hash, 31) + params[i]) | 0;
    const first = this.#blocks.get(hash);
    for (let block = first; block; block = block.next) if (this.#holds(block, params)) return block.offset;
    const offset = [this.#used++ * STRIDE] as const;
    this.#words.fill(0, offset[0] / 4, offset[0] / 4 + WORDS);
    this.#words.set(params, offset[0] / 4);
    this.#blocks.set(hash, { offset, next: first });
    return offset;
  }

  #holds({ offset }: Block, params: readonly number[]): boolean {
    const at = offset[0] / 4;
    for (let i = 0; i < params.length; i++) if (this.#words[at + i] !== params[i]) return false;
    return true;
  }

  /** Writes what is new. Call it right before the submit of what was recorded with it. */
  write(): void {
    if (this.#used > this.#written) {
      const from = (this.#written * STRIDE) / 4;
      const count = (this.#used * STRIDE) / 4 - from;
      this.#queue.writeBuffer(this.buffer, from * 4, this.#words, from, count);
    }
    this.#written = this.#used;
    if (!this.full) return;
    this.#blocks.clear(); // from the beginning again: the next write comes after this submit
    this.#used = 0;
    this.#written = 0;
  }
}
