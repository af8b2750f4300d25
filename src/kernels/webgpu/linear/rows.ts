import { BLOCK } from "../../../tensor/quantized.ts";
import { lines, type Variant } from "./kernel.ts";
import { ofNeighbours } from "./neighbours.ts";
import type { RowSource } from "./staging.ts";

/** Rows of x on their way to workgroup memory. */
export interface Rows {
  readonly source: RowSource;
  readonly declarations: string;
  /** Before anything of x is loaded. */
  readonly prologue: string;
}

/** Lanes that look at a row as a whole together. Eight, which is the size of the smallest subgroups with matrices. */
const TOGETHER = 8;

/** Bytes of workgroup memory that a tile's rows may take besides. */
export const rowBytes = (rows: number, lanes: number) => 16 * rows + 16 * lanes;

/**
 * Rows as f32, f16 or int8, as the variant's input has it. Where a row must be known as a whole, for its layer norm or
 * its largest number, its lanes hold it in registers first: two passes in f32, as in layerNorm.ts, of one load. The
 * int8 of a row as it is are those of quantizeRows.ts to the bit; a norm's sums are in another order than there.
 */
export function rowsOf(
  { form: { k, int8 }, input }: Variant,
  to: "f32" | "f16" | "int8",
  { rows, lanes, shuffles }: { readonly rows: number; readonly lanes: number; readonly shuffles: boolean },
): Rows {
  if (int8 && !input.int8) {
    return {
      source: {
        ...{ type: "vec4<u32>", loads: 1, perRow: Math.ceil(k / BLOCK) * 2, norm: false, known: false },
        value: ([load]) => load,
      },
      declarations: `
fn rowScale(firstRow: u32, row: u32) -> f32 { return rowScales[p.firstRow + min(firstRow + row, p.rows - 1)]; }`,
      prologue: "",
    };
  }
  const { norm } = input;
  const dynamic = input.int8 === "dynamic";
  const known = norm || dynamic;
  const fields = [...(norm ? ["mean: f32", "inverse: f32"] : []), ...(dynamic ? ["scale: f32", "factor: f32"] : [])];
  const factor = (row: string) => (dynamic ? `${row}.factor` : "bitcast<f32>(p.factor)");
  return {
    source: {
      ...{ type: "vec4<f32>", loads: { f32: 1, f16: 2, int8: 4 }[to], perRow: k / 4, norm, known },
      value: (loads, row) => {
        if (to === "f32") return loads[0];
        if (to === "f16") return `halves(${loads.join(", ")})`;
        return `vec4(${loads.map((load) => `bytes(${load} * ${factor(row)})`).join(", ")})`;
      },
    },
    declarations: `
${known ? `struct Row { ${fields.join(", ")} }\nvar<workgroup> known: array<Row, ${rows}>;` : ""}
${norm ? ofNeighbours({ name: "total", type: "f32", count: TOGETHER, combined: "a + b" }, lanes, shuffles) : ""}
${norm ? NORMED : ""}
${dynamic ? ofNeighbours({ name: "largest", type: "f32", count: TOGETHER, combined: "max(a, b)" }, lanes, shuffles) : ""}
${to === "int8" ? BYTES : ""}
${to === "int8" ? `fn rowScale(firstRow: u32, row: u32) -> f32 { return ${dynamic ? "known[row].scale" : "bitcast<f32>(p.scale)"}; }` : ""}`,
    prologue: known ? prologue(k / 4, norm, dynamic, rows, lanes) : "",
  };
}

/** Four numbers of a row's layer norm. */
const NORMED = `
fn normed(x: vec4<f32>, row: Row, scale: vec4<f32>, shift: vec4<f32>) -> vec4<f32> {
  return (x - row.mean) * row.inverse * scale + shift;
}`;

/** Four numbers as int8 in a word. */
const BYTES = `
fn bytes(x: vec4<f32>) -> u32 {
  let whole = vec4<u32>(vec4<i32>(clamp(round(x), vec4(-127.0), vec4(127.0)))) & vec4(255u);
  return whole.x | (whole.y << 8) | (whole.z << 16) | (whole.w << 24);
}`;

function prologue(perRow: number, norm: boolean, dynamic: boolean, rows: number, lanes: number): string {
  const loads = Math.ceil(perRow / TOGETHER);
  const rest = perRow % TOGETHER;
  /** Some lanes have nothing in their last turn. */
  const inside = (i: number, value: string) => {
    return rest && i === loads - 1 ? `select(vec4<f32>(), ${value}, part < ${rest}u)` : value;
  };
  const all = Array.from({ length: loads }, (_, i) => i);
  const each = (line: (i: number) => string) => lines(loads, (i) => `    ${line(i)}`);
  return /* wgsl */ `
  for (var turn = 0u; turn < ${(rows * TOGETHER) / lanes}; turn++) {
    let index = turn * ${lanes / TOGETHER} + lane / ${TOGETHER};
    let part = lane % ${TOGETHER};
    let start = (p.firstRow + min(firstRow + index, p.rows - 1)) * ${perRow} + part;
    var row: Row;
${each((i) => `let x${i} = ${inside(i, `x[start + ${i * TOGETHER}]`)};`)}
${
  norm
    ? `    row.mean = total(lane, dot(${all.map((i) => `x${i}`).join(" + ")}, vec4(1.0))) / ${4 * perRow};
${each((i) => `let c${i} = ${inside(i, `x${i} - row.mean`)};`)}
    row.inverse = inverseSqrt(total(lane, ${all.map((i) => `dot(c${i}, c${i})`).join(" + ")}) / ${4 * perRow} + 1e-5);`
    : ""
}
${
  dynamic
    ? `    var most = vec4<f32>();
${
  norm
    ? `    for (var k = part; k < ${perRow}; k += ${TOGETHER}) {
      most = max(most, abs(normed(x[start - part + k], row, gamma[k], beta[k])));
    }`
    : each((i) => `most = max(most, abs(x${i}));`)
}
    let size = largest(lane, max(max(most.x, most.y), max(most.z, most.w)));
    row.scale = size * ${Math.fround(1 / 127)};
    row.factor = select(127.0 / size, 0.0, size < 1e-30);`
    : ""
}
    if (part == 0) { known[index] = row; }
  }
  workgroupBarrier();`;
}
