/** A function that combines one value of each of `count` neighbouring lanes into one that all of them get. */
export interface Neighbours {
  readonly name: string;
  readonly type: string;
  readonly count: number;
  /** WGSL of a and b in one. */
  readonly combined: string;
}

/**
 * `fn NAME(lane, value)`, which all lanes of the workgroup call together: through workgroup memory, or within subgroups
 * of so many lanes and more. Kernels that shuffle are tried before they are trusted, as those on subgroup matrices are.
 */
export function ofNeighbours({ name, type, count, combined }: Neighbours, lanes: number, shuffles: boolean): string {
  if (shuffles) {
    return /* wgsl */ `
fn ${name}(lane: u32, value: ${type}) -> ${type} {
  var a = value;
  for (var step = 1u; step < ${count}; step *= 2) {
    let b = subgroupShuffleXor(a, step);
    a = ${combined};
  }
  return a;
}`;
  }
  return /* wgsl */ `
var<workgroup> ${name}s: array<${type}, ${lanes}>;
fn ${name}(lane: u32, value: ${type}) -> ${type} {
  ${name}s[lane] = value;
  workgroupBarrier();
  let first = lane / ${count} * ${count};
  var a = ${name}s[first];
  for (var i = 1u; i < ${count}; i++) {
    let b = ${name}s[first + i];
    a = ${combined};
  }
  workgroupBarrier(); // before anyone writes them again
  return a;
}`;
}
