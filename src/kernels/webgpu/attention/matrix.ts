import { HALVES } from "../linear/codes.ts";
import type { DeviceTraits, MatrixSize } from "../traits.ts";
import { head, lines, type SanmForm, type SanmKernel } from "./kernel.ts";
import { softmax } from "./softmax.ts";

/** Keys of a block, and the columns of a head: scores and sums of P · v are of one size, and share their memory. */
const KEYS = 128;
const WIDTH = 128;
/** A stage of keys, in columns, and of values, in rows: four vec4s of eight f16. Strides are odd, so that rows begin in different banks. */
const DEPTH = 32;
const STAGE_STRIDE = DEPTH / 8 + 1;
const STRIDE = WIDTH / 8 + 1;
/** Subgroups, each with some keys and then some columns of v. */
const SUBGROUPS = 8;
/** With more some would have nothing to copy of a stage. */
const MAX_LANES = 256;

const lanesOf = ({ subgroup }: DeviceTraits) => subgroup.size * SUBGROUPS;

const sumsAt = (at: string) => `bitcast<vec4<f32>>(tile[${at}])`;

/** Where weights lie, behind a stage of values; scores and sums take the place of both in turn. */
const WEIGHTS = KEYS * STAGE_STRIDE;
const tileVecs = (queries: number) => Math.max(WEIGHTS + queries * STRIDE, (queries * KEYS) / 4);

function bytes(queries: number): number {
  return (queries * STRIDE + tileVecs(queries)) * 16 + queries * 4;
}

/**
 * Blocks of keys as in the plain kernel ("FlashAttention"), with q · kᵀ and P · v on subgroup matrices of f16 whose sums are
 * f32. What a lane holds of a matrix is the driver's business, so scores and sums go through workgroup memory, and a block's sums
 * are added there to those before: a matrix cannot be rescaled row by row. Keys and values come to workgroup memory in stages, one
 * on its way while the one before is multiplied; values are turned, so that they lie along the keys, as matrices want them.
 */
function wgsl(queries: number, form: SanmForm, device: DeviceTraits): string {
  const { subgroup } = device;
  const { m, n, k } = device.f16Matrix as MatrixSize;
  const lanes = lanesOf(device);
  const columns = WIDTH / SUBGROUPS;
  const [tall, wide] = [queries / m, columns / n];
  const width4 = WIDTH / 4;
  const soft = softmax({
    ...{ queries, keys: KEYS, stride: KEYS / 4, read: sumsAt, lanes, subgroups: true },
    scale: 1 / Math.sqrt(WIDTH),
    put: (eights) => {
      const to = `tile[${WEIGHTS} + owned * ${STRIDE}`;
      const puts = eights.map(({ at, a, b }) => `    ${to} + ${at}] = halves(${a}, ${b});`);
      return `    workgroupBarrier(); // all have read their scores\n${puts.join("\n")}`;
    },
  });
  const unit = (t: number) => `(lane + ${t * lanes})`;
  // A unit is eight columns of a key, or eight rows of a pair of columns of v.
  const keyTurns = (KEYS * DEPTH) / 8 / lanes;
  const valueTurns = ((DEPTH / 8) * WIDTH) / 2 / lanes;
  const keyAt = (t: number) => [`${unit(t)} / ${DEPTH / 8}`, `${unit(t)} % ${DEPTH / 8}`];
  const valueAt = (t: number) => [`${unit(t)} % ${WIDTH / 2}`, `${unit(t)} / ${WIDTH / 2}`];
  const loadKeys = (block: string, stage: string) =>
    lines(keyTurns, (t) => {
      const [key, eight] = keyAt(t);
      const at = `min(${block} + ${key}, end - 1) * stride4 + p.d / 4 + head4 + (${stage} * ${DEPTH / 8} + ${eight}) * 2`;
      return lines(2, (i) => `      k${2 * t + i} = qkv[${at} + ${i}];`);
    });
  const loadValues = (stage: string) =>
    lines(valueTurns, (t) => {
      const [pair, eight] = valueAt(t);
      return lines(8, (i) => {
        const row = `min(block + (${stage} * ${DEPTH / 8} + ${eight}) * 8 + ${i}, end - 1)`;
        return `      v${8 * t + i} = pairs[${row} * stride4 * 2 + p.d + head4 * 2 + ${pair}];`;
      });
    });
  const storeKeys = lines(keyTurns, (t) => {
    const [key, eight] = keyAt(t);
    return `      tile[${key} * ${STAGE_STRIDE} + ${eight}] = halves(k${2 * t}, k${2 * t + 1});`;
  });
  const storeValues = lines(valueTurns, (t) => {
    const [pair, eight] = valueAt(t);
    return lines(2, (i) => {
      const [a, b] = [0, 4].map((row) => [0, 1, 2, 3].map((r) => `v${8 * t + row + r}.${"xy"[i]}`).join(", "));
      return `      tile[(${pair} * 2 + ${i}) * ${STAGE_STRIDE} + ${eight}] = halves(vec4(${a}), vec4(${b}));`;
    });
  });
  const left = `subgroup_matrix_left<f16, ${k}, ${m}>`;
  const right = `subgroup_matrix_right<f16, ${n}, ${k}>`;
  const blockLines = (line: (i: number, j: number) => string) => {
    return lines(tall, (i) => lines(wide, (j) => line(i, j)));
  };
  /** What a stage adds to the sums: the vec4s of `of` from `from` on, times what is in the tile. */
  const products = (of: string, from: string) => /* wgsl */ `
      for (var i = 0u; i < ${DEPTH / 8}; i += ${k / 8}) {
${lines(wide, (j) => {
  const at = `(firstColumn + ${j * n}) * ${STAGE_STRIDE} + i`;
  return `        let r${j} = subgroupMatrixLoad<${right}, col_major>(&tile, ${at}, ${STAGE_STRIDE});`;
})}
${lines(tall, (i) => {
  const at = `${i * m * STRIDE} + ${from} + i`;
  const load = `        let l${i} = subgroupMatrixLoad<${left}, row_major>(&${of}, ${at}, ${STRIDE});`;
  return `${load}\n${lines(wide, (j) => `        s${i}_${j} = subgroupMatrixMultiplyAccumulate(l${i}, r${j}, s${i}_${j});`)}`;
})}
      }`;
  const zeros = blockLines((i, j) => `      var s${i}_${j} = subgroup_matrix_result<f32, ${n}, ${m}>();`);
  const storeSums = blockLines((i, j) => {
    const to = `${i * m * width4} + firstColumn / 4 + ${(j * n) / 4}`;
    return `      subgroupMatrixStore<row_major>(&tile, ${to}, s${i}_${j}, ${width4});`;
  });
  /** Sums that a lane adds up: vec4s of columns. */
  const outputs = (queries * width4) / lanes;
  return /* wgsl */ `
enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
${subgroup.fixed ? "enable subgroup_size_control;" : ""}
diagnostic(off, chromium.subgroup_matrix_uniformity); // offsets differ from subgroup to subgroup
${head(form, queries, lanes, "vec4<f32>")}
var<workgroup> q: array<vec4<u32>, ${queries * STRIDE}>;
var<workgroup> tile: array<vec4<u32>, ${tileVecs(queries)}>;
${soft.memory}
${HALVES}

@compute @workgroup_size(${lanes}) ${subgroup.fixed ? `@subgroup_size(${subgroup.size})` : ""}
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_invocation_id) place: u32,
) {
  let first = offsets[group.z];
  let end = offsets[group.z + 1];
  let firstQuery = first + group.x * ${queries};
  if (firstQuery >= end) { return; }
  let stride4 = 3 * p.d / 4;
  let head4 = group.y * ${width4};
  for (var i = lane; i < ${(queries * WIDTH) / 8}; i += ${lanes}) {
    let row = min(firstQuery + i / ${WIDTH / 8}, end - 1); // queries past the end repeat the last, and are not stored
    let at = row * stride4 + head4 + i % ${WIDTH / 8} * 2;
    q[i / ${WIDTH / 8} * ${STRIDE} + i % ${WIDTH / 8}] = halves(qkv[at], qkv[at + 1]);
  }
  remember(group.y, firstQuery, first, end, lane);

  let subgroup = subgroupBroadcastFirst(lane / ${subgroup.size});
  let slot = subgroup * ${subgroup.size} + place;
  let firstColumn = subgroup * ${columns}; // of the transposed keys, and of v
${soft.declare}
${lines(outputs, (i) => `  var o${i} = vec4<f32>();`)}
${lines(2 * keyTurns, (i) => `  var k${i}: vec4<f32>;`)}
${lines(8 * valueTurns, (i) => `  var v${i}: vec2<f32>;`)}
${loadKeys("first", "0")}
  for (var block = first; block < end; block += ${KEYS}) {
    {
${zeros}
      let stages = p.width / ${DEPTH};
      for (var stage = 0u; stage < stages; stage++) {
        workgroupBarrier(); // all have read the stage before
${storeKeys}
        workgroupBarrier();
        if (stage + 1 < stages) {
${loadKeys("block", "(stage + 1)")}
        }
${products("q", `stage * ${DEPTH / 8}`)}
      }
${loadValues("0")}
      workgroupBarrier(); // all have read the last stage
${storeSums}
    }
    workgroupBarrier();
${soft.block}
    {
${zeros}
      let stages = (min(${KEYS}u, end - block) + ${DEPTH - 1}) / ${DEPTH};
      for (var stage = 0u; stage < stages; stage++) {
        workgroupBarrier();
${storeValues}
        workgroupBarrier();
        if (stage + 1 < stages) {
${loadValues("(stage + 1)")}
        }
${products("tile", `${WEIGHTS} + stage * ${DEPTH / 8}`)}
      }
${loadKeys(`(block + ${KEYS})`, "0")}
      workgroupBarrier(); // all have read the last stage
${storeSums}
    }
    workgroupBarrier();
${lines(outputs, (i) => `    o${i} = o${i} * rescale[${unit(i)} / ${width4}] + ${sumsAt(unit(i))};`)}
  }
${soft.end}
${lines(outputs, (i) => {
  const row = `(${unit(i)} / ${width4})`;
  const at = `(firstQuery + ${row}) * (p.d / 4) + head4 + ${unit(i)} % ${width4}`;
  return `  if (firstQuery + ${row} < end) { attended[${at}] = o${i} / rescale[${row}]; }`;
})}
}`;
}

function matrix(queries: number): SanmKernel {
  return {
    name: `matrix ${queries}`,
    matrix: "f16",
    queries,
    supports: (device, width) => {
      if (!device.f16Matrix || width !== WIDTH || lanesOf(device) > MAX_LANES) return false;
      return bytes(queries) <= device.workgroupBytes;
    },
    wgsl: (form, device) => wgsl(queries, form, device),
  };
}

export const MATRICES = [matrix(16), matrix(32)];
