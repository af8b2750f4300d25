import { blocks } from "./blocks.ts";
import { head } from "./head.ts";
import { type LinearKernel, lines, type Variant, type WeightForm } from "./kernel.ts";
import { ofNeighbours } from "./neighbours.ts";
import { rowBytes, rowsOf } from "./rows.ts";
import { type ColumnSource, stageColumns, stageLoop, stageRows } from "./staging.ts";

/** The work of a workgroup. */
export interface TileShape {
  /** Outputs of the workgroup, and of a lane. */
  readonly rows: number;
  readonly columns: number;
  readonly patch: readonly [rows: number, columns: number];
  /** Parts of each stage's k, each for lanes of its own, which add up their sums at the end: 1, 2 or 4. */
  readonly slices: number;
  /** vec4s along k in a slice of a stage. */
  readonly depth: number;
}

/** What is multiplied. */
export interface Product {
  /** Type of a number of xs and ws, k in a vec4 of them, and type of a sum. */
  readonly type: "f32" | "u32";
  readonly perVec: number;
  readonly sum: "f32" | "i32";
  /** The sum with the product of a component of x and one of w. */
  readonly add: (sum: string, x: string, w: string) => string;
  readonly declarations?: string;
  /** Before the loop over stages; after stage `s`; and the f32 of output (r, c) in the end. */
  readonly before?: string;
  readonly after?: string;
  readonly end?: string;
  readonly value: (r: number, c: number) => string;
}

export const PRODUCT_F32: Product = {
  type: "f32",
  perVec: 4,
  sum: "f32",
  add: (sum, x, w) => `fma(${x}, ${w}, ${sum})`,
  value: (r, c) => `s${r}_${c}`,
};

export function tileLanes({ rows, columns, patch, slices }: TileShape): number {
  return (rows / patch[0]) * (columns / patch[1]) * slices;
}

/** Bytes of workgroup memory of the two tiles, and of what is kept of rows. */
export function tileBytes(shape: TileShape): number {
  return (shape.rows * strideOf(shape) + columnVecs(shape)) * 16 + rowBytes(shape.rows, tileLanes(shape));
}

/** vec4s for the columns, and for the sums of half of the slices. */
function columnVecs(shape: TileShape): number {
  const { rows, columns, slices } = shape;
  return Math.max(columns * strideOf(shape), ((slices >> 1) * rows * columns) / 4);
}

/** Odd, so that lanes that read the same k of neighbouring rows meet in no bank. */
function strideOf({ depth, slices }: TileShape): number {
  return (depth * slices) | 1;
}

/**
 * The frame of all tiles: y = relu?(x · wᵀ + bias + residual). Stage after stage a workgroup copies some k of its rows of x
 * and of its columns of w into its memory, a vec4 along k at a time; each lane multiplies a patch of rows and columns out of
 * it, so that what it reads is used patch times. Rows and columns of a patch are spread over the tile: neighbouring lanes
 * have neighbouring ones.
 */
export function tileWgsl(
  kernel: LinearKernel,
  variant: Variant,
  shape: TileShape,
  product: Product,
  source: ColumnSource,
): string {
  const { form, epilogue } = variant;
  const { rows, columns, patch, slices, depth } = shape;
  const [across, down] = [columns / patch[1], rows / patch[0]];
  const [lanes, vecs, stride] = [tileLanes(shape), depth * slices, strideOf(shape)];
  const stage = { lanes, rows, columns, vecs, perVec: product.perVec, stride };
  const given = rowsOf(variant, product.type === "u32" ? "int8" : "f32", { rows, lanes, shuffles: false });
  const [x, w] = [stageRows(stage, given.source), stageColumns(stage, source)];
  const stages = Math.ceil(form.k / (vecs * product.perVec));
  const patchLines = (line: (r: number, c: number) => string) => {
    return lines(patch[0], (r) => lines(patch[1], (c) => line(r, c)));
  };
  const products = /* wgsl */ `    for (var k = 0u; k < ${depth}; k++) {
${lines(patch[1], (c) => `      let w${c} = ws[wFrom + k + ${c * across * stride}];`)}
${lines(patch[0], (r) => {
  const sums = ["x", "y", "z", "w"].map((i) => {
    return lines(patch[1], (c) => `      s${r}_${c} = ${product.add(`s${r}_${c}`, `v${r}.${i}`, `w${c}.${i}`)};`);
  });
  return `      let v${r} = xs[xFrom + k + ${r * down * stride}];\n${sums.join("\n")}`;
})}
    }
${product.after ?? ""}`;
  return /* wgsl */ `
${head(kernel, variant)}
var<workgroup> xs: array<vec4<${product.type}>, ${rows * stride}>;
var<workgroup> ws: array<vec4<${product.type}>, ${columnVecs(shape)}>;
${given.declarations}
${source.declarations ?? ""}
${product.declarations ?? ""}
${epilogue.best ? ofNeighbours({ name: "best", type: "vec4<f32>", count: across, combined: "merged(a, b)" }, lanes, false) : ""}

@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let firstColumn = group.x * ${columns};
  let firstRow = group.y * ${rows};
  let across = lane % ${across};
  let down = lane / ${across} % ${down};
  let slice = ${slices > 1 ? `lane / ${across * down}` : "0u"};
  let xFrom = down * ${stride} + slice * ${depth};
  let wFrom = across * ${stride} + slice * ${depth};
${patchLines((r, c) => `  var s${r}_${c}: ${product.sum};`)}
${given.prologue}
${x.declare}
${w.declare}
${product.before ?? ""}
${stageLoop(stages, x, w, products)}
${slices > 1 ? addSlices(shape, product) : ""}
${slices > 1 && !epilogue.best ? "  if (slice > 0) { return; }" : ""}
${product.end ?? ""}
${
  epilogue.best
    ? lines(patch[0], (r) => {
        const columns = lines(patch[1], (c) => {
          return `    part = seen(part, firstColumn + across + ${c * across}, ${product.value(r, c)});`;
        });
        return `  {
    var part = NOTHING;
${columns}
    part = best(lane, part);
    if (across == 0 && slice == 0) { keep(firstRow + down + ${r * down}, group.x, part); }
  }`;
      })
    : patchLines((r, c) => {
        return `  store(firstRow + down + ${r * down}, firstColumn + across + ${c * across}, ${product.value(r, c)});`;
      })
}
}`;
}

/** Sums of slices go through `ws`: the upper half of the slices gives, the lower half takes, until one has all. */
function addSlices({ rows, columns, patch, slices }: TileShape, { type, sum }: Product): string {
  const lanes = (rows / patch[0]) * (columns / patch[1]);
  const vecs = (patch[0] * patch[1]) / 4;
  const names = Array.from({ length: patch[0] * patch[1] }, (_, i) => `s${Math.floor(i / patch[1])}_${i % patch[1]}`);
  const as = (to: string, value: string) => (type === sum ? value : `bitcast<vec4<${to}>>(${value})`);
  const turn = (half: number) => `
  workgroupBarrier();
  if (slice >= ${half} && slice < ${2 * half}) {
${lines(vecs, (i) => {
  return `    ws[(lane - ${half * lanes}) * ${vecs} + ${i}] = ${as(type, `vec4(${names.slice(4 * i, 4 * i + 4)})`)};`;
})}
  }
  workgroupBarrier();
  if (slice < ${half}) {
${lines(vecs, (i) => {
  const given = `let v${i} = ${as(sum, `ws[lane * ${vecs} + ${i}]`)};`;
  return `    ${given}\n${lines(4, (j) => `    ${names[4 * i + j]} += v${i}[${j}];`)}`;
})}
  }`;
  const halves = [slices / 2, slices / 4].filter((half) => half >= 1);
  return halves.map(turn).join("\n");
}

/** f32 and f16 weights; f16 becomes f32 on its way into workgroup memory. */
const floatColumns = ({ values }: WeightForm): ColumnSource =>
  values === "f32"
    ? {
        ...{ blockK: FLOAT_BLOCK, units: FLOAT_BLOCK / 4, registers: { w: "vec4<f32>" } },
        load: (register) => `      ${register("w")} = w[unit];`,
        values: (register) => [register("w")],
      }
    : {
        ...{ blockK: FLOAT_BLOCK, units: FLOAT_BLOCK / 8, registers: { w: "vec4<u32>" } },
        load: (register) => `      ${register("w")} = w[unit];`,
        values: (register) => ["xy", "zw"].map((pair) => `floats(${register("w")}.${pair})`),
        declarations: `
fn floats(w: vec2<u32>) -> vec4<f32> { return vec4(unpack2x16float(w.x), unpack2x16float(w.y)); }`,
      };

const FLOAT_BLOCK = 16;
const LAYOUT = blocks(FLOAT_BLOCK);

function floatTile(shape: TileShape): LinearKernel {
  const kernel: LinearKernel = {
    name: `tile ${shape.rows}x${shape.columns}`,
    layout: LAYOUT,
    tile: [shape.rows, shape.columns],
    supports: ({ workgroupBytes }, { values }) => values !== "codes" && tileBytes(shape) <= workgroupBytes,
    fuses: true,
    wgsl: (variant) => tileWgsl(kernel, variant, shape, PRODUCT_F32, floatColumns(variant.form)),
  };
  return kernel;
}

export const FLOAT_TILES = [
  floatTile({ rows: 32, columns: 32, patch: [8, 4], slices: 4, depth: 4 }),
  floatTile({ rows: 64, columns: 64, patch: [8, 8], slices: 1, depth: 4 }),
];
