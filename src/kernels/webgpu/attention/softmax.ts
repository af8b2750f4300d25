import { lines } from "./kernel.ts";

/** Weights of eight keys in a row, a and b of four: those from 8 · at on, for the lane's query `owned`. */
export interface Eight {
  readonly at: string;
  readonly a: string;
  readonly b: string;
}

/** A block of scores [queries, keys] in workgroup memory, `stride` vec4s from one query to the next. */
export interface Scores {
  readonly queries: number;
  readonly keys: number;
  readonly stride: number;
  /** The vec4 at this place. */
  readonly read: (at: string) => string;
  readonly lanes: number;
  /** What scores are multiplied by. */
  readonly scale: number;
  /** Whether the lanes of a query are in one subgroup, `slot` being a lane's place; else they meet in workgroup memory. */
  readonly subgroups: boolean;
  /** Writes weights for P · v. */
  readonly put: (eights: readonly Eight[]) => string;
}

/** Text of workgroup memory, of what stands before the loop over blocks, in it and after it. */
interface Softmax {
  readonly memory: string;
  readonly declare: string;
  /** Needs `block`, the block's first key, and `end`; begins after a barrier and ends with one. */
  readonly block: string;
  /** Leaves the sum of each query's weights in `rescale`. */
  readonly end: string;
}

/**
 * The running softmax over blocks of keys (Milakov and Gimelshein 2018, "Online normalizer calculation for softmax"). A lane
 * owns some keys of one query, eight in a row at a time, and sums their weights by itself until the end.
 */
export function softmax({ queries, keys, stride, read, lanes, scale, subgroups, put }: Scores): Softmax {
  const parts = lanes / queries;
  const eights = keys / 8 / parts;
  const each = (line: (name: string, eight: number, half: number) => string) => {
    return lines(eights, (e) => `${line(`a${e}`, e, 0)}\n${line(`b${e}`, e, 1)}`);
  };
  const turns = Array.from({ length: Math.log2(parts) }, (_, i) => 2 ** i);
  const reduce = (value: string, line: (other: string) => string) => {
    return turns.map((turn) => line(`subgroupShuffleXor(${value}, ${turn}u)`)).join("\n");
  };
  return {
    memory: /* wgsl */ `
${subgroups ? "" : `var<workgroup> partial: array<f32, ${lanes}>; // [queries, parts]`}
// What older sums are worth under the new maximum; in the end the sum of all weights.
var<workgroup> rescale: array<f32, ${queries}>;`,
    declare: /* wgsl */ `
  let owned = ${subgroups ? "slot" : "lane"} / ${parts};
  let part = ${subgroups ? "slot" : "lane"} % ${parts};
  var top = -3e38;
  var total = 0.0;`,
    // Powers of two are the cheaper ones. Keys past the clip's end weigh nothing.
    block: /* wgsl */ `
    let count = vec4(end - block);
${each((name, eight, half) => {
  const at = `owned * ${stride} + (part + ${eight * parts}) * 2 + ${half}`;
  const key = `vec4(0u, 1u, 2u, 3u) + (part + ${eight * parts}) * 8 + ${half * 4}`;
  return `    var ${name} = select(vec4(-3e38), ${read(at)} * ${scale * Math.LOG2E}, ${key} < count);`;
})}
    var best = a0;
${each((name) => `    best = max(best, ${name});`)}
    let before = top;
    top = max(top, max(max(best.x, best.y), max(best.z, best.w)));
${
  subgroups
    ? reduce("top", (other) => `    top = max(top, ${other});`)
    : `    partial[lane] = top;
    workgroupBarrier();
    for (var i = 0u; i < ${parts}; i++) { top = max(top, partial[owned * ${parts} + i]); }`
}
    let worth = exp2(before - top);
    if (part == 0) { rescale[owned] = worth; }
    total *= worth;
${each((name) => `    ${name} = exp2(${name} - top);\n    total += dot(${name}, vec4(1.0));`)}
${put(Array.from({ length: eights }, (_, e) => ({ at: `part + ${e * parts}`, a: `a${e}`, b: `b${e}` })))}
    workgroupBarrier();`,
    end: /* wgsl */ `
${
  subgroups
    ? reduce("total", (other) => `  total += ${other};`)
    : `  partial[lane] = total;
  workgroupBarrier();
  total = 0.0;
  for (var i = 0u; i < ${parts}; i++) { total += partial[owned * ${parts} + i]; }`
}
  if (part == 0) { rescale[owned] = total; }
  workgroupBarrier();`,
  };
}
