import type { Weight } from "../../../tensor/quantized.ts";
import type { Gpu, GpuTensor } from "../gpu.ts";
import { formOf, type GpuWeight, type LinearKernel, type WeightForm } from "../linear/kernel.ts";
import { ableKernels, LINEAR_KERNELS } from "../linear/kernels.ts";
import { linear } from "../linear/linear.ts";
import type { DeviceTraits } from "../traits.ts";
import { type Candidate, isAbout, knownRows, ranking, type Times, TUNED_ROWS } from "./times.ts";
import type { Operation } from "./tuner.ts";

/** The name of all linear layers of one shape [N, K] and one form: "linear f16 1536x512". */
export function linearKind([n, k]: readonly number[], form: WeightForm): string {
  const { values, bits, groupSize, zeros, tables, int8 } = form;
  const codes = [
    `${bits} bits`,
    groupSize < k && `in groups of ${groupSize}`,
    zeros && "with zeros",
    tables && `with a table a ${tables}`,
    int8 && "x int8",
  ];
  return `linear ${values === "codes" ? codes.filter(Boolean).join(" ") : values} ${n}x${k}`;
}

/** The numbers of rows that a layer [N, K] is worth timing at: outputs and inputs are bounded, as for the CTC head. */
export function rowsToTime([n, k]: readonly number[]): readonly number[] {
  return TUNED_ROWS.filter((rows) => rows * Math.max(n, k) <= 2 ** 24);
}

/** Linear layers with weights like this one. They are to be timed before it is uploaded: its layout depends on it. */
export function linearOperation(gpu: Gpu, weight: Weight): Operation {
  const { shape } = weight;
  const form = formOf(weight);
  const names = ableKernels(gpu.traits, form).map(({ name }) => name);
  const open = () => linearCandidates(gpu, weight);
  return { kind: linearKind(shape, form), names, rowCounts: rowsToTime(shape), open };
}

function linearCandidates(gpu: Gpu, weight: Weight): ReturnType<Operation["open"]> {
  const form = formOf(weight);
  const activation = weight.dtype === "quantized" ? weight.activation : undefined;
  const inputs = new Map(rowsToTime(weight.shape).map((rows) => [rows, gpu.createTensor([rows, form.k])]));
  const layouts = new Map<LinearKernel["layout"], GpuTensor[]>();
  const bias = gpu.createTensor([weight.shape[0]]);
  const release = () => {
    for (const tensor of [bias, ...inputs.values(), ...[...layouts.values()].flat()]) gpu.release(tensor);
  };
  try {
    const candidates = ableKernels(gpu.traits, form).map((kernel): Candidate => {
      const tensors = layouts.get(kernel.layout) ?? kernel.layout.upload(gpu, weight);
      layouts.set(kernel.layout, tensors);
      const forced = { shape: weight.shape, form, device: gpu.traits, kernels: [kernel], tensors, activation };
      const run = (rows: number) => gpu.release(linear(gpu)(inputs.get(rows) as GpuTensor, forced, { bias }));
      return { name: kernel.name, run };
    });
    return { candidates, release };
  } catch (error) {
    release();
    throw error;
  }
}

/** What was found out about a kind of layer. */
export interface Found {
  /** Those of one layout. */
  readonly kernels: readonly LinearKernel[];
  /** The fastest of them for so many rows, then all others: names and microseconds. Empty if nothing is known. */
  readonly fastest: (rows: number) => [name: string, us: number][];
}

/**
 * The layout whose kernels do best over all rows; where time ran out, that of the rule, which chooses for what was not timed.
 * Undefined if nothing was timed.
 */
export function foundIn(times: Times, shape: readonly number[]): Found | undefined {
  const known = TUNED_ROWS.slice(0, knownRows(times));
  const complete = known.length === rowsToTime(shape).length;
  const timed = LINEAR_KERNELS.filter(({ name }) => Object.hasOwn(times, name));
  if (known.length === 0) return undefined;
  const best = (kernels: readonly LinearKernel[], i: number) => {
    return Math.min(...kernels.map(({ name }) => times[name][i] ?? Number.POSITIVE_INFINITY));
  };
  /** How much longer a layout takes than the best, over all rows. */
  const cost = (kernels: readonly LinearKernel[]) => {
    return known.reduce((sum, _, i) => sum + best(kernels, i) / best(timed, i), 0);
  };
  const layouts = [...new Set(timed.map(({ layout }) => layout))]
    .map((layout) => timed.filter((kernel) => kernel.layout === layout))
    .sort((a, b) => cost(a) - cost(b));
  const kernels = layouts.find((one) => complete || one.includes(timed[timed.length - 1])) ?? [];
  const fastest = (rows: number) => {
    if (!complete && rows > known[known.length - 1]) return [];
    const all = ranking(times, rows);
    const first = all.find(([name]) => kernels.some((kernel) => kernel.name === name));
    return first ? [first, ...all.filter((one) => one !== first)] : [];
  };
  return { kernels, fastest };
}

/** The kernels for weights of a form, by what was found out; undefined if that is nothing, or about other kernels. */
export function tunedKernels(
  device: DeviceTraits,
  form: WeightForm,
  shape: readonly number[],
  times: Times,
): Pick<GpuWeight, "kernels" | "choose"> | undefined {
  const names = ableKernels(device, form).map(({ name }) => name);
  const found = isAbout(times, names) ? foundIn(times, shape) : undefined;
  if (!found) return undefined;
  const { kernels, fastest } = found;
  const chosen = new Map<number, LinearKernel | undefined>();
  const choose = (rows: number) => {
    if (!chosen.has(rows)) {
      const [first] = fastest(rows);
      chosen.set(rows, first && kernels.find(({ name }) => name === first[0]));
    }
    return chosen.get(rows);
  };
  return { kernels, choose };
}
