import { head, lines, type SanmForm, type SanmKernel } from "./kernel.ts";
import { type Eight, softmax } from "./softmax.ts";

const QUERIES = 16;
const LANES = 128;
/** Keys of a block. */
const KEYS = 64;
/** A stage of keys, in vec4s of their columns, and of values, in rows. */
const DEPTH = 8;
const ROWS = 16;
/** Odd, so that lanes that read the same columns of neighbouring keys or queries meet in no bank. */
const STRIDE = DEPTH + 1;
const SCORES_STRIDE = KEYS / 4 + 1;

/** vec4s of the stages. */
const stageVecs = (width: number) => Math.max(KEYS * STRIDE, (ROWS * width) / 4);

function bytes(width: number): number {
  return (QUERIES * (width / 4 + 1 + SCORES_STRIDE) + stageVecs(width)) * 16 + (LANES + QUERIES) * 4;
}

/**
 * Blocks of keys as in the plain kernel ("FlashAttention"), with keys and values brought to workgroup memory stage after
 * stage: a lane multiplies a patch of queries and four keys, then of queries and four columns of v, out of it. While a
 * stage is multiplied, the next one's loads are under way.
 */
const wgsl = (form: SanmForm) => {
  const { width } = form;
  const width4 = width / 4;
  const across = KEYS / 4;
  const tall = (QUERIES * across) / LANES;
  const keyLoads = (KEYS * DEPTH) / LANES;
  const valueRows = (QUERIES * width4) / LANES;
  const valueLoads = (ROWS * width4) / LANES;
  const soft = softmax({
    ...{ queries: QUERIES, keys: KEYS, stride: SCORES_STRIDE, lanes: LANES, subgroups: false },
    scale: 1 / Math.sqrt(width),
    read: (at) => `scores[${at}]`,
    put: (eights) => {
      const to = ({ at }: Eight) => `scores[owned * ${SCORES_STRIDE} + (${at}) * 2`;
      return eights.map((eight) => `    ${to(eight)}] = ${eight.a};\n    ${to(eight)} + 1] = ${eight.b};`).join("\n");
    },
  });
  const unit = (t: number) => `(lane + ${t * LANES})`;
  const loadKeys = (block: string, stage: string) =>
    lines(keyLoads, (t) => {
      const row = `min(${block} + ${unit(t)} / ${DEPTH}, end - 1)`;
      return `      t${t} = qkv[${row} * stride4 + p.d / 4 + head4 + ${stage} * ${DEPTH} + ${unit(t)} % ${DEPTH}];`;
    });
  const loadValues = (stage: string) =>
    lines(valueLoads, (t) => {
      const row = `min(block + ${stage} * ${ROWS} + ${unit(t)} / ${width4}, end - 1)`;
      return `      t${t} = qkv[${row} * stride4 + p.d / 2 + head4 + ${unit(t)} % ${width4}];`;
    });
  const patch = (line: (i: number, j: number) => string) => lines(tall, (i) => lines(4, (j) => line(i, j)));
  const parts = ["x", "y", "z", "w"];
  return /* wgsl */ `
${head(form, QUERIES, LANES, "vec4<f32>")}
var<workgroup> q: array<vec4<f32>, ${QUERIES * (width4 + 1)}>;
var<workgroup> tile: array<vec4<f32>, ${stageVecs(width)}>;
var<workgroup> scores: array<vec4<f32>, ${QUERIES * SCORES_STRIDE}>;
${soft.memory}

@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let first = offsets[group.z];
  let end = offsets[group.z + 1];
  let firstQuery = first + group.x * ${QUERIES};
  if (firstQuery >= end) { return; }
  let stride4 = 3 * p.d / 4;
  let head4 = group.y * ${width4};
  for (var i = lane; i < ${QUERIES * width4}; i += ${LANES}) {
    let row = min(firstQuery + i / ${width4}, end - 1); // queries past the end repeat the last, and are not stored
    q[i / ${width4} * ${width4 + 1} + i % ${width4}] = qkv[row * stride4 + head4 + i % ${width4}];
  }
  remember(group.y, firstQuery, first, end, lane);

  // A patch of scores: queries \`down\` …, keys 4 · \`across\` …; and one of outputs: queries \`low\` …, a vec4 of columns.
  let across = lane % ${across};
  let down = lane / ${across} * ${tall};
  let column4 = lane % ${width4};
  let low = lane / ${width4} * ${valueRows};
${soft.declare}
${lines(valueRows, (i) => `  var o${i} = vec4<f32>();`)}
${lines(Math.max(keyLoads, valueLoads), (t) => `  var t${t}: vec4<f32>;`)}
${loadKeys("first", "0")}
  for (var block = first; block < end; block += ${KEYS}) {
${patch((i, j) => `    var s${i}_${j} = 0.0;`)}
    for (var stage = 0u; stage < ${width4 / DEPTH}; stage++) {
      workgroupBarrier(); // all have read the stage before
${lines(keyLoads, (t) => {
  const key = `${unit(t)} / ${DEPTH}`; // fours of keys lie apart: neighbouring lanes read neighbouring rows
  return `      tile[(${key} % 4 * ${across} + ${key} / 4) * ${STRIDE} + ${unit(t)} % ${DEPTH}] = t${t};`;
})}
      workgroupBarrier();
      if (stage + 1 < ${width4 / DEPTH}) {
${loadKeys("block", "(stage + 1)")}
      }
      for (var i = 0u; i < ${DEPTH}; i++) {
${lines(4, (j) => `        let k${j} = tile[(across + ${j * across}) * ${STRIDE} + i];`)}
${lines(tall, (i) => `        let q${i} = q[(down + ${i}) * ${width4 + 1} + stage * ${DEPTH} + i];`)}
${parts.map((c) => patch((i, j) => `        s${i}_${j} = fma(q${i}.${c}, k${j}.${c}, s${i}_${j});`)).join("\n")}
      }
    }
${loadValues("0")}
${lines(tall, (i) => {
  const sums = [0, 1, 2, 3].map((j) => `s${i}_${j}`).join(", ");
  return `    scores[(down + ${i}) * ${SCORES_STRIDE} + across] = vec4(${sums});`;
})}
    workgroupBarrier();
${soft.block}
${lines(valueRows, (i) => `    o${i} *= rescale[low + ${i}];`)}
    let stages = (min(${KEYS}u, end - block) + ${ROWS - 1}) / ${ROWS};
    for (var stage = 0u; stage < stages; stage++) {
      workgroupBarrier();
${lines(valueLoads, (t) => `      tile[${unit(t)}] = t${t};`)}
      workgroupBarrier();
      if (stage + 1 < stages) {
${loadValues("(stage + 1)")}
      }
      for (var i = 0u; i < ${ROWS / 4}; i++) {
${lines(valueRows, (r) => `        let w${r} = scores[(low + ${r}) * ${SCORES_STRIDE} + stage * ${ROWS / 4} + i];`)}
${lines(4, (j) => {
  const sums = lines(valueRows, (r) => `        o${r} = fma(vec4(w${r}.${parts[j]}), v${j}, o${r});`);
  return `        let v${j} = tile[(i * 4 + ${j}) * ${width4} + column4];\n${sums}`;
})}
      }
    }
${loadKeys(`(block + ${KEYS})`, "0")}
  }
${soft.end}
${lines(valueRows, (i) => {
  const row = `firstQuery + low + ${i}`;
  const at = `(${row}) * (p.d / 4) + head4 + column4`;
  return `  if (${row} < end) { attended[${at}] = o${i} / rescale[low + ${i}]; }`;
})}
}`;
};

/** What GPUs run that do not multiply matrices. */
export const tile: SanmKernel = {
  name: "tile",
  queries: QUERIES,
  supports: ({ workgroupBytes }, width) => [32, 64, 128].includes(width) && bytes(width) <= workgroupBytes,
  wgsl,
};
