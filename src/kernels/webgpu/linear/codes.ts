import { BLOCK } from "../../../tensor/quantized.ts";
import { blocks, wordsOfLoad } from "./blocks.ts";
import { type LinearKernel, lines, type WeightForm } from "./kernel.ts";
import type { ColumnSource } from "./staging.ts";
import { PRODUCT_F32, type TileShape, tileBytes, tileWgsl } from "./tile.ts";

/** Codes that stand for floats, unpacked once a tile: a unit is a block of 32 codes, whose bits are whole words. */
export const codesColumns = (form: WeightForm, to: "f32" | "f16", columns: number): ColumnSource => {
  const { bits, zeros } = form;
  const tables = form.tables && tablesOf(form, "f32", columns);
  const mask = 2 ** bits - 1;
  const offset = zeros ? "offset" : `-scale * ${2 ** (bits - 1)}.0`;
  const value = tables
    ? `scale * vec4(${["x", "y", "z", "w"].map((i) => `${tables.name}[table + c.${i}]`).join(", ")})`
    : `vec4<f32>(c) * scale + ${offset}`;
  const four = (register: (name: string) => string, i: number) => {
    const rest = [register("scale"), tables ? register("table") : zeros ? register("offset") : "0"];
    return `values(${fourCodes(bits, i, (word) => register(`c${word}_`))}, ${rest.join(", ")})`;
  };
  return {
    blockK: BLOCK,
    units: 1,
    registers: {
      ...Object.fromEntries(Array.from({ length: bits }, (_, i) => [`c${i}_`, "u32"])),
      scale: "f32",
      ...(tables ? { table: "u32" } : zeros && { offset: "f32" }),
    },
    declarations: `
${tables?.declaration ?? ""}
fn values(codes: u32, scale: f32, ${tables ? "table: u32" : "offset: f32"}) -> vec4<f32> {
  let c = (vec4(codes) >> vec4(0u, ${bits}u, ${2 * bits}u, ${3 * bits}u)) & vec4(${mask}u);
  return ${value};
}
${to === "f16" ? HALVES : ""}`,
    prologue: tables?.prologue,
    load: (register) => `
${loadWords(bits, register)}
      let at = ${groupOf(form)} * columns + column;
      ${register("scale")} = ${scaleOf(form, "at")};
      ${tables ? `${register("table")} = ${tables.first};` : ""}
      ${zeros && !tables ? `${register("offset")} = -${register("scale")} * f32(${ZERO});` : ""}`,
    values: (register) => {
      const fours = Array.from({ length: BLOCK / 4 }, (_, i) => four(register, i));
      if (to === "f32") return fours;
      return [0, 2, 4, 6].map((i) => `halves(${fours[i]}, ${fours[i + 1]})`);
    },
  };
};

/** `fn halves`: eight numbers in f16, the largest of those beyond it. */
export const HALVES = `
fn halves(a: vec4<f32>, b: vec4<f32>) -> vec4<u32> {
  let most = vec4(65504.0);
  return vec4(
    bitcast<vec2<u32>>(vec4<f16>(clamp(a, -most, most))),
    bitcast<vec2<u32>>(vec4<f16>(clamp(b, -most, most))),
  );
}`;

/** The unit's words c0_ … */
export function loadWords(bits: number, register: (name: string) => string): string {
  const words = wordsOfLoad(bits);
  return lines(bits / words, (i) => {
    const load = `codes[unit * ${bits / words}u + ${i}u]`;
    if (words === 1) return `      ${register(`c${i}_`)} = ${load};`;
    const parts = lines(words, (j) => `      ${register(`c${i * words + j}_`)} = load${i}[${j}];`);
    return `      let load${i} = ${load};\n${parts}`;
  });
}

/** The group of `block`; blocks past the end of the row are in the last one. */
export function groupOf({ k, groupSize }: WeightForm): string {
  const groups = Math.ceil(k / groupSize);
  return groups === 1 ? "0u" : `min(block / ${groupSize / BLOCK}u, ${groups - 1}u)`;
}

/** The scale `at` its place. */
export function scaleOf({ halfScales }: WeightForm, at: string): string {
  return halfScales ? `unpack2x16float(scales[(${at}) / 2] >> ((${at}) % 2 * 16)).x` : `scales[${at}]`;
}

/** The zero point `at` its place among the scales'. */
export const ZERO = "((zeros[at / 4] >> (at % 4 * 8)) & 255u)";

/** Bytes of workgroup memory that tables may take, and that a tile's do at most. */
const TABLE_BYTES = 4096;
export const tableBytes = ({ tables }: WeightForm) => (tables ? TABLE_BYTES : 0);

/**
 * Tables in workgroup memory, where one is for all columns or those of the tile's columns fit, else where they are.
 * `first` is the entry with which the table of the unit's group begins.
 */
export function tablesOf(form: WeightForm, type: "f32" | "u32", columns: number) {
  const size = 2 ** form.bits;
  if (form.tables === "matrix") return copied(type, size, "i", "0u");
  if (form.tables === "row" && columns * size * 4 <= TABLE_BYTES) {
    const from = `min(firstColumn + i / ${size}u, p.n - 1) * ${size}u + i % ${size}u`;
    return copied(type, columns * size, from, `(column - firstColumn) * ${size}u`);
  }
  const inside = "min(column, p.n - 1)";
  const groups = Math.ceil(form.k / form.groupSize);
  const table = form.tables === "row" ? inside : `(${inside} * ${groups}u + ${groupOf(form)})`;
  return { name: "tables", declaration: "", prologue: "", first: `${table} * ${size}u` };
}

function copied(type: "f32" | "u32", count: number, from: string, first: string) {
  return {
    name: "entries",
    declaration: `var<workgroup> entries: array<${type}, ${count}>;`,
    prologue: `  for (var i = lane; i < ${count}; i += lanes) { entries[i] = tables[${from}]; }`,
    first,
  };
}

/** The 4·bits bits of codes 4i … 4i+3 of a block, from bit 0 on, given the names of its words. */
export function fourCodes(bits: number, i: number, word: (index: number) => string): string {
  const [at, shift] = [(4 * i * bits) >> 5, (4 * i * bits) & 31];
  const low = shift ? `(${word(at)} >> ${shift}u)` : word(at);
  return shift + 4 * bits > 32 ? `(${low} | (${word(at + 1)} << ${32 - shift}u))` : low;
}

/** Codes in their blocks of 32, floats in as many. */
export const CODES_LAYOUT = blocks(BLOCK);

function codesTile(shape: TileShape): LinearKernel {
  const kernel: LinearKernel = {
    name: `codes ${shape.rows}x${shape.columns}`,
    layout: CODES_LAYOUT,
    tile: [shape.rows, shape.columns],
    supports: ({ workgroupBytes }, form) => {
      return form.values === "codes" && !form.int8 && tileBytes(shape) + tableBytes(form) <= workgroupBytes;
    },
    fuses: true,
    wgsl: (variant) => {
      return tileWgsl(kernel, variant, shape, PRODUCT_F32, codesColumns(variant.form, "f32", shape.columns));
    },
  };
  return kernel;
}

export const CODES_TILES = [
  codesTile({ rows: 32, columns: 32, patch: [8, 4], slices: 4, depth: 4 }),
  codesTile({ rows: 64, columns: 64, patch: [8, 4], slices: 1, depth: 8 }),
];
