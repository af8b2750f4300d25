/** Positions that are kept, those of a minute: more would be memory for sound that is rare. */
const KEPT = 1024;

const keptOf = new Map<number, Float64Array[]>();

/**
 * Positions as SinusoidalPositionEncoder in funasr/models/sense_voice/model.py has them, angles rounded to f32 as there:
 * of position p, from 1 on, [sin(p·w) | cos(p·w)] with wᵢ = exp(−i·ln(10000)/(width/2 − 1)).
 *
 * @returns gives the row of a position: f64 [width]
 */
export function positionsOf(width: number): (position: number) => Float64Array {
  const half = width / 2;
  const step = Math.fround(Math.fround(Math.log(10000)) / (half - 1));
  const frequencies = Float32Array.from({ length: half }, (_, i) => Math.exp(Math.fround(-i * step)));
  const make = (position: number) => {
    const row = new Float64Array(width);
    for (let i = 0; i < half; i++) {
      const angle = Math.fround(position * frequencies[i]);
      row[i] = Math.sin(angle);
      row[half + i] = Math.cos(angle);
    }
    return row;
  };
  const kept = keptOf.get(width) ?? [];
  keptOf.set(width, kept);
  return (position) => {
    if (position > KEPT) return make(position);
    kept[position] ??= make(position);
    return kept[position];
  };
}
