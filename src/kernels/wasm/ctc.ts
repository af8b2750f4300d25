import type { CtcHead } from "../../tensor/backend.ts";
import { checkLinear, checkTokens } from "../checks.ts";
import type { WasmDevice, WasmTensor } from "./device.ts";
import { MAX_TILE_ROWS, packRows } from "./linear.ts";
import type { WasmWeight } from "./weight.ts";

/** Tokens of a task (assembly/ctc.ts). */
const TOKENS = 64;
/** Rows at a time: what the tasks leave of them for the merge stays small, however long the clip. */
const CHUNK = 1024;
const NONE = 0xffffffff;

type Head = CtcHead<WasmTensor, WasmWeight>;

export const ctcGreedy =
  (device: WasmDevice) =>
  (x: WasmTensor, head: Head, banned = NONE): WasmTensor => {
    const [rows] = checkLinear(x, head.weight, { bias: head.bias });
    return ctc(device, x, head, device.createTensor([rows]), { first: 0, rows, banned });
  };

export const ctcLogProbs =
  (device: WasmDevice) =>
  (x: WasmTensor, head: Head, tokens: WasmTensor, first: number, rows: number): WasmTensor => {
    checkLinear(x, head.weight, { bias: head.bias });
    const columns = checkTokens(x, tokens, first, rows);
    const y = device.createTensor([rows, columns]);
    return ctc(device, x, head, y, { first, rows, banned: NONE, tokens });
  };

interface Task {
  /** Rows of x: y's row r is x's row first + r. */
  readonly first: number;
  readonly rows: number;
  readonly banned: number;
  /** Those whose log-probabilities are asked for. */
  readonly tokens?: WasmTensor;
}

/** Fills y: [rows] with the best tokens, or [rows, columns] where tokens are given. */
function ctc(
  device: WasmDevice,
  x: WasmTensor,
  { weight, bias }: Head,
  y: WasmTensor,
  { first, rows: total, banned, tokens }: Task,
): WasmTensor {
  const [vocab, k] = weight.shape;
  const columns = tokens?.shape[0] ?? 0;
  const partCount = Math.ceil(vocab / TOKENS);
  const scratchBytes = 4 * (TOKENS * (MAX_TILE_ROWS + k) + Math.ceil(columns / 4) * 4);
  for (let start = 0; start < total; start += CHUNK) {
    const rows = Math.min(CHUNK, total - start);
    device.scope(() => {
      const packed = packRows(device, x, weight, rows, undefined, first + start);
      const parts = device.createTensor([partCount, rows, 4]);
      const scratch = device.scratch(scratchBytes);
      device.record(
        "ctc",
        ...[packed, weight.description, bias, banned, parts, rows, vocab],
        ...[tokens, columns, start, y, scratch, scratchBytes],
      );
      device.record("ctcMerge", parts, partCount, rows, start, columns, y);
      return y;
    });
  }
  return y;
}
