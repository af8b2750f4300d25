import type { Batch } from "../../tensor/backend.ts";
import type { SanmSizes } from "../checks.ts";
import type { WasmDevice, WasmTensor } from "./device.ts";
import { PANEL } from "./formats.ts";
import { MAX_TILE_ROWS } from "./linear.ts";

/** Queries of a task and keys of a step (assembly/attention.ts). */
const QUERIES = 48;
const KEYS = 64;

export function attention(
  device: WasmDevice,
  qkv: WasmTensor,
  heads: number,
  { offsets, lengths }: Batch<WasmTensor>,
  { rows, d, width }: SanmSizes,
): WasmTensor {
  return device.scope(() => {
    const y = device.createTensor([rows, d]);
    const blocks = Math.ceil(Math.max(...lengths) / QUERIES);
    const padded = Math.ceil(width / PANEL) * PANEL;
    const scratchBytes = 4 * (2 * (QUERIES + KEYS) * padded + 2 * MAX_TILE_ROWS * KEYS + 2 * QUERIES);
    const scratch = device.scratch(scratchBytes);
    device.record("attention", qkv, offsets, y, lengths.length, heads, blocks, width, scratch, scratchBytes);
    return y;
  });
}
