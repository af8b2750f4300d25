import type { CtcHead } from "../../tensor/backend.ts";
import { checkLinear, checkTokens } from "../checks.ts";
import type { WasmSegments } from "./attention.ts";
import type { WasmDevice, WasmTensor } from "./device.ts";
import { MAX_TILE_ROWS, packRows } from "./linear.ts";
import type { WasmWeight } from "./weight.ts";

/** Tokens of a task (assembly/ctc.ts). */
const TOKENS = 64;
/** Rows at a time: what the tasks leave of them for the merge stays small, however long the clip. */
const CHUNK = 1024;
const NONE = 0xffffffff;

/** Tokens [B, columns] whose logits are asked for. */
interface Chosen {
  readonly tokens: WasmTensor;
  readonly columns: number;
  readonly offsets: WasmTensor;
}

export const ctcGreedy =
  (device: WasmDevice) =>
  (x: WasmTensor, head: WasmCtcHead, banned = NONE): WasmTensor =>
    ctc(device, x, head, device.createTensor([x.shape[0], 2]), banned);

export const ctcLogProbs =
  (device: WasmDevice) =>
  (x: WasmTensor, head: WasmCtcHead, tokens: WasmTensor, segments: WasmSegments): WasmTensor => {
    const [, columns] = checkTokens(x, tokens, segments);
    const y = device.createTensor([x.shape[0], columns]);
    return ctc(device, x, head, y, NONE, { tokens, columns, offsets: segments.offsets });
  };

/** Fills y [R, 2], or [R, columns] where tokens are chosen. */
function ctc(
  device: WasmDevice,
  x: WasmTensor,
  { weight, bias }: WasmCtcHead,
  y: WasmTensor,
  banned: number,
  chosen?: Chosen,
): WasmTensor {
  const [total, vocab, k] = checkLinear(x, weight, { bias });
  const columns = chosen?.columns ?? 0;
  const partCount = Math.ceil(vocab / TOKENS);
  const scratchBytes = 4 * (TOKENS * (MAX_TILE_ROWS + k) + Math.ceil(columns / 4) * 4);
  for (let first = 0; first < total; first += CHUNK) {
    const rows = Math.min(CHUNK, total - first);
    device.scope(() => {
      const packed = packRows(device, x, weight, rows, undefined, first);
      const parts = device.createTensor([partCount, rows, 4]);
      const scratch = device.scratch(scratchBytes);
      device.record(
        "ctc",
        ...[packed, weight.description, bias, banned, parts, rows, vocab],
        ...[chosen?.tokens, columns, chosen?.offsets, first, y, scratch, scratchBytes],
      );
      device.record("ctcMerge", parts, partCount, rows, first, columns, y);
      return y;
    });
  }
  return y;
}

interface WasmCtcHead extends CtcHead {
  readonly weight: WasmWeight;
  readonly bias: WasmTensor;
}
