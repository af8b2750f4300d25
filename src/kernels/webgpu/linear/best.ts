/** Elements of what a kernel with `best` writes of a row and a group of columns: see BEST. */
export const BEST_SIZE = 4;

/**
 * What is kept of logits, in place of themselves: a vec4 of the best logit, its id (of equal ones the lower; NONE where
 * there is none), the largest x, banned ones included, and Σ exp(x − largest). `merged` joins those of two parts.
 */
export const BEST = /* wgsl */ `
const NONE = ${2 ** 32}.0;
const NOTHING = vec4(-3e38, NONE, -3e38, 0.0);
fn merged(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  let top = max(a.z, b.z);
  let takes = b.x > a.x || (b.x == a.x && b.y < a.y);
  return vec4(select(a.xy, b.xy, takes), top, a.w * exp(a.z - top) + b.w * exp(b.z - top));
}`;

/**
 * What ends a kernel of the CTC head whose workgroups make so many columns: `seen` adds a logit to a lane's part, in rising
 * order of columns, and `keep` writes that of a row: [R, groups of columns, 4].
 */
export const bestOf = (columns: number) => /* wgsl */ `${BEST}
fn seen(part: vec4<f32>, column: u32, sum: f32) -> vec4<f32> {
  if (column >= p.n) { return part; }
  let x = sum + bias[column];
  let smaller = exp(-abs(x - part.z));
  let total = select(part.w + smaller, part.w * smaller + 1.0, x > part.z);
  let best = column != p.banned && (x > part.x || part.y == NONE);
  return vec4(select(part.xy, vec2(x, f32(column)), best), max(part.z, x), total);
}
fn keep(row: u32, group: u32, part: vec4<f32>) {
  if (row < p.rows) { y[row * ((p.n + ${columns - 1}) / ${columns}) + group] = part; }
}`;
