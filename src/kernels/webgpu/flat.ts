/** Lanes of a workgroup of a kernel that makes one number, or one vector, a lane. */
const LANES = 64;
/** A dimension has at most 65535 workgroups. */
const ACROSS = 32768;

/** The workgroups for so many lanes. */
export function flatGroups(lanes: number): [across: number, down: number] {
  const groups = Math.ceil(lanes / LANES);
  return [Math.min(groups, ACROSS), Math.ceil(groups / ACROSS)];
}

/** `main` whose lane i < p.count runs `body`. */
export const flatMain = (body: string) => /* wgsl */ `
@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * ${ACROSS} + group.x) * ${LANES} + lane;
  if (i >= p.count) { return; }
${body}
}`;

/** Numbers that a lane makes where all of these sizes are multiples of 4, and the type of that many. */
export function vectorOf(...sizes: readonly number[]): { readonly width: 1 | 4; readonly type: string } {
  return sizes.every((size) => size % 4 === 0) ? { width: 4, type: "vec4<f32>" } : { width: 1, type: "f32" };
}
