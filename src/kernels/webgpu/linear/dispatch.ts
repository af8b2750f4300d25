import type { LinearOptions, Norm } from "../../../tensor/backend.ts";
import type { Dispatch, Gpu, GpuTensor } from "../gpu.ts";
import { layerNormDispatch } from "../layerNorm.ts";
import { memo } from "../memo.ts";
import type { Kernel } from "../pipelines.ts";
import { fixedParams, quantizeRowsDispatch } from "../quantizeRows.ts";
import type { DeviceTraits } from "../traits.ts";
import { readsOf } from "./head.ts";
import type { GpuWeight, Input, LinearKernel, WeightForm } from "./kernel.ts";

/** x as a kernel reads it. */
export interface Source {
  readonly input: Input;
  /** Makes the tensors that are not x itself. */
  readonly made?: Dispatch;
  readonly tensors: readonly GpuTensor[];
}

/**
 * Rows that a kernel normalises and rounds itself are read twice by each group of columns. That costs less than a
 * dispatch while rows are short, and neither columns nor rows are many.
 */
const FUSED = { k: 640, n: 4096, rows: 2048 };

/** Rows as the weight's form wants them. */
export const AS_IT_IS: Input = { norm: false };
const inputOf = memo((norm: boolean, int8: Input["int8"]): Input => ({ norm, int8 }));

/** How x comes to the kernel: in most cases as it is, and the kernel makes layer norm and int8 rows of it. */
export function sourceOf(
  gpu: Gpu,
  kernel: LinearKernel,
  x: GpuTensor,
  { form, shape: [n], activation }: GpuWeight,
  { norm, residual }: { readonly norm?: Norm<GpuTensor>; readonly residual?: GpuTensor } = {},
): Source {
  // Beside gamma and beta a residual would be the ninth buffer of some kernels; WebGPU promises eight.
  const crowded = norm !== undefined && residual !== undefined;
  if (kernel.fuses && form.k <= FUSED.k && n <= FUSED.n && x.shape[0] <= FUSED.rows && !crowded) {
    const int8 = activation === undefined ? undefined : activation === "dynamic" ? "dynamic" : "fixed";
    return { input: inputOf(norm !== undefined, int8), tensors: norm ? [x, norm.gamma, norm.beta] : [x] };
  }
  const made = activation
    ? quantizeRowsDispatch(gpu, x, activation, norm)
    : norm && layerNormDispatch(x, norm, gpu.createTensor(x.shape));
  return { input: AS_IT_IS, made, tensors: made?.writes ?? [x] };
}

const work: Kernel["work"] = ([rows, n, k]) => ({ shape: `${rows}x${k}x${n}`, flop: 2 * rows * k * n });

/** What a dispatch needs of a kernel: its shader, and the values of its further parameters. */
interface Prepared {
  readonly kernel: Kernel;
  readonly params: readonly number[];
}

const prepared = memo(
  (
    kernel: LinearKernel,
    form: WeightForm,
    device: DeviceTraits,
    input: Input,
    bias: boolean,
    relu: boolean,
    residual: boolean,
    best: boolean,
  ): Prepared => {
    const variant = { form, device, input, epilogue: { bias, relu, residual, best } };
    const reads = readsOf(kernel, variant).length;
    return {
      kernel: { name: `linear ${kernel.name}`, wgsl: kernel.wgsl(variant), reads, writes: 1, work },
      params: Object.values(kernel.params?.(form) ?? {}),
    };
  },
);

/** The rows of x from `first` on whose outputs a dispatch makes. */
export interface RowRange {
  readonly first: number;
  readonly count: number;
}

/**
 * The dispatch that fills y [count, N] with `linear` of some rows; with `banned`, an id or one past the last, y
 * [count, groups of columns, 4] with the best of each row in each group: see best.ts.
 */
export function linearDispatch(
  kernel: LinearKernel,
  { input, tensors }: Source,
  { form, device, shape: [n], tensors: weight, activation = "dynamic" }: GpuWeight,
  { bias, relu = false, residual }: Pick<LinearOptions<GpuTensor>, "bias" | "relu" | "residual">,
  y: GpuTensor,
  { first, count }: RowRange,
  banned?: number,
): Dispatch {
  const ends = [bias !== undefined, relu, residual !== undefined, banned !== undefined] as const;
  const { kernel: shader, params } = prepared(kernel, form, device, input, ...ends);
  const reads = [...tensors, ...weight];
  if (bias) reads.push(bias);
  if (residual) reads.push(residual);
  const [scale, factor] = fixedParams(activation);
  return {
    kernel: shader,
    params: [count, n, form.k, first, 0, scale, factor, banned ?? 0, ...params],
    reads,
    writes: [y],
    workgroups: [Math.ceil(n / kernel.tile[1]), Math.ceil(count / kernel.tile[0])],
  };
}
