/** AddShift and Rescale of `am.mvn`, a number of each for every column of a row. */
export interface Cmvn {
  readonly shift: Float32Array;
  readonly scale: Float32Array;
}

/** The row that starts at `start`, in place: (x + shift)·scale, each step in f32. */
export function normaliseRow(data: Float32Array, start: number, { shift, scale }: Cmvn): void {
  const { length } = shift;
  for (let i = 0; i < length; i++) data[start + i] = Math.fround(data[start + i] + shift[i]) * scale[i];
}
