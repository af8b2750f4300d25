import { SenseVoiceError } from "../../error.ts";
import { Arena, expectLive } from "../../tensor/arena.ts";
import type { LinearWeight, Tensor } from "../../tensor/backend.ts";
import { BYTES_PER_ELEMENT, type DType, elementCount, type HostData } from "../../tensor/host.ts";
import type { Int8Products } from "./formats.ts";
import { Heap } from "./memory.ts";
import type { KernelModule } from "./module.ts";
import { CEILINGS, KERNELS, type KernelName, ThreadPool } from "./threads.ts";

/** A tensor in the kernels' memory. */
export interface WasmTensor extends Tensor {
  readonly pointer: number;
  readonly bytes: number;
  /** No number in it is negative. */
  readonly positive?: boolean;
  /** It comes from products in int8. */
  readonly int8?: boolean;
  /** The commands among which is the one that fills it. */
  readonly origin: Origin;
}

/** Fate of a batch of commands: `failure` if they were lost. */
interface Origin {
  failure?: SenseVoiceError;
}

const PAGE = 65536;
/** The memory grows by at least this, so that loading a model does not grow it a thousand times. */
const GROWTH = 16 * 2 ** 20;

/**
 * The threads and the memory behind the WASM backend, in the manner of the WebGPU backend's Gpu: make tensors, record
 * kernels, read back. Recorded commands are sent as one batch by `read`; they run in order, and one at a time, so
 * that memory given back can be used again by the next command.
 */
export class WasmDevice {
  readonly #threads: number;
  /** What int8 weights can be multiplied with, fastest first. */
  readonly int8: readonly Int8Products[];
  readonly #memory: WebAssembly.Memory | undefined;
  readonly #maxBytes: number;
  readonly #heap = new Heap((bytes) => this.#grow(bytes));
  readonly #pool: ThreadPool;
  readonly #arena = new Arena<WasmTensor>(({ pointer, bytes }) => this.#heap.release(pointer, bytes));
  #running = 0;
  #commands: number[] = [];
  /** Where the parts for single threads begin among the commands, while such are recorded. */
  #parts: number | undefined;
  #uploads: Uint8Array<ArrayBuffer>[] = [];
  #inputs = new Set<Origin>();
  #origin: Origin = {};
  #closed: SenseVoiceError | undefined;

  constructor({ module, int8 }: KernelModule, threads: number) {
    this.int8 = int8;
    // A browser page without cross-origin isolation cannot share memory between threads.
    const shared = typeof SharedArrayBuffer !== "undefined";
    this.#threads = shared ? threads : 1;
    const { memory, pages } = shared ? createMemory() : { pages: CEILINGS[0] };
    this.#memory = memory;
    this.#maxBytes = pages * PAGE;
    this.#pool = new ThreadPool({ module, memory, threads: this.threads });
  }

  /** Threads that share what is recorded now. */
  get threads(): number {
    return this.#parts === undefined ? this.#threads : 1;
  }

  get bytes(): number {
    return this.#heap.bytes;
  }

  /** A tensor of undefined contents. */
  createTensor(shape: readonly number[], dtype: DType = "f32", positive = false, int8 = false): WasmTensor {
    const bytes = elementCount(shape) * BYTES_PER_ELEMENT[dtype];
    const pointer = this.#heap.acquire(bytes);
    return this.#arena.own({ shape, dtype, bytes, pointer, origin: this.#origin, positive, int8 });
  }

  /** A tensor of these numbers. They travel with the commands: work under way may still use the memory. */
  upload(shape: readonly number[], dtype: DType, data: HostData): WasmTensor {
    const bytes = elementCount(shape) * BYTES_PER_ELEMENT[dtype];
    const pointer = this.#heap.acquireShared(bytes);
    const tensor = this.#arena.own({ shape, dtype, bytes, pointer, origin: this.#origin });
    this.#addUpload(tensor, data);
    return tensor;
  }

  /**
   * A tensor of a weight's numbers, with zeros behind them as far as `shape` goes. Weights are large, so they go
   * straight into the memory, without a copy to send: where work is under way, into memory that it does not use.
   */
  uploadWeight(shape: readonly number[], dtype: DType, data: HostData): WasmTensor {
    return this.fillWeight(shape, dtype, (target) => {
      target.set(bytesOf(data));
      target.fill(0, data.byteLength);
    });
  }

  /** The same of the bytes that `fill` writes: all of them. */
  fillWeight(shape: readonly number[], dtype: DType, fill: (target: Uint8Array<ArrayBuffer>) => void): WasmTensor {
    const bytes = elementCount(shape) * BYTES_PER_ELEMENT[dtype];
    const idle = this.#running === 0 && this.#commands.length === 0;
    const pointer = idle ? this.#heap.acquire(bytes) : this.#heap.acquireFresh(bytes);
    const tensor = this.#arena.own({ shape, dtype, bytes, pointer, origin: this.#origin });
    if (this.#memory) fill(new Uint8Array(this.#memory.buffer, pointer, bytes));
    else {
      const target = new Uint8Array(bytes);
      fill(target);
      this.#addUpload(tensor, target);
    }
    return tensor;
  }

  /** Memory for a kernel's own use, `bytes` a thread, until the scope ends. */
  scratch(bytes: number): WasmTensor {
    return this.createTensor([this.threads, bytes], "u8");
  }

  /** Records a kernel. A tensor is passed as its address, one that is not given as 0. */
  record(kernel: KernelName, ...args: readonly (WasmTensor | number | boolean | undefined)[]): void {
    if (this.#closed) throw this.#closed;
    this.#commands.push(KERNELS.indexOf(kernel), args.length);
    for (const arg of args) {
      if (typeof arg === "object") this.#inputs.add(arg.origin);
      this.#commands.push(typeof arg === "object" ? arg.pointer : Number(arg ?? 0));
    }
  }

  /**
   * Records parts that do not read one another's tensors, each for a thread of its own, which then has no other one to wait for.
   *
   * @param parts as many as there are threads, or fewer
   */
  apart(parts: readonly (() => void)[]): void {
    this.#parts = this.#commands.length;
    try {
      this.#heap.apart(
        parts.map((part, i) => () => {
          this.record("part", i);
          part();
        }),
      );
    } finally {
      this.#parts = undefined;
      this.record("part", this.#threads);
    }
  }

  /** See Backend.scope. Memory comes back at once: commands run in order, so the next one can use it. */
  scope(record: () => WasmTensor): WasmTensor {
    return this.#arena.scope(record);
  }

  release(item: WasmTensor | LinearWeight<WasmTensor>): void {
    this.#arena.release(item);
  }

  /** Runs what is recorded and copies a tensor's f32 numbers back. */
  async read(tensor: WasmTensor): Promise<Float32Array> {
    if (this.#closed) throw this.#closed;
    expectLive("read", "tensor", tensor);
    this.#inputs.add(tensor.origin);
    return this.#submit({ pointer: tensor.pointer, count: elementCount(tensor.shape) });
  }

  /** Runs what is recorded and copies the bytes of a tensor of any type back. */
  async readBytes(tensor: WasmTensor): Promise<Uint8Array<ArrayBuffer>> {
    const words = await this.read({ ...tensor, shape: [Math.ceil(tensor.bytes / 4)] });
    return new Uint8Array(words.buffer as ArrayBuffer, 0, tensor.bytes);
  }

  /** See Backend.flush. If it fails, the tensors that it should have filled cannot be used. */
  async flush(): Promise<void> {
    await this.#submit({ pointer: 0, count: 0 });
  }

  close(): void {
    this.#closed ??= new SenseVoiceError("[cpu] the engine is closed: create a new one");
    this.#pool.close(this.#closed);
  }

  async #submit(result: { pointer: number; count: number }): Promise<Float32Array> {
    const [origin, inputs] = [this.#origin, this.#inputs];
    const batch = {
      commands: Uint32Array.from(this.#commands),
      uploads: this.#uploads,
      result,
      bytes: this.#heap.bytes,
    };
    this.#origin = {};
    this.#inputs = new Set();
    this.#commands = [];
    this.#uploads = [];
    this.#running++;
    try {
      for (const { failure } of inputs) if (failure) throw failure;
      return await this.#pool.run(batch);
    } catch (error) {
      origin.failure = error as SenseVoiceError;
      throw error;
    } finally {
      this.#running--;
    }
  }

  #addUpload(tensor: WasmTensor, data: HostData): void {
    // Of a part: all threads take it in before the parts begin.
    const behind = this.#commands.splice(this.#parts ?? this.#commands.length);
    this.record("upload", this.#uploads.length, tensor);
    if (this.#parts !== undefined) this.#parts = this.#commands.length;
    for (const word of behind) this.#commands.push(word);
    this.#uploads.push(bytesOf(data).slice());
  }

  #grow(bytes: number): void {
    const outOfMemory = () =>
      new SenseVoiceError(
        `[cpu] out of memory: ${Math.ceil(bytes / 2 ** 20)} MiB are needed: use shorter clips, fewer at a time, or lighter weights`,
      );
    if (bytes > this.#maxBytes) throw outOfMemory();
    if (!this.#memory || bytes <= this.#memory.buffer.byteLength) return;
    const target = Math.min(Math.max(bytes, this.#memory.buffer.byteLength + GROWTH), this.#maxBytes);
    try {
      this.#memory.grow(Math.ceil((target - this.#memory.buffer.byteLength) / PAGE));
    } catch {
      throw outOfMemory();
    }
  }
}

function createMemory(): { memory: WebAssembly.Memory; pages: number } {
  for (const pages of CEILINGS) {
    try {
      return { memory: new WebAssembly.Memory({ initial: 2, maximum: pages, shared: true }), pages };
    } catch {} // the next is smaller
  }
  throw new SenseVoiceError("[cpu] out of memory: no 512 MiB of addresses are left: close other engines");
}

function bytesOf({ buffer, byteOffset, byteLength }: HostData): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
}
