type Triple = readonly [number, number, number];
type Matrix = readonly [Triple, Triple, Triple];

/** How linear sRGB looks, at full severity. Source: Machado, Oliveira and Fernandes 2009, table 1. */
export const SIGHTS: Readonly<Record<string, Matrix>> = {
  everybody: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopes: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopes: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopes: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

/** Contrast ratio of two colours, 1 to 21 (WCAG 2.2). */
export function contrast(a: string, b: string): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

/** Distance in CIELAB (CIE76), D65. */
export function distance(a: string, b: string, sight: Matrix): number {
  const [x, y] = [lab(a, sight), lab(b, sight)];
  return Math.hypot(...x.map((value, i) => value - y[i]));
}

function luminance(colour: string): number {
  return dot([0.2126, 0.7152, 0.0722], linear(colour));
}

function lab(colour: string, sight: Matrix): number[] {
  const rgb = linear(colour);
  const seen = sight.map((row) => Math.min(1, Math.max(0, dot(row, rgb)))) as unknown as Triple;
  const f = (t: number) => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
  const [x, y, z] = [
    f(dot([0.4124, 0.3576, 0.1805], seen) / 0.95047),
    f(dot([0.2126, 0.7152, 0.0722], seen)),
    f(dot([0.0193, 0.1192, 0.9505], seen) / 1.08883),
  ];
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

function linear(colour: string): Triple {
  return [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as unknown as Triple;
}

function dot(a: Triple, b: Triple): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}
