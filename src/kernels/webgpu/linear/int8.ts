import { BLOCK } from "../../../tensor/quantized.ts";
import { CODES_LAYOUT, fourCodes, groupOf, loadWords, tableBytes, tablesOf, ZERO } from "./codes.ts";
import { type LinearKernel, lines, type Variant, type WeightForm } from "./kernel.ts";
import type { ColumnSource } from "./staging.ts";
import { type Product, type TileShape, tileBytes, tileWgsl } from "./tile.ts";

/** Codes that stand for int8, unpacked once a tile, four to a word: a unit is a block of 32, two vec4s. */
export const int8Columns = (form: WeightForm, columns: number): ColumnSource => {
  const { bits, zeros } = form;
  const tables = form.tables && tablesOf(form, "u32", columns);
  const mask = 2 ** bits - 1;
  const shift = shiftOf(form);
  const joined = (byte: (j: number) => string) => [0, 1, 2, 3].map(byte).join(" | ");
  const spread = joined((j) => `((codes << ${(8 - bits) * j + shift}u) & ${(mask << (8 * j + shift)) >>> 0}u)`);
  const value = tables
    ? joined((j) => `(${tables.name}[ofGroup + ((codes >> ${bits * j}u) & ${mask}u)] << ${8 * j}u)`)
    : zeros
      ? `(((${spread}) | 0x80808080u) - ofGroup) ^ 0x80808080u`
      : bits === 8
        ? "codes"
        : spread;
  return {
    blockK: BLOCK,
    units: 1,
    registers: {
      ...Object.fromEntries(Array.from({ length: bits }, (_, i) => [`c${i}_`, "u32"])),
      ...((tables || zeros) && { ofGroup: "u32" }),
    },
    declarations: `
${tables?.declaration ?? ""}
fn values(codes: u32, ofGroup: u32) -> u32 { return ${value}; }`,
    prologue: tables?.prologue,
    load: (register) => `
${loadWords(bits, register)}
      ${tables ? `${register("ofGroup")} = ${tables.first};` : ""}
      ${zeros && !tables ? `let at = ${groupOf(form)} * columns + column;\n      ${register("ofGroup")} = ${ZERO} * 0x01010101u;` : ""}`,
    values: (register) => {
      const ofGroup = tables || zeros ? register("ofGroup") : "0u";
      const word = (i: number) => `values(${fourCodes(bits, i, (at) => register(`c${at}_`))}, ${ofGroup})`;
      return [0, 4].map((first) => `vec4(${[0, 1, 2, 3].map((i) => word(first + i)).join(", ")})`);
    },
  };
};

/** Symmetric codes go to the upper ends of their bytes, which makes them 2^shift times too large; see plainInt8.ts. */
export function shiftOf({ bits, zeros, tables }: WeightForm): number {
  return zeros || tables ? 0 : 8 - bits;
}

/** `fn product`, rounded to f32: no compiler knows that p.none is 0, so none fuses it with the sum after it. */
export const PRODUCT = "fn product(a: f32, b: f32) -> f32 { return fma(a, b, bitcast<f32>(p.none)); }";

/** Sums in i32, in f32 after each group, in the order of QuantizedTensor.activation. */
function int8Product(form: WeightForm, { patch, columns, rows }: TileShape, stageK: number): Product {
  const across = columns / patch[1];
  const down = rows / patch[0];
  const grouped = form.groupSize < form.k;
  const stages = Math.ceil(form.k / stageK);
  const ofGroup = form.groupSize / stageK;
  const patchLines = (line: (r: number, c: number) => string) => {
    return lines(patch[0], (r) => lines(patch[1], (c) => line(r, c)));
  };
  // A lane's columns are an even number apart: their scales lie in the same half of their words.
  const scaleAt = (group: string, c: number) => {
    if (!form.halfScales) return `scales[${group} * columns + firstColumn + across + ${c * across}u]`;
    return `unpack2x16float(scales[${group} * (columns / 2) + scaleFrom + ${(c * across) / 2}u] >> scaleShift).x`;
  };
  const flush = (group: string) => `
${lines(patch[1], (c) => `      let scale${c} = ${scaleAt(group, c)} * ${2 ** -shiftOf(form)}; // exact`)}
${patchLines((r, c) => `      f${r}_${c} += product(f32(s${r}_${c}), scale${c});`)}
${grouped ? patchLines((r, c) => `      s${r}_${c} = 0;`) : ""}`;
  const ends = ofGroup === 1 ? "true" : `(s + 1) % ${ofGroup} == 0 || s + 1 == ${stages}`;
  return {
    ...{ type: "u32", perVec: 16, sum: "i32" },
    declarations: PRODUCT,
    add: (sum, x, w) => `${sum} + dot4I8Packed(${x}, ${w})`,
    before: `
${form.halfScales ? "  let scaleFrom = (firstColumn + across) / 2;\n  let scaleShift = across % 2 * 16;" : ""}
${patchLines((r, c) => `  var f${r}_${c}: f32;`)}`,
    after: grouped ? `    if (${ends}) {\n      let group = s / ${ofGroup}u;${flush("group")}\n    }` : undefined,
    end: `${grouped ? "" : flush("0u")}
${lines(patch[0], (r) => `  let rowScale${r} = rowScale(firstRow, down + ${r * down});`)}`,
    value: (r, c) => `product(f${r}_${c}, rowScale${r})`,
  };
}

/**
 * Weights with a scale a row in `perRow` or, where the kernel itself makes the int8 rows, `reading`: x in f32 takes four
 * times the registers. Weights in groups go along K a block at a time, `grouped`.
 */
function int8Tile(perRow: TileShape, reading: TileShape, grouped: TileShape): LinearKernel {
  const shapeOf = ({ form, input }: Variant) => {
    return form.groupSize < form.k ? grouped : input.int8 ? reading : perRow;
  };
  const { rows, columns } = perRow;
  const kernel: LinearKernel = {
    name: `int8 ${rows}x${columns}`,
    layout: CODES_LAYOUT,
    tile: [rows, columns],
    supports: ({ workgroupBytes, int8Dot }, form) => {
      const bytes = form.groupSize < form.k ? tileBytes(grouped) : Math.max(tileBytes(perRow), tileBytes(reading));
      return form.int8 && int8Dot && bytes + tableBytes(form) <= workgroupBytes;
    },
    fuses: true,
    wgsl: (variant) => {
      const { form } = variant;
      const shape = shapeOf(variant);
      const product = int8Product(form, shape, shape.depth * shape.slices * 16);
      return tileWgsl(kernel, variant, shape, product, int8Columns(form, columns));
    },
  };
  return kernel;
}

export const INT8_TILES = [
  int8Tile(
    { rows: 32, columns: 32, patch: [8, 4], slices: 4, depth: 2 },
    { rows: 32, columns: 32, patch: [8, 4], slices: 4, depth: 1 },
    { rows: 32, columns: 32, patch: [4, 4], slices: 1, depth: 2 },
  ),
  int8Tile(
    { rows: 64, columns: 64, patch: [8, 8], slices: 1, depth: 4 },
    { rows: 64, columns: 64, patch: [8, 4], slices: 1, depth: 4 },
    { rows: 64, columns: 64, patch: [8, 4], slices: 1, depth: 2 },
  ),
];
