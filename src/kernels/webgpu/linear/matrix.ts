import { BLOCK } from "../../../tensor/quantized.ts";
import type { DeviceTraits, MatrixSize } from "../traits.ts";
import { CODES_LAYOUT, codesColumns, HALVES, tableBytes } from "./codes.ts";
import { head } from "./head.ts";
import { type LinearKernel, lines, type Variant } from "./kernel.ts";
import { ofNeighbours } from "./neighbours.ts";
import { rowBytes, rowsOf } from "./rows.ts";
import { type ColumnSource, type Stage, stageColumns, stageLoop, stageRows } from "./staging.ts";

/** The work of a workgroup. */
export interface MatrixShape {
  /** Outputs of the workgroup, which `down` × `across` subgroups share. */
  readonly rows: number;
  readonly columns: number;
  readonly down: number;
  readonly across: number;
  /** Parts of each stage's k, each for subgroups of its own, whose sums are added at the end. */
  readonly slices: number;
  /** k of a slice of a stage. */
  readonly depth: number;
}

/** What is multiplied. */
export interface MatrixProduct {
  readonly of: "f16" | "i8";
  readonly sum: "f32" | "i32";
  readonly size: MatrixSize;
  readonly declarations?: string;
  /** After the loop, and the f32 of a sum, given `row` and `column`. */
  readonly value: (sum: string) => string;
}

/** k of a vec4<u32>. */
const perVec = ({ of }: Pick<MatrixProduct, "of">) => (of === "f16" ? 8 : 16);

export function matrixBytes(shape: MatrixShape, product: MatrixProduct): number {
  const { rows, columns, down, slices } = shape;
  const { m } = product.size;
  const sums = down * slices * m * columns * 4;
  return (rows + columns) * strideOf(shape, product) * 16 + sums + rowBytes(rows, 0);
}

/** Odd, so that rows that are read together begin in different banks. */
function strideOf({ depth, slices }: MatrixShape, product: MatrixProduct): number {
  return ((depth * slices) / perVec(product)) | 1;
}

/**
 * The frame of kernels on subgroup matrices: stage after stage a workgroup copies some k of its rows of x and of its
 * columns of w into its memory, where both lie along k; each subgroup multiplies a block of rows and columns out of it, a
 * matrix of m × k by one of k × n at a time. What a lane holds of a matrix is the driver's business, so sums go through
 * workgroup memory to the lanes that end and write them.
 */
export function matrixWgsl(
  kernel: LinearKernel,
  variant: Variant,
  shape: MatrixShape,
  product: MatrixProduct,
  columnSource: ColumnSource,
): string {
  const { rows, columns, down, across, slices, depth } = shape;
  const { of, sum, size } = product;
  const { form, epilogue } = variant;
  const { subgroup } = variant.device;
  const lanes = subgroup.size * down * across * slices;
  // A matrix begins at a multiple of its own k, which is half a vec4 where it is 8 of int8.
  const halved = size.k < perVec(product);
  const stride = strideOf(shape, product);
  const vecs = (depth * slices) / perVec(product);
  const stage: Stage = { lanes, rows, columns, vecs, perVec: perVec(product), stride, halved };
  const given = rowsOf(variant, of === "f16" ? "f16" : "int8", { rows, lanes, shuffles: true });
  const [x, w] = [stageRows(stage, given.source), stageColumns(stage, columnSource)];
  const stages = Math.ceil(form.k / (depth * slices));
  const [blockRows, blockColumns] = [rows / down, columns / across];
  const [tall, wide] = [blockRows / size.m, blockColumns / size.n];
  /** Elements of workgroup memory to k numbers, and to a row. */
  const elements = (k: number) => (k / perVec(product)) * (halved ? 2 : 1);
  const rowElements = stride * (halved ? 2 : 1);
  const memory = `array<vec${halved ? 2 : 4}<u32>, ROWS>`;
  const left = `subgroup_matrix_left<${of}, ${size.k}, ${size.m}>`;
  const right = `subgroup_matrix_right<${of}, ${size.n}, ${size.k}>`;
  const blockLines = (line: (i: number, j: number) => string) => {
    return lines(tall, (i) => lines(wide, (j) => line(i, j)));
  };
  const leftAt = (i: number) => `xFrom + k + ${i * size.m * rowElements}`;
  const rightAt = (j: number) => `wFrom + k + ${j * size.n * rowElements}`;
  // A band of m rows of each block at a time.
  const outputs = down * size.m * columns;
  const products = /* wgsl */ `    for (var k = 0u; k < ${elements(depth)}; k += ${elements(size.k)}) {
${lines(wide, (j) => `      let w${j} = subgroupMatrixLoad<${right}, col_major>(&ws, ${rightAt(j)}, ${rowElements});`)}
${lines(tall, (i) => {
  const load = `let x${i} = subgroupMatrixLoad<${left}, row_major>(&xs, ${leftAt(i)}, ${rowElements});`;
  return `      ${load}\n${lines(wide, (j) => `      s${i}_${j} = subgroupMatrixMultiplyAccumulate(x${i}, w${j}, s${i}_${j});`)}`;
})}
    }`;
  const sumOf = (e: string) =>
    Array.from({ length: slices }, (_, slice) => `sums[${e} + ${slice * outputs}]`).join(" + ");
  const rowOf = (part: string, i: number) => {
    return `firstRow + ${part} / ${size.m} * ${blockRows} + ${i * size.m} + ${part} % ${size.m}`;
  };
  /** Lanes that share a row of a band. */
  const ofRow = lanes / (down * size.m);
  const band = (i: number) => {
    return epilogue.best
      ? `
  {
    let row = ${rowOf(`(lane / ${ofRow})`, i)};
    var part = NOTHING;
    for (var c = lane % ${ofRow}; c < ${columns}; c += ${ofRow}) {
      let column = firstColumn + c;
      let sum = ${sumOf(`lane / ${ofRow} * ${columns} + c`)};
      part = seen(part, column, ${product.value("sum")});
    }
    part = best(lane, part);
    if (lane % ${ofRow} == 0) { keep(row, group.x, part); }
  }`
      : `
  for (var e = lane; e < ${outputs}; e += ${lanes}) {
    let row = ${rowOf(`(e / ${columns})`, i)};
    let column = firstColumn + e % ${columns};
    let sum = ${sumOf("e")};
    store(row, column, ${product.value("sum")});
  }`;
  };
  return /* wgsl */ `
enable subgroups;
enable chromium_experimental_subgroup_matrix;
${of === "f16" ? "enable f16;" : ""}
${subgroup.fixed ? "enable subgroup_size_control;" : ""}
diagnostic(off, chromium.subgroup_matrix_uniformity); // offsets differ from subgroup to subgroup
${head(kernel, variant)}
var<workgroup> xs: ${memory.replace("ROWS", `${rows * rowElements}`)};
var<workgroup> ws: ${memory.replace("ROWS", `${columns * rowElements}`)};
var<workgroup> sums: array<${sum}, ${outputs * slices}>;
${given.declarations}
${columnSource.declarations ?? ""}
${product.declarations ?? ""}
${epilogue.best ? ofNeighbours({ name: "best", type: "vec4<f32>", count: ofRow, combined: "merged(a, b)" }, lanes, true) : ""}

@compute @workgroup_size(${lanes}) ${subgroup.fixed ? `@subgroup_size(${subgroup.size})` : ""}
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let firstColumn = group.x * ${columns};
  let firstRow = group.y * ${rows};
  let subgroup = subgroupBroadcastFirst(lane / ${subgroup.size});
  let slice = subgroup / ${down * across};
  let xFrom = subgroup % ${down} * ${blockRows * rowElements} + slice * ${elements(depth)};
  let wFrom = subgroup / ${down} % ${across} * ${blockColumns * rowElements} + slice * ${elements(depth)};
  let sumsFrom = (slice * ${down} + subgroup % ${down}) * ${size.m * columns} + subgroup / ${down} % ${across} * ${blockColumns};
${blockLines((i, j) => `  var s${i}_${j}: subgroup_matrix_result<${sum}, ${size.n}, ${size.m}>;`)}
${given.prologue}
${x.declare}
${w.declare}
${stageLoop(stages, x, w, products)}
${lines(
  tall,
  (i) => `
${lines(wide, (j) => {
  const at = `sumsFrom + ${j * size.n}`;
  return `  subgroupMatrixStore<row_major>(&sums, ${at}, s${i}_${j}, ${columns});`;
})}
  workgroupBarrier();
${band(i)}
  workgroupBarrier();`,
)}
}`;
}

/** f16 weights as they are, eight a vec4. */
const F16_COLUMNS: ColumnSource = {
  ...{ blockK: BLOCK, units: BLOCK / 8, registers: { w: "vec4<u32>" }, declarations: HALVES },
  load: (register) => `      ${register("w")} = w[unit];`,
  values: (register) => [register("w")],
};

/** f16 weights, and codes that stand for floats; x in f16 too, sums in f32. */
function floatMatrix(shape: MatrixShape): LinearKernel {
  const productOf = ({ f16Matrix: size }: DeviceTraits): MatrixProduct | undefined => {
    return size && { of: "f16", sum: "f32", size, value: (sum) => sum };
  };
  const kernel: LinearKernel = {
    name: `matrix ${shape.rows}x${shape.columns}`,
    matrix: "f16",
    layout: CODES_LAYOUT,
    tile: [shape.rows, shape.columns],
    supports: (device, form) => {
      const product = productOf(device);
      if (!product || form.values === "f32" || form.int8) return false;
      return matrixBytes(shape, product) + tableBytes(form) <= device.workgroupBytes;
    },
    fuses: true,
    wgsl: (variant) => {
      const source = variant.form.values === "f16" ? F16_COLUMNS : codesColumns(variant.form, "f16", shape.columns);
      return matrixWgsl(kernel, variant, shape, productOf(variant.device) as MatrixProduct, source);
    },
  };
  return kernel;
}

export const FLOAT_MATRICES = [
  floatMatrix({ rows: 32, columns: 32, down: 1, across: 1, slices: 4, depth: 16 }),
  floatMatrix({ rows: 64, columns: 64, down: 2, across: 2, slices: 1, depth: 32 }),
  floatMatrix({ rows: 128, columns: 128, down: 2, across: 4, slices: 1, depth: 32 }),
];
