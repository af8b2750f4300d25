import { groupsOf, type QuantizedTensor, wordsOfRow } from "../../tensor/quantized.ts";
import type { WasmDevice, WasmTensor } from "./device.ts";
import { describeWeight, PANEL, type WasmWeight } from "./weight.ts";

/**
 * Weights in codes of 2 to 8 bits stay in codes. Those of an int8 weight are multiplied as they are; others become
 * f32 a few panels at a time as they are used.
 */
export function uploadCodes(device: WasmDevice, weight: QuantizedTensor): WasmWeight {
  const { shape, bits, groupSize, codes, scales, zeros, tables, activation } = weight;
  const [n, k] = shape;
  const padded = Math.ceil(n / PANEL) * PANEL;
  const panelBytes = PANEL * wordsOfRow(weight) * 4;
  const panels = device.uploadWeight([padded, wordsOfRow(weight)], "u32", codes);
  device.scope(() => {
    if (activation) {
      device.record("packInt8", panels, n, k, device.scratch(panelBytes));
    } else {
      const scratchBytes = panelBytes + 8; // a code is read with the byte behind it
      device.record("packCodes", panels, n, k, bits, device.scratch(scratchBytes), scratchBytes);
    }
    return panels;
  });

  const groups = groupsOf(weight);
  const perGroup = scales.length === n * groups ? scales : new Float32Array(n * groups).fill(scales[0]);
  return describeWeight(device, activation ? "int8" : "codes", shape, panels, {
    ...{ bits, groupSize, groups, activation },
    scales: uploadPerGroup(device, perGroup, n, "f32"),
    ...(zeros && { zeros: uploadPerGroup(device, zeros, n, "u8") }),
    ...(tables && uploadTables(device, tables, [n, groups, 2 ** bits])),
  });
}

/** [N, groups] → [⌈N/8⌉, groups, 8], zeros behind. */
function uploadPerGroup(
  device: WasmDevice,
  values: Float32Array | Uint8Array,
  n: number,
  dtype: "f32" | "u8",
): WasmTensor {
  const groups = values.length / n;
  const shape = [Math.ceil(n / PANEL), groups, PANEL];
  const length = shape[0] * groups * PANEL;
  const out = dtype === "f32" ? new Float32Array(length) : new Uint8Array(length);
  for (let r = 0; r < n; r++) {
    const first = Math.floor(r / PANEL) * groups * PANEL + (r % PANEL);
    for (let g = 0; g < groups; g++) out[first + g * PANEL] = values[r * groups + g];
  }
  return device.uploadWeight(shape, dtype, out);
}

/** One table for the matrix, for each row or for each group; those of rows are padded to whole panels. */
function uploadTables(
  device: WasmDevice,
  tables: Float32Array,
  [n, groups, size]: readonly [n: number, groups: number, size: number],
): { tables: WasmTensor; tableStrides: readonly [number, number] } {
  const count = tables.length / size;
  const perRow = count === 1 ? 0 : count / n; // 1, or the groups
  const padded = Math.max(1, Math.ceil(n / PANEL) * PANEL * perRow);
  return {
    tables: device.uploadWeight([padded, size], "f32", tables),
    tableStrides: [perRow * size * 4, perRow === groups ? size * 4 : 0],
  };
}
