import { SenseVoiceError } from "../../error.ts";
import { Arena, expectLive } from "../../tensor/arena.ts";
import type { LinearWeight, Tensor } from "../../tensor/backend.ts";
import { BYTES_PER_ELEMENT, type DType, elementCount, type HostData } from "../../tensor/host.ts";
import { BufferPool, COPY_DST, COPY_SRC, MAP_READ, type PooledBuffer, STORAGE, UNIFORM } from "./buffers.ts";
import { type Kernel, PARAMS_BYTES, Pipelines } from "./pipelines.ts";
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

/** Every adapter can bind a uniform at a multiple of 256. */
const PARAMS_STRIDE = 256;
/** Dispatches a submit; the full model has about 560. One more submits the pass and begins another. */
const MAX_DISPATCHES = 1024;
const MAX_BIND_GROUPS = 8192;

/**
 * The device behind the WebGPU backend, in the manner of gpu.cpp: make tensors, dispatch kernels, read back. All
 * dispatches since the last `read` or `flush` are in one compute pass. Pipelines are cached by kernel, bind groups by pipeline
 * and buffers; parameters go through one uniform buffer with a dynamic offset, so they do not multiply bind groups.
 */
export class Gpu {
  readonly device: GPUDevice;
  readonly name: string;
  /** What kernels are chosen by; weights keep those of the time when they were uploaded. */
  traits: DeviceTraits;
  observer: Observer | undefined;
  readonly #pool: BufferPool;
  readonly #pipelines: Pipelines;
  readonly #arena = new Arena<GpuTensor>(({ pooled }) => this.#pool.release(pooled));
  readonly #bindGroups = new Map<string, GPUBindGroup>();
  readonly #params = new Uint32Array((MAX_DISPATCHES * PARAMS_STRIDE) / 4);
  readonly #paramsBuffer: GPUBuffer;
  #dispatches = 0;
  /** While `prepare` records: the kernels that are asked for. */
  #wanted: Kernel[] | undefined;
  #pass: { encoder: GPUCommandEncoder; compute: GPUComputePassEncoder } | undefined;
  /** Errors of the submits that nobody has waited for. */
  #errors: Promise<SenseVoiceError | undefined>[] = [];
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
    this.#pool = new BufferPool(device);
    this.#pipelines = new Pipelines(device);
    this.#paramsBuffer = device.createBuffer({ size: this.#params.byteLength, usage: UNIFORM | COPY_DST });
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

  /** A tensor of undefined contents. `exact` is for weights, which are made once: no size class, no waste. */
  createTensor(shape: readonly number[], dtype: DType = "f32", exact = false): GpuTensor {
    const bytes = elementCount(shape) * BYTES_PER_ELEMENT[dtype];
    const limit = this.device.limits.maxStorageBufferBindingSize;
    if (bytes > limit) {
      throw new SenseVoiceError(
        `[webgpu] a tensor [${shape.join(", ")}] needs ${bytes} bytes, ${this.name} binds at most ${limit}: use shorter clips, fewer at a time, or device "cpu"`,
      );
    }
    const pooled = this.#pool.acquire(bytes, STORAGE | COPY_DST | COPY_SRC, exact);
    return this.#arena.own({ shape, dtype, pooled });
  }

  write(tensor: GpuTensor, data: HostData): void {
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
    if (this.#wanted) {
      this.#wanted.push(dispatch.kernel);
      return;
    }
    if (this.#dispatches === MAX_DISPATCHES || this.observer?.full?.()) this.#submit();
    const { kernel, params, reads, writes, workgroups } = dispatch;
    const { id, pipeline, layout } = this.#pipelines.get(kernel);
    const offset = this.#dispatches++ * PARAMS_STRIDE;
    this.#params.set(params, offset / 4);
    const bindGroup = this.#bindGroup(id, layout, [...reads, ...writes]);
    const { compute } = this.#openPass(this.observer?.pass?.(dispatch));
    compute.setPipeline(pipeline);
    compute.setBindGroup(0, bindGroup, [offset]);
    compute.dispatchWorkgroups(...(workgroups as [number, number?, number?]));
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
    if (this.#pool.trim(0)) this.#bindGroups.clear();
  }

  /** See Backend.prepare. @throws SenseVoiceError that shows the line of a shader that does not compile */
  async prepare(record: () => Promise<void>): Promise<void> {
    const kernels: Kernel[] = [];
    this.#wanted = kernels;
    try {
      await record();
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
    await this.#settle(() => this.device.queue.onSubmittedWorkDone());
  }

  /** Submits what is recorded and copies a tensor's f32 numbers back. */
  async read(tensor: GpuTensor): Promise<Float32Array> {
    if (this.#failure) throw this.#failure;
    expectLive("read", "tensor", tensor);
    if (this.#wanted) return new Float32Array(elementCount(tensor.shape));
    const bytes = elementCount(tensor.shape) * 4;
    const staging = this.#pool.acquire(bytes, MAP_READ | COPY_DST);
    const { encoder, compute } = this.#openPass();
    compute.end();
    encoder.copyBufferToBuffer(tensor.pooled.buffer, 0, staging.buffer, 0, bytes);
    this.#submit(true);
    try {
      return await this.#settle(async () => {
        await staging.buffer.mapAsync(1 /* READ */, 0, bytes);
        const copy = new Float32Array(staging.buffer.getMappedRange(0, bytes).slice(0));
        staging.buffer.unmap();
        return copy;
      });
    } finally {
      this.#pool.release(staging);
    }
  }

  /** Waits for the submits so far, then for `rest`; the first error counts. */
  async #settle<R>(rest: () => Promise<R>): Promise<R> {
    try {
      for (const error of await Promise.all(this.#errors.splice(0))) if (error) throw error;
      return await rest();
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
    if (this.#dispatches > 0) {
      this.device.queue.writeBuffer(this.#paramsBuffer, 0, this.#params, 0, (this.#dispatches * PARAMS_STRIDE) / 4);
    }
    const submitted = this.observer?.submit?.(this.#pass.encoder);
    this.device.queue.submit([this.#pass.encoder.finish()]);
    submitted?.();
    this.#pass = undefined;
    this.#dispatches = 0;
    this.#errors.push(...this.#closeErrorScopes());
    this.#openErrorScopes();
    if (this.#pool.trim()) this.#bindGroups.clear();
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

  #bindGroup(pipelineId: number, layout: GPUBindGroupLayout, tensors: readonly GpuTensor[]): GPUBindGroup {
    const key = `${pipelineId}:${tensors.map(({ pooled }) => pooled.id).join(",")}`;
    let group = this.#bindGroups.get(key);
    if (!group) {
      if (this.#bindGroups.size >= MAX_BIND_GROUPS) this.#bindGroups.clear();
      const params = { binding: 0, resource: { buffer: this.#paramsBuffer, size: PARAMS_BYTES } };
      const rest = tensors.map(({ pooled: { buffer } }, i) => ({ binding: i + 1, resource: { buffer } }));
      group = this.device.createBindGroup({ layout, entries: [params, ...rest] });
      this.#bindGroups.set(key, group);
    }
    return group;
  }
}

function oneLine(message: string): string {
  return message.trim().split("\n")[0];
}
