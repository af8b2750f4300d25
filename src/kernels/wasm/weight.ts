import type { LinearWeight } from "../../tensor/backend.ts";
import type { WasmDevice, WasmTensor } from "./device.ts";
import { FORMATS, PRODUCTS, type Products } from "./formats.ts";

const NONE: Products = { kind: "i16", offset: 0 };

/** A weight [N, K] on the device. */
export interface WasmWeight extends LinearWeight<WasmTensor> {
  readonly format: keyof typeof FORMATS;
  /** Scales of a row, where codes have some. */
  readonly groups: number;
  /** What assembly/weight.ts calls Weight: for any x, and for one without negative numbers. */
  readonly description: WasmTensor;
  readonly descriptionForPositive: WasmTensor;
}

/** The parts of a weight whose codes have scales. */
export interface Codes {
  readonly bits: number;
  readonly groupSize: number;
  readonly groups: number;
  readonly scales: WasmTensor;
  readonly zeros?: WasmTensor;
  readonly tables?: WasmTensor;
  /** Codes of 8 bits with int8 activations: see layCodes in assembly/codes.ts. */
  readonly starts?: WasmTensor;
  /** Bytes from a column's table to the next column's, and from a group's to the next group's. */
  readonly tableStrides?: readonly [column: number, group: number];
  readonly activation?: "dynamic" | number;
  readonly products?: { readonly any: Products; readonly positive: Products };
}

/** Writes the description that the kernels read. */
export function describeWeight(
  device: WasmDevice,
  format: WasmWeight["format"],
  shape: readonly [n: number, k: number],
  panels: WasmTensor,
  codes?: Codes,
): WasmWeight {
  const { bits = 0, groupSize = 0, groups = 0, scales, zeros, tables, starts, tableStrides = [0, 0] } = codes ?? {};
  const activation = typeof codes?.activation === "number" ? codes.activation : 0;
  const describe = ({ kind, offset }: Products) => {
    const fields = Uint32Array.of(
      ...[FORMATS[format], panels.pointer, shape[1], bits, groupSize, groups],
      ...[scales?.pointer ?? 0, zeros?.pointer ?? 0, tables?.pointer ?? 0, ...tableStrides],
      ...[new Uint32Array(Float32Array.of(activation).buffer)[0], PRODUCTS[kind], offset],
      ...[starts?.pointer ?? 0, Number(scales?.dtype === "f16")],
    );
    return device.upload([fields.length], "u32", fields);
  };
  const { any, positive } = codes?.products ?? { any: NONE, positive: NONE };
  const description = describe(any);
  const descriptionForPositive = positive === any ? description : describe(positive);
  const parts = [panels, scales, zeros, tables, starts, description];
  const tensors = new Set([...parts, descriptionForPositive].filter((tensor) => tensor !== undefined));
  return { shape, tensors: [...tensors], format, groups, description, descriptionForPositive };
}
