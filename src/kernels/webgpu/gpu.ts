import { SenseVoiceError } from "../../error.ts";
import { Arena, expectLive } from "../../tensor/arena.ts";
import type { LinearWeight, Tensor } from "../../tensor/backend.ts";
import { BYTES_PER_ELEMENT, type DType, elementCount, type HostData } from "../../tensor/host.ts";
import { BindGroups } from "./bindGroups.ts";
import {
  BufferPool,
  COPY_DST,
  COPY_SRC,
  LEAST_ROWS,
  MAP_READ,
  type PooledBuffer,
  roomFor,
  STORAGE,
} from "./buffers.ts";
import { Params } from "./params.ts";
import { type Kernel, Pipelines } from "./pipelines.ts";
import { type DeviceTraits, PLAIN_TRAITS } from "./traits.ts";

/** A tensor in a buffer of the device's. */
export interface GpuTensor extends Tensor {
  readonly pooled: PooledBuffer;
}

/** A kernel, and what it is to run on. */
export interface Dispatch {
  readonly kernel: Kernel;
  /** Fields of the shader's `Params`, all u32: at most 16. */
  readonly params: readonly number[];
  readonly reads: readonly GpuTensor[];
  readonly writes: readonly GpuTensor[];
  readonly workgroups: readonly [x: number, y?: number, z?: number];
}

/** Stands for the buffer of a tensor that is too large to be made only to `prepare`. */
const PRETENDED = {} as PooledBuffer;
/** Watches what goes to the device: for whoever wants to know how long it takes. */
export interface Observer {
  /** Whether it can watch no more before the next submit. */
  readonly full?: () => boolean;
  /** Before a dispatch: the descriptor of a new pass for it, if it is to have one. */
  readonly pass?: (dispatch: Dispatch) => GPUComputePassDescriptor | undefined;
  /** Before the encoder of a submit is finished; what it returns is called after the submit. */
  readonly submit?: (encoder: GPUCommandEncoder) => () => void;
  /** Before the device is given back. */
  readonly close?: () => void;
}

/**
 * The device behind the WebGPU backend, in the manner of gpu.cpp: make tensors, dispatch kernels, read back. All
 * dispatches since the last `read` or `flush` are in one compute pass. A dispatch finds what it needs: pipelines by kernel,
 * bind groups by buffers, parameters by their values; in a run like one before it nothing is made on the device.
 */
export class Gpu {
  readonly device: GPUDevice;
  readonly name: string;
  /** What kernels are chosen by; weights keep those of the time when they were uploaded. */
  traits: DeviceTraits;
  /** Bytes that can be bound. */
  readonly #bindingLimit: number;
  observer: Observer | undefined;
  readonly #pool: BufferPool;
  readonly #pipelines: Pipelines;
  readonly #params: Params;
  readonly #bindGroups: BindGroups;
  readonly #arena = new Arena<GpuTensor>(({ pooled }) => {
    if (pooled !== PRETENDED) this.#pool.release(pooled);
  });
  /** While `prepare` records: the kernels that are asked for. */
  #wanted: Set<Kernel> | undefined;
  #pass: { encoder: GPUCommandEncoder; compute: GPUComputePassEncoder } | undefined;
  /** Set once the device is of no more use. */
  #failure: SenseVoiceError | undefined;

  /**
   * @param name what to call the adapter in messages
   * @param traits what kernels are chosen by
   */
  constructor(device: GPUDevice, name: string, traits = PLAIN_TRAITS) {
    this.device = device;
    this.name = name;
    this.traits = traits;
    this.#bindingLimit = device.limits.maxStorageBufferBindingSize;
    this.#pool = new BufferPool(device);
    this.#pipelines = new Pipelines(device);
    this.#params = new Params(device);
    this.#bindGroups = new BindGroups(device, this.#params.buffer);
    device.lost.then(({ message }) => {
      this.#failure ??= new SenseVoiceError(
        `[webgpu] the device was lost (${oneLine(message)}): create a new engine, or use device "cpu"`,
      );
    });
    device.onuncapturederror = ({ error }) => {
      this.#failure ??= new SenseVoiceError(`[webgpu] ${oneLine(error.message)}`);
    };
    this.#openErrorScopes();
  }

  get bytes(): number {
    return this.#pool.bytes;
  }

  /** A tensor of undefined contents. `exact` is for weights, which are made once: no room to spare. */
  createTensor(shape: readonly number[], dtype: DType = "f32", exact = false): GpuTensor {
    const bytes = elementCount(shape) * BYTES_PER_ELEMENT[dtype];
    const limit = this.#bindingLimit;
    if (bytes > limit) {
      throw new SenseVoiceError(
        `[webgpu] a tensor [${shape.join(", ")}] needs ${bytes} bytes, ${this.name} binds at most ${limit}: use shorter clips, fewer at a time, or device "cpu"`,
      );
    }
    const room = exact ? Math.ceil(bytes / 4) * 4 : Math.min(roomFor(shape, BYTES_PER_ELEMENT[dtype]), limit);
    const pooled =
      this.#wanted && shape.length === 2 && shape[0] > LEAST_ROWS
        ? PRETENDED
        : this.#pool.acquire(room, STORAGE | COPY_DST | COPY_SRC);
    return this.#arena.own({ shape, dtype, pooled, released: false });
  }

  write(tensor: GpuTensor, data: HostData): void {
    if (this.#wanted) return;
    if (this.#pass) this.#submit(); // a write would overtake the recorded work that still reads the buffer
    const bytes = data.byteLength & ~3;
    this.device.queue.writeBuffer(tensor.pooled.buffer, 0, data.buffer, data.byteOffset, bytes);
    if (bytes === data.byteLength) return;
    const rest = new Uint8Array(4); // writes go by four bytes
    rest.set(new Uint8Array(data.buffer, data.byteOffset + bytes, data.byteLength - bytes));
    this.device.queue.writeBuffer(tensor.pooled.buffer, bytes, rest);
  }

  dispatch(dispatch: Dispatch): void {
    if (this.#failure) throw this.#failure;
    const { kernel, params, reads, writes, workgroups } = dispatch;
    if (this.#params.full) this.#submit();
    const offset = this.#params.place(params);
    if (this.#wanted) {
      this.#wanted.add(kernel);
      if (![...reads, ...writes].some(({ pooled }) => pooled === PRETENDED)) {
        this.#bindGroups.get(this.#pipelines.layoutOf(kernel), reads, writes);
      }
      return;
    }
    if (this.observer?.full?.()) this.#submit();
    const { pipeline, layout } = this.#pipelines.get(kernel);
    const { compute } = this.#openPass(this.observer?.pass?.(dispatch));
    compute.setPipeline(pipeline);
    compute.setBindGroup(0, this.#bindGroups.get(layout, reads, writes), offset);
    compute.dispatchWorkgroups(workgroups[0], workgroups[1], workgroups[2]);
  }

  /** See Backend.scope. Buffers come back at once: the pass runs its dispatches in order, so they can be reused in it. */
  scope(record: () => GpuTensor): GpuTensor {
    return this.#arena.scope(record);
  }

  release(item: GpuTensor | LinearWeight<GpuTensor>): void {
    this.#arena.release(item);
  }

  /** Gives back to the device what is free; only when nothing is recorded. */
  trim(): void {
    this.#pool.empty();
    this.#bindGroups.clear();
  }

  /** See Backend.prepare. @throws SenseVoiceError that shows the line of a shader that does not compile */
  async prepare(record: () => Promise<void> | void): Promise<void> {
    const kernels = new Set<Kernel>();
    this.#wanted = kernels;
    try {
      const recording = record();
      if (recording) await recording;
    } finally {
      this.#wanted = undefined;
    }
    await this.#pipelines.prepare(kernels);
  }

  /** See Backend.flush. */
  async flush(): Promise<void> {
    if (this.#failure) throw this.#failure;
    if (this.#wanted) return;
    this.#submit();
    await this.#settle(this.device.queue.onSubmittedWorkDone());
  }

  /** Submits what is recorded and copies a tensor's f32 numbers back. */
  async read(tensor: GpuTensor): Promise<Float32Array> {
    if (this.#failure) throw this.#failure;
    expectLive("read", "tensor", tensor);
    if (this.#wanted) return new Float32Array(elementCount(tensor.shape));
    const bytes = elementCount(tensor.shape) * 4;
    const staging = this.#pool.acquire(roomFor(tensor.shape, 4), MAP_READ | COPY_DST);
    const { encoder, compute } = this.#openPass();
    compute.end();
    encoder.copyBufferToBuffer(tensor.pooled.buffer, 0, staging.buffer, 0, bytes);
    this.#submit(true);
    try {
      await this.#settle(staging.buffer.mapAsync(1 /* READ */, 0, bytes));
      return new Float32Array(staging.buffer.getMappedRange(0, bytes).slice(0));
    } finally {
      staging.buffer.unmap();
      this.#pool.release(staging);
      if (!this.#pass) this.#pool.trim();
    }
  }

  /** Waits for the errors of all that was submitted since the last time, then for the end of the work; the first error counts. */
  async #settle(done: Promise<unknown>): Promise<void> {
    done.catch(() => {}); // awaited below, or another error came first
    const errors = this.#closeErrorScopes();
    this.#openErrorScopes();
    try {
      for (const error of await Promise.all(errors)) if (error) throw error;
      await done;
    } catch (error) {
      await Promise.resolve(); // lets device.lost speak first
      throw this.#failure ?? error;
    }
  }

  close(): void {
    this.observer?.close?.();
    this.#failure ??= new SenseVoiceError("[webgpu] the engine is closed: create a new one");
    this.device.destroy();
  }

  /** The pass that is recorded, or a new one with this descriptor. */
  #openPass(descriptor?: GPUComputePassDescriptor): { encoder: GPUCommandEncoder; compute: GPUComputePassEncoder } {
    if (!this.#pass || descriptor) {
      this.#pass?.compute.end();
      const encoder = this.#pass?.encoder ?? this.device.createCommandEncoder();
      this.#pass = { encoder, compute: encoder.beginComputePass(descriptor) };
    }
    return this.#pass;
  }

  #submit(passEnded = false): void {
    if (!this.#pass) return;
    if (!passEnded) this.#pass.compute.end();
    this.#params.write();
    const submitted = this.observer?.submit?.(this.#pass.encoder);
    this.device.queue.submit([this.#pass.encoder.finish()]);
    submitted?.();
    this.#pass = undefined;
  }

  #openErrorScopes(): void {
    this.device.pushErrorScope("validation");
    this.device.pushErrorScope("out-of-memory");
  }

  #closeErrorScopes(): Promise<SenseVoiceError | undefined>[] {
    const outOfMemory = this.device.popErrorScope().then((error) => {
      if (!error) return undefined;
      this.#pool.discard(); // it may hold buffers that were never made
      this.#bindGroups.clear();
      const advice = 'use shorter clips, fewer at a time, lighter weights, or device "cpu"';
      return new SenseVoiceError(`[webgpu] out of memory on ${this.name}: ${advice}`);
    });
    const validation = this.device.popErrorScope().then(async (error) => {
      if (!error) return undefined;
      return (await this.#pipelines.compileError()) ?? new SenseVoiceError(`[webgpu] ${oneLine(error.message)}`);
    });
    return [outOfMemory, validation];
  }
}

function oneLine(message: string): string {
  return message.trim().split("\n")[0];
}
