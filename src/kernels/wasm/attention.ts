import type { Batch } from "../../tensor/backend.ts";
import type { SanmSizes } from "../checks.ts";
import type { WasmDevice, WasmTensor } from "./device.ts";
import { PANEL } from "./formats.ts";
import { MAX_TILE_ROWS } from "./linear.ts";

/** The most queries of a task: a clip of 3 s is one. Their number is one of whole tiles, of 4, 6 or 12 rows. */
const QUERIES = 60;
const WHOLE_TILES = 12;
/** Keys of a step (assembly/attention.ts). */
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
    const longest = Math.max(...lengths);
    const blocks = Math.ceil(longest / QUERIES);
    const queries = Math.ceil(longest / blocks / WHOLE_TILES) * WHOLE_TILES;
    const padded = Math.ceil(width / PANEL) * PANEL;
    const scratchBytes = 4 * (2 * (QUERIES + KEYS) * padded + 2 * MAX_TILE_ROWS * KEYS + 2 * QUERIES);
    const scratch = device.scratch(scratchBytes);
    device.record("attention", qkv, offsets, y, lengths.length, heads, blocks, queries, width, scratch, scratchBytes);
    return y;
  });
}
