/**
 * |FFT|² of 512 real numbers x of two frames at once: the lanes of a vector are the frames. The numbers are taken as 256
 * complex ones, z[n] = x[2n] + i·x[2n+1]; their transform is four passes of radix 4, decimation in frequency, which leave
 * bin k where its digits to the base 4 are in reverse. From Z follow the bins of x:
 *
 *   2·X[k] = (Z[k] + Z*[256−k]) − i·W₅₁₂ᵏ·(Z[k] − Z*[256−k])
 */
const POINTS: usize = 256;
/** Bytes of a complex number: a vector of real parts, a vector of imaginary parts. */
const COMPLEX: usize = 32;

/** Twiddle factors of each pass, of length L = 256, 64, 16, 4: for each j < L/4 those of W_Lʲ, W_L²ʲ, W_L³ʲ. */
export const passTwiddles: usize = memory.data((64 + 16 + 4 + 1) * 6 * 8, 16);
/** W₅₁₂ᵏ for k ≤ 128. */
export const realTwiddles: usize = memory.data(129 * 2 * 8, 16);
/** Byte offset of each bin after the passes: u32, k ≤ 256. */
export const places: usize = memory.data(257 * 4, 16);
/** z, then Z. */
export const points: usize = memory.data(256 * 32, 16);
/** |2·X[k]|², k ≤ 256. */
export const power: usize = memory.data(257 * 16, 16);

/** Makes `power` of `points`, which it overwrites. */
export function transform(): void {
  let twiddles = passTwiddles;
  for (let quarter: usize = POINTS / 4; quarter > 0; quarter /= 4) {
    pass(quarter, twiddles);
    twiddles += quarter * 48;
  }
  for (let k: usize = 0; k <= POINTS / 2; k++) {
    const z = points + load<u32>(places + k * 4);
    const mirrored = points + load<u32>(places + (POINTS - k) * 4);
    const evenR = f64x2.add(v128.load(z), v128.load(mirrored));
    const evenI = f64x2.sub(v128.load(z, 16), v128.load(mirrored, 16));
    const oddR = f64x2.add(v128.load(z, 16), v128.load(mirrored, 16));
    const oddI = f64x2.sub(v128.load(mirrored), v128.load(z));
    const wr = v128.load64_splat(realTwiddles + k * 16);
    const wi = v128.load64_splat(realTwiddles + k * 16, 8);
    const turnedR = f64x2.sub(f64x2.mul(oddR, wr), f64x2.mul(oddI, wi));
    const turnedI = f64x2.add(f64x2.mul(oddR, wi), f64x2.mul(oddI, wr));
    v128.store(power + k * 16, square(f64x2.add(evenR, turnedR), f64x2.add(evenI, turnedI)));
    v128.store(power + (POINTS - k) * 16, square(f64x2.sub(evenR, turnedR), f64x2.sub(evenI, turnedI)));
  }
}

function square(re: v128, im: v128): v128 {
  return f64x2.add(f64x2.mul(re, re), f64x2.mul(im, im));
}

/** Butterflies of all groups of four quarters. */
function pass(quarter: usize, twiddles: usize): void {
  const stride = quarter * COMPLEX;
  for (let j: usize = 0; j < quarter; j++, twiddles += 48) {
    for (let a = points + j * COMPLEX, end = points + POINTS * COMPLEX; a < end; a += 4 * stride) {
      const b = a + stride;
      const c = b + stride;
      const d = c + stride;
      const sumR = f64x2.add(v128.load(a), v128.load(c));
      const sumI = f64x2.add(v128.load(a, 16), v128.load(c, 16));
      const differenceR = f64x2.sub(v128.load(a), v128.load(c));
      const differenceI = f64x2.sub(v128.load(a, 16), v128.load(c, 16));
      const sumR2 = f64x2.add(v128.load(b), v128.load(d));
      const sumI2 = f64x2.add(v128.load(b, 16), v128.load(d, 16));
      const differenceR2 = f64x2.sub(v128.load(b), v128.load(d));
      const differenceI2 = f64x2.sub(v128.load(b, 16), v128.load(d, 16));
      v128.store(a, f64x2.add(sumR, sumR2));
      v128.store(a, f64x2.add(sumI, sumI2), 16);
      storeProduct(b, f64x2.add(differenceR, differenceI2), f64x2.sub(differenceI, differenceR2), twiddles);
      storeProduct(c, f64x2.sub(sumR, sumR2), f64x2.sub(sumI, sumI2), twiddles + 16);
      storeProduct(d, f64x2.sub(differenceR, differenceI2), f64x2.add(differenceI, differenceR2), twiddles + 32);
    }
  }
}

function storeProduct(at: usize, zr: v128, zi: v128, w: usize): void {
  v128.store(at, f64x2.sub(product(zr, w), product(zi, w + 8)));
  v128.store(at, f64x2.add(product(zr, w + 8), product(zi, w)), 16);
}

function product(x: v128, factor: usize): v128 {
  return f64x2.mul(x, v128.load64_splat(factor));
}
