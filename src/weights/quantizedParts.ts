import { quote, SenseVoiceError } from "../error.ts";
import { asF32, f16ToF32, f32ToF16 } from "../tensor/f16.ts";
import type { HostTensor } from "../tensor/host.ts";
import {
  checkQuantized,
  f32Scales,
  groupsOf,
  type QuantizedTensor,
  type Weight,
  wordsOfRow,
} from "../tensor/quantized.ts";
import { scalesOfSteps, stepsOf } from "../tensor/scaleSteps.ts";
import type { Parameter } from "./parameters.ts";
import type { PlacedTensor } from "./safetensors.ts";

/** What a weight in few bits is in the file: entries `NAME.codes`, …; docs/weights-format.md has the layout. */
const PARTS = ["codes", "scales", "steps", "zeros", "tables"] as const;
type Part = (typeof PARTS)[number];

/** What `config.json` says of a weight in few bits; scales, zero points and tables are in the weights file. */
export type Quantization = Pick<QuantizedTensor, "bits" | "groupSize" | "activation">;
type Quantizations = Readonly<Record<string, Quantization>>;

/** The entries that store a weight, codes first. Throws if f16 does not hold a scale or a table to the bit. */
export function storedParts(name: string, weight: QuantizedTensor): [entry: string, tensor: HostTensor][] {
  checkQuantized(`weights: ${name}`, weight);
  const { shape, bits, codes, zeros, tables } = weight;
  const [n] = shape;
  const perGroup = [n, groupsOf(weight)];
  const parts: Partial<Record<Part, HostTensor>> = {
    codes: { dtype: "u32", shape: [n, wordsOfRow(weight)], data: codes },
    ...storedScales(name, weight),
    zeros: zeros && { dtype: "u8", shape: perGroup, data: zeros },
    tables: tables && stored16(`${name}.tables`, [tables.length / 2 ** bits, 2 ** bits], tables),
  };
  return PARTS.flatMap((part) => (parts[part] ? [[`${name}.${part}`, parts[part]]] : []));
}

/** A number for each row, or one, in f32; for groups as steps of their row where they are that, else in f16. */
function storedScales(name: string, weight: QuantizedTensor): Partial<Record<Part, HostTensor>> {
  const [n] = weight.shape;
  const perGroup = [n, groupsOf(weight)];
  const scales = f32Scales(weight);
  if (scales.length <= n) {
    return { scales: { dtype: "f32", shape: scales.length === 1 ? [1] : perGroup, data: scales } };
  }
  const halves = stored16(`${name}.scales`, perGroup, scales);
  const found = stepsOf(halves.data as Uint16Array, n);
  if (!found) return { scales: halves };
  return {
    scales: { dtype: "i8", shape: perGroup, data: found.multiples },
    steps: { dtype: "f32", shape: [n], data: found.steps },
  };
}

function stored16(name: string, shape: readonly number[], values: Float32Array): HostTensor {
  const data = f32ToF16(values);
  const i = f16ToF32(data).findIndex((value, i) => value !== values[i]);
  if (i >= 0) throw new SenseVoiceError(`[weights] ${name}: expected a number that f16 holds, got ${values[i]}`);
  return { dtype: "f16", shape, data };
}

/** The entries that store the parameters, given what there is: zero points and tables are optional. */
export function storedParameters(
  parameters: readonly Parameter[],
  quantization: Quantizations,
  entries: ReadonlyMap<string, PlacedTensor>,
): Parameter[] {
  for (const name of Object.keys(quantization)) {
    if (parameters.some((parameter) => parameter.kind === "linear" && parameter.name === name)) continue;
    throw new SenseVoiceError(`[weights] config.json: quantization[${quote(name)}]: there is no such linear weight`);
  }
  return parameters.flatMap((parameter) => {
    const { name, shape } = parameter;
    if (!quantization[name]) return [parameter];
    const { bits, groupSize } = quantization[name];
    const [n, k] = shape;
    const groups = Math.ceil(k / groupSize);
    const found = (part: Part) => entries.get(`${name}.${part}`)?.shape;
    const tableCount = [1, n, n * groups].find((count) => count === found("tables")?.[0]) ?? 1;
    const shapes: Partial<Record<Part, number[]>> = {
      codes: [n, wordsOfRow({ shape: [n, k], bits })],
      scales: found("scales")?.length === 1 ? [1] : [n, groups],
      ...(entries.get(`${name}.scales`)?.dtype === "i8" && { steps: [n] }),
      ...(found("zeros") && { zeros: [n, groups] }),
      ...(found("tables") && { tables: [tableCount, 2 ** bits] }),
    };
    return Object.entries(shapes).map(([part, shape]) => ({ name: `${name}.${part}`, shape, kind: "other" }));
  });
}

/** Takes the entries of a file one after another, and gives each tensor once all of it has come. */
export function createAssembler(
  parameters: readonly Parameter[],
  quantization: Quantizations,
  entries: ReadonlyMap<string, PlacedTensor>,
): (entry: string, tensor: HostTensor) => [name: string, weight: Weight] | undefined {
  const begun = new Map<string, Map<string, HostTensor>>();
  return (entry, tensor) => {
    const end = entry.lastIndexOf(".");
    const name = entry.slice(0, end);
    const parameter = quantization[name] && parameters.find((p) => p.name === name);
    if (!parameter) return [entry, tensor];
    const parts = begun.get(name) ?? new Map<string, HostTensor>();
    begun.set(name, parts.set(entry.slice(end + 1), tensor));
    if (PARTS.some((part) => entries.has(`${name}.${part}`) && !parts.has(part))) return undefined;
    begun.delete(name);
    return [name, assemble(parameter, quantization[name], parts)];
  };
}

/** A weight from its parts, whose shapes and types were found right. Throws if a number is wrong. */
function assemble(
  { name, shape: [n, k] }: Parameter,
  quantization: Quantization,
  parts: ReadonlyMap<string, HostTensor>,
): QuantizedTensor {
  const { codes, scales, steps, zeros, tables }: Partial<Record<Part, HostTensor>> = Object.fromEntries(parts);
  const weight: QuantizedTensor = {
    dtype: "quantized",
    shape: [n, k],
    ...quantization,
    codes: codes?.data as Uint32Array,
    scales: scalesFrom(scales as HostTensor, steps),
    ...(zeros && { zeros: zeros.data as Uint8Array }),
    ...(tables && { tables: asF32(tables) }),
  };
  checkQuantized(`weights: ${name}`, weight);
  return weight;
}

function scalesFrom(scales: HostTensor, steps?: HostTensor): Float32Array | Uint16Array {
  if (steps) return scalesOfSteps({ multiples: scales.data as Int8Array, steps: asF32(steps) });
  return scales.dtype === "f16" ? (scales.data as Uint16Array) : asF32(scales);
}
