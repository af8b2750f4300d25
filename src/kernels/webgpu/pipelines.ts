import { debug } from "../../debug.ts";
import { SenseVoiceError } from "../../error.ts";
import type { Layout } from "./bindGroups.ts";
import { PARAMS_BYTES } from "./params.ts";

/** A shader. Make one object for each variant and keep it (see `memo`): its pipeline is found by the object. */
export interface Kernel {
  /** For messages and profiles. */
  readonly name: string;
  /** A whole shader with the entry point `main`; bindings in the order params, reads, writes. */
  readonly wgsl: string;
  /** Numbers of storage buffers that are read and written. */
  readonly reads: number;
  readonly writes: number;
  /** For profiles: what a dispatch does, whose first output has the shape y. */
  readonly work?: (params: readonly number[], y: readonly number[], clips: number) => Work;
}

/** The work of a dispatch. */
export interface Work {
  /** That of y unless given. */
  readonly shape?: string;
  /** Operations on numbers: a multiplication and an addition are two. */
  readonly flop: number;
}

export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: Layout;
}

interface Shader {
  readonly kernel: Kernel;
  readonly module: GPUShaderModule;
}

/** Compute pipelines by kernel; kernels of one text share theirs. */
export class Pipelines {
  readonly #device: GPUDevice;
  readonly #pipelines = new WeakMap<Kernel, Pipeline>();
  readonly #byText = new Map<string, Pipeline>();
  /** Those that are being compiled, by text. */
  readonly #compiling = new Map<string, Promise<void>>();
  readonly #layouts = new Map<number, Layout>();
  /** Shaders whose compilation nobody has looked at. */
  readonly #unchecked = new Set<Shader>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  get(kernel: Kernel): Pipeline {
    const cached = this.#find(kernel);
    if (cached) return cached;
    const { layout, descriptor } = this.#describe(kernel);
    return this.#add(kernel, layout, this.#device.createComputePipeline(descriptor));
  }

  /** Compiles kernels side by side. @throws SenseVoiceError that shows the line of a shader that does not compile */
  async prepare(kernels: Iterable<Kernel>): Promise<void> {
    const wanted = Array.from(kernels).filter((kernel) => !this.#find(kernel));
    await Promise.all(wanted.map((kernel) => this.#compiling.get(kernel.wgsl) ?? this.#compile(kernel)));
  }

  #compile(kernel: Kernel): Promise<void> {
    const { layout, shader, descriptor } = this.#describe(kernel);
    const compiled = this.#device
      .createComputePipelineAsync(descriptor)
      .then(
        (pipeline) => void this.#add(kernel, layout, pipeline),
        async (error) => {
          throw (await errorOf(shader)) ?? error;
        },
      )
      .finally(() => {
        this.#unchecked.delete(shader);
        this.#compiling.delete(kernel.wgsl);
      });
    this.#compiling.set(kernel.wgsl, compiled);
    return compiled;
  }

  /** The first error of a shader compiled since the last call: `kernel NAME, line N: … in "…"`. */
  async compileError(): Promise<SenseVoiceError | undefined> {
    const shaders = [...this.#unchecked];
    this.#unchecked.clear();
    for (const shader of shaders) {
      const error = await errorOf(shader);
      if (error) return error;
    }
    return undefined;
  }

  #find(kernel: Kernel): Pipeline | undefined {
    const known = this.#pipelines.get(kernel);
    if (known) return known;
    const same = this.#byText.get(kernel.wgsl);
    if (same) this.#pipelines.set(kernel, same);
    return same;
  }

  #describe(kernel: Kernel): { layout: Layout; shader: Shader; descriptor: GPUComputePipelineDescriptor } {
    const { name, wgsl } = kernel;
    debug(3, () => `[webgpu] kernel ${name}\n${wgsl}`);
    const layout = this.layoutOf(kernel);
    const module = this.#device.createShaderModule({ label: name, code: wgsl });
    const shader = { kernel, module };
    this.#unchecked.add(shader);
    const bindGroupLayouts = [layout.layout];
    const descriptor = {
      label: name,
      layout: this.#device.createPipelineLayout({ bindGroupLayouts }),
      compute: { module, entryPoint: "main" },
    };
    return { layout, shader, descriptor };
  }

  #add(kernel: Kernel, layout: Layout, pipeline: GPUComputePipeline): Pipeline {
    const made = { pipeline, layout };
    this.#byText.set(kernel.wgsl, made);
    this.#pipelines.set(kernel, made);
    return made;
  }

  layoutOf({ reads, writes }: Kernel): Layout {
    const id = reads * 64 + writes;
    const cached = this.#layouts.get(id);
    if (cached) return cached;
    const visibility = 4; // GPUShaderStage.COMPUTE
    const params = { type: "uniform", hasDynamicOffset: true, minBindingSize: PARAMS_BYTES } as const;
    const entries: GPUBindGroupLayoutEntry[] = [{ binding: 0, visibility, buffer: params }];
    for (let i = 1; i <= reads + writes; i++) {
      const type = i <= reads ? "read-only-storage" : "storage";
      entries.push({ binding: i, visibility, buffer: { type } });
    }
    const layout = { id, layout: this.#device.createBindGroupLayout({ entries }) };
    this.#layouts.set(id, layout);
    return layout;
  }
}

async function errorOf({ kernel, module }: Shader): Promise<SenseVoiceError | undefined> {
  const { messages } = await module.getCompilationInfo();
  const found = messages.find(({ type }) => type === "error");
  if (!found) return undefined;
  const line = kernel.wgsl.split("\n")[found.lineNum - 1]?.trim() ?? "";
  return new SenseVoiceError(`[webgpu] kernel ${kernel.name}, line ${found.lineNum}: ${found.message} in "${line}"`);
}
