import type { CtcHead } from "../../tensor/backend.ts";
import { checkLinear, checkTokens, checkTopK } from "../checks.ts";
import type { WasmDevice, WasmTensor } from "./device.ts";
import { FINISH_BYTES, PANEL } from "./formats.ts";
import { MAX_TILE_ROWS, packRows } from "./linear.ts";
import type { WasmWeight } from "./weight.ts";

/** Tokens of a task (assembly/ctc.ts). */
const TOKENS = 64;
/** Rows at a time: what the tasks leave of them for the merge stays small, however long the clip. */
const CHUNK = 1024;
const NONE = 0xffffffff;

type Head = CtcHead<WasmTensor, WasmWeight>;

export const ctcTopK =
  (device: WasmDevice) =>
  (x: WasmTensor, head: Head, k: number, banned = NONE): WasmTensor => {
    const [rows] = checkTopK(x, head, k, banned === NONE ? undefined : banned);
    return ctc(device, x, head, device.createTensor([rows, 2 * k + 1]), { first: 0, rows, k, banned });
  };

export const ctcLogProbs =
  (device: WasmDevice) =>
  (x: WasmTensor, head: Head, tokens: WasmTensor, first: number, rows: number, logSums?: WasmTensor): WasmTensor => {
    checkLinear(x, head.weight, { bias: head.bias });
    const columns = checkTokens(x, tokens, first, rows, logSums);
    return ctc(device, x, head, device.createTensor([rows, columns]), { first, rows, tokens, logSums });
  };

interface Task {
  /** Rows of x: y's row r is x's row first + r. */
  readonly first: number;
  readonly rows: number;
  /** Tokens whose log-probabilities are asked for; or else how many of the best, and which may not be among them. */
  readonly tokens?: WasmTensor;
  readonly logSums?: WasmTensor;
  readonly k?: number;
  readonly banned?: number;
}

/** Fills y: [rows, 2k + 1] with the best tokens, or [rows, columns] where tokens are given. */
function ctc(
  device: WasmDevice,
  x: WasmTensor,
  { weight, bias }: Head,
  y: WasmTensor,
  { first, rows: total, tokens, logSums, k = 0, banned = NONE }: Task,
): WasmTensor {
  const [vocab, width] = weight.shape;
  const columns = tokens?.shape[0] ?? 0;
  const partCount = Math.ceil(vocab / TOKENS);
  const scratchBytes =
    FINISH_BYTES + 4 * (MAX_TILE_ROWS * (TOKENS + PANEL) + TOKENS * width + Math.ceil(columns / 4) * 4);
  for (let start = 0; start < total; start += CHUNK) {
    const rows = Math.min(CHUNK, total - start);
    device.scope(() => {
      const packed = packRows(device, x, weight, rows, undefined, first + start);
      const parts = device.createTensor([partCount, rows, 2]);
      const lists = device.createTensor([device.threads, rows, k, 2]);
      const scratch = device.scratch(scratchBytes);
      device.record(
        "ctc",
        ...[packed, weight.description, bias, parts, rows, vocab],
        ...[tokens, columns, logSums !== undefined, start, y, banned, lists, k, scratch, scratchBytes],
      );
      if (tokens) device.record("ctcLogProbs", parts, partCount, rows, start, columns, logSums, y);
      else device.record("ctcTopK", parts, partCount, rows, start, lists, device.threads, k, y);
      return y;
    });
  }
  return y;
}
