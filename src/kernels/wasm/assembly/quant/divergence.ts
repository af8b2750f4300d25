import { exp } from "../simd";
import { next } from "../threads";

/**
 * Of each row of logits a and b [rows, n]: max a, max b, Σ e^(a − max a), Σ e^(b − max b) and Σ e^(a − max a)·(a − b), which
 * KL(softmax a ‖ softmax b) is made of; f64 [rows, 5].
 */
export function divergence(a: usize, b: usize, rows: usize, n: usize, out: usize): void {
  for (let row = next(); row < rows; row = next()) {
    const x = a + row * n * 4;
    const y = b + row * n * 4;
    let bestX = f32.load(x);
    let bestY = f32.load(y);
    for (let at: usize = 0; at < n * 4; at += 4) {
      bestX = max(bestX, f32.load(x + at));
      bestY = max(bestY, f32.load(y + at));
    }
    let sumX = f64x2.splat(0);
    let sumY = f64x2.splat(0);
    let dots = f64x2.splat(0);
    for (let at: usize = 0; at < n * 4; at += 16) {
      const left = n * 4 - at;
      const u = left >= 16 ? v128.load(x + at) : tail(x + at, left, bestX);
      const v = left >= 16 ? v128.load(y + at) : tail(y + at, left, bestY);
      let p = exp(f32x4.sub(u, f32x4.splat(bestX)));
      let q = exp(f32x4.sub(v, f32x4.splat(bestY)));
      if (left < 16) {
        p = keep(p, left);
        q = keep(q, left);
      }
      const d = f32x4.mul(p, f32x4.sub(u, v));
      sumX = add(sumX, p);
      sumY = add(sumY, q);
      dots = add(dots, d);
    }
    const to = out + row * 40;
    f64.store(to, bestX);
    f64.store(to, bestY, 8);
    f64.store(to, total(sumX), 16);
    f64.store(to, total(sumY), 24);
    f64.store(to, total(dots), 32);
  }
}

/** The last numbers of a row, `other` behind them. */
function tail(at: usize, bytes: usize, other: f32): v128 {
  let v = f32x4.splat(other);
  v = f32x4.replace_lane(v, 0, f32.load(at));
  if (bytes > 4) v = f32x4.replace_lane(v, 1, f32.load(at, 4));
  if (bytes > 8) v = f32x4.replace_lane(v, 2, f32.load(at, 8));
  return v;
}

/** The first lanes, 0 in the others. */
function keep(v: v128, bytes: usize): v128 {
  v = f32x4.replace_lane(v, 3, 0);
  if (bytes < 12) v = f32x4.replace_lane(v, 2, 0);
  return bytes < 8 ? f32x4.replace_lane(v, 1, 0) : v;
}

function add(sum: v128, v: v128): v128 {
  const high = v128.shuffle<f32>(v, v, 2, 3, 2, 3);
  return f64x2.add(sum, f64x2.add(f64x2.promote_low_f32x4(v), f64x2.promote_low_f32x4(high)));
}

function total(v: v128): f64 {
  return f64x2.extract_lane(v, 0) + f64x2.extract_lane(v, 1);
}
