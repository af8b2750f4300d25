import { debug } from "../../debug.ts";
import { SenseVoiceError } from "../../error.ts";

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
  readonly id: number;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

export const PARAMS_BYTES = 64;

/** Compute pipelines by kernel; kernels of one text share theirs. */
export class Pipelines {
  readonly #device: GPUDevice;
  readonly #pipelines = new WeakMap<Kernel, Pipeline>();
  readonly #byText = new Map<string, Pipeline>();
  readonly #layouts = new Map<string, GPUBindGroupLayout>();
  /** Shaders whose compilation nobody has looked at. */
  #unchecked: { kernel: Kernel; module: GPUShaderModule }[] = [];

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
    const missing = new Map<string, Kernel>();
    for (const kernel of kernels) if (!this.#find(kernel)) missing.set(kernel.wgsl, kernel);
    await Promise.all(
      Array.from(missing.values(), async (kernel) => {
        const { layout, descriptor } = this.#describe(kernel);
        const pipeline = await this.#device.createComputePipelineAsync(descriptor).catch(async (error) => {
          throw (await this.compileError()) ?? error;
        });
        this.#add(kernel, layout, pipeline);
      }),
    );
    this.#unchecked = [];
  }

  /** The first error of a shader compiled since the last call: `kernel NAME, line N: … in "…"`. */
  async compileError(): Promise<SenseVoiceError | undefined> {
    for (const { kernel, module } of this.#unchecked.splice(0)) {
      const { messages } = await module.getCompilationInfo();
      const found = messages.find(({ type }) => type === "error");
      if (!found) continue;
      const line = kernel.wgsl.split("\n")[found.lineNum - 1]?.trim() ?? "";
      return new SenseVoiceError(
        `[webgpu] kernel ${kernel.name}, line ${found.lineNum}: ${found.message} in "${line}"`,
      );
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

  #describe(kernel: Kernel): { layout: GPUBindGroupLayout; descriptor: GPUComputePipelineDescriptor } {
    const { name, wgsl, reads, writes } = kernel;
    debug(3, () => `[webgpu] kernel ${name}\n${wgsl}`);
    const layout = this.#layout(reads, writes);
    const module = this.#device.createShaderModule({ label: name, code: wgsl });
    this.#unchecked.push({ kernel, module });
    const bindGroupLayouts = [layout];
    const descriptor = {
      label: name,
      layout: this.#device.createPipelineLayout({ bindGroupLayouts }),
      compute: { module, entryPoint: "main" },
    };
    return { layout, descriptor };
  }

  #add(kernel: Kernel, layout: GPUBindGroupLayout, pipeline: GPUComputePipeline): Pipeline {
    const made = { id: this.#byText.size, pipeline, layout };
    this.#byText.set(kernel.wgsl, made);
    this.#pipelines.set(kernel, made);
    return made;
  }

  #layout(reads: number, writes: number): GPUBindGroupLayout {
    const key = `${reads},${writes}`;
    const cached = this.#layouts.get(key);
    if (cached) return cached;
    const visibility = 4; // GPUShaderStage.COMPUTE
    const params = { type: "uniform", hasDynamicOffset: true, minBindingSize: PARAMS_BYTES } as const;
    const entries: GPUBindGroupLayoutEntry[] = [{ binding: 0, visibility, buffer: params }];
    for (let i = 1; i <= reads + writes; i++) {
      const type = i <= reads ? "read-only-storage" : "storage";
      entries.push({ binding: i, visibility, buffer: { type } });
    }
    const layout = this.#device.createBindGroupLayout({ entries });
    this.#layouts.set(key, layout);
    return layout;
  }
}
