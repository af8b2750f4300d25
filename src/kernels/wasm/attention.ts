import type { Batch } from "../../tensor/backend.ts";
import type { SanmSizes } from "../checks.ts";
import type { WasmDevice, WasmTensor } from "./device.ts";
import { FINISH_BYTES, PANEL, PRODUCTS, type Products } from "./formats.ts";
import { MAX_TILE_ROWS } from "./linear.ts";

/** The most queries of a task: a clip of 3 s is one. Their number is one of whole tiles, of 4, 6 or 12 rows. */
const QUERIES = 60;
const WHOLE_TILES = 12;
/** Keys of a step (assembly/attention.ts). */
const KEYS = 64;
/** The most of a step in whole numbers (assembly/packKeys.ts). */
const MOST_INT_KEYS = 256;
const WEIGHT_BYTES = 64;
const SCALES = 16;
const PAIRS: Products = { kind: "i16", offset: 0 };

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
    const sizes = [blocks, queries, width];
    // What comes from products in int8 is multiplied in int8, or finer whole numbers.
    if (qkv.int8) {
      const { kind, offset } = device.int8.find(({ kind, positive }) => kind === "quads" && !positive) ?? PAIRS;
      const products = [PRODUCTS[kind], offset];
      const bytesOfNumber = kind === "quads" ? 1 : 2;
      const columns = Math.ceil(width / 16) * 16; // whole vectors of int8, and more than whole ones of int16
      const steps = Math.ceil(longest / MOST_INT_KEYS);
      const keys = steps > 1 ? MOST_INT_KEYS : Math.ceil(longest / 16) * 16;
      const clips = [lengths.length, heads];

      // k and v with starts and scales, in steps of keys: every clip has one that may be part of a step.
      const stepBytes = 8 * (keys + columns) + 2 * bytesOfNumber * keys * columns;
      const packed = device.createTensor([Math.floor(rows / keys) + lengths.length, heads, stepBytes], "u8");
      const rowsOfPanel = device.scratch(bytesOfNumber * PANEL * columns);
      device.record("packKeys", qkv, offsets, packed, ...clips, steps, keys, width, ...products, rowsOfPanel);

      const bytesOfQuery = 4 * (columns + SCALES + 2) + bytesOfNumber * columns;
      const bytesOfTile = MAX_TILE_ROWS * (bytesOfNumber * (columns + keys) + 4 * keys) + 4 * SCALES;
      const scratchBytes = FINISH_BYTES + 2 * WEIGHT_BYTES + QUERIES * bytesOfQuery + bytesOfTile;
      const scratch = device.scratch(scratchBytes);
      device.record(
        "attentionInt",
        qkv,
        packed,
        offsets,
        y,
        ...clips,
        keys,
        ...sizes,
        ...products,
        scratch,
        scratchBytes,
      );
      return y;
    }
    const padded = Math.ceil(width / PANEL) * PANEL;
    const scratchBytes = 4 * (2 * (QUERIES + KEYS) * padded + 2 * MAX_TILE_ROWS * KEYS + 2 * QUERIES);
    const scratch = device.scratch(scratchBytes);
    device.record("attention", qkv, offsets, y, lengths.length, heads, ...sizes, scratch, scratchBytes);
    return y;
  });
}
