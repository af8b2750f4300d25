import { elementCount } from "../../tensor/host.ts";
import { groupsOf, halfScales, type QuantizedTensor, scalesOfGroups, wordsOfRow } from "../../tensor/quantized.ts";
import type { WasmDevice, WasmTensor } from "./device.ts";
import { PANEL } from "./formats.ts";
import { type Codes, describeWeight, type WasmWeight } from "./weight.ts";

/**
 * Weights in codes of 2 to 8 bits stay in codes, and become f32, or whole numbers for int8 activations, a panel at a
 * time as they are used.
 */
export function uploadCodes(device: WasmDevice, weight: QuantizedTensor): WasmWeight {
  const { shape, bits, groupSize, codes, zeros, tables, activation } = weight;
  const [n, k] = shape;
  const padded = Math.ceil(n / PANEL) * PANEL;
  const panelBytes = PANEL * wordsOfRow(weight) * 4;
  const panels = device.uploadWeight([padded, wordsOfRow(weight)], "u32", codes);
  device.scope(() => {
    const scratchBytes = panelBytes + 8; // a code is read with the byte behind it
    device.record("packCodes", panels, n, k, bits, device.scratch(scratchBytes), scratchBytes);
    return panels;
  });

  const groups = groupsOf(weight);
  const ready = activation !== undefined && bits === 8;
  const starts = ready ? device.createTensor([padded, groups], "u32") : undefined;
  const described = describeWeight(device, activation ? "int8" : "codes", shape, panels, {
    ...{ bits, groupSize, groups, activation },
    ...(activation !== undefined && { products: productsOf(device, weight) }),
    scales: uploadScales(device, weight, ready),
    ...(starts && { starts }),
    ...(zeros && { zeros: uploadPerGroup(device, zeros, n, "u8") }),
    ...(tables && uploadTables(device, tables, [n, groups, 2 ** bits], activation ? "int8" : "f32")),
  });
  if (ready) {
    device.scope(() => {
      const scratchBytes = panelBytes * 2;
      device.record("layCodes", described.description, n, device.scratch(scratchBytes), scratchBytes);
      return panels;
    });
  }
  return described;
}

/** The fastest products that come out right for a weight. */
function productsOf(device: WasmDevice, weight: QuantizedTensor): Codes["products"] {
  const largest = largestOf(weight);
  const fitting = device.int8.filter(({ bits }) => largest <= 2 ** (bits - 1));
  const [any] = fitting.filter(({ positive }) => !positive);
  return { any, positive: fitting[0] };
}

/** The largest magnitude of what codes stand for before scaling. */
function largestOf({ bits, zeros, tables }: QuantizedTensor): number {
  if (tables) return tables.reduce((largest, entry) => Math.max(largest, Math.abs(entry)), 0);
  return zeros ? 2 ** bits - 1 : 2 ** (bits - 1);
}

/** In f16 where that holds them, as it does those of a file; those of codes that are not unpacked are read as f32. */
function uploadScales(device: WasmDevice, weight: QuantizedTensor, ready: boolean): WasmTensor {
  const [n] = weight.shape;
  const halves = ready ? undefined : halfScales(weight);
  return halves ? uploadPerGroup(device, halves, n, "f16") : uploadPerGroup(device, scalesOfGroups(weight), n, "f32");
}

/** [N, groups] → [⌈N/8⌉, groups, 8], zeros behind. */
function uploadPerGroup(
  device: WasmDevice,
  values: Float32Array | Uint16Array | Uint8Array,
  n: number,
  dtype: "f32" | "f16" | "u8",
): WasmTensor {
  const groups = values.length / n;
  const shape = [Math.ceil(n / PANEL), groups, PANEL];
  return device.fillWeight(shape, dtype, ({ buffer, byteOffset }) => {
    const out = new { f32: Float32Array, f16: Uint16Array, u8: Uint8Array }[dtype](
      buffer,
      byteOffset,
      elementCount(shape),
    );
    out.fill(0, (shape[0] - 1) * groups * PANEL);
    for (let r = 0; r < n; r++) {
      const first = Math.floor(r / PANEL) * groups * PANEL + (r % PANEL);
      for (let g = 0; g < groups; g++) out[first + g * PANEL] = values[r * groups + g];
    }
  });
}

/**
 * One table for the matrix, for each row or for each group; those of rows are padded to whole panels. Int8 ones (their
 * entries are whole numbers) have 16 entries at least, a vector.
 */
function uploadTables(
  device: WasmDevice,
  tables: Float32Array,
  [n, groups, size]: readonly [n: number, groups: number, size: number],
  entries: "f32" | "int8",
): { tables: WasmTensor; tableStrides: readonly [number, number] } {
  const count = tables.length / size;
  const perRow = count === 1 ? 0 : count / n; // 1, or the groups
  const padded = Math.max(1, Math.ceil(n / PANEL) * PANEL * perRow);
  const int8 = entries === "int8";
  const stride = int8 ? Math.max(size, 16) : size * 4;
  const data = int8 ? int8Tables(tables, size, stride) : tables;
  return {
    tables: device.uploadWeight([padded, stride], "u8", data),
    tableStrides: [perRow * stride, perRow === groups ? stride : 0],
  };
}

function int8Tables(tables: Float32Array, size: number, stride: number): Uint8Array {
  const out = new Uint8Array((tables.length / size) * stride);
  for (let i = 0; i < tables.length; i++) out[Math.floor(i / size) * stride + (i % size)] = tables[i];
  return out;
}
