/** Numbers of one embedding, or a sum of some. */
export type Vector = Float32Array | Float64Array;

export function dot(a: Vector, b: Vector): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** The vector at length 1; one of zeros stays what it is. */
export function unit(vector: Vector): Float64Array {
  const length = Math.sqrt(dot(vector, vector)) || 1;
  return Float64Array.from(vector, (value) => value / length);
}

/** a · b / (|a| |b|); 0 where one has no direction. */
export function cosine(a: Vector, b: Vector): number {
  return dot(a, b) / (Math.sqrt(dot(a, a) * dot(b, b)) || 1);
}

export function addTo(sum: Float64Array, vector: Vector): void {
  for (let i = 0; i < sum.length; i++) sum[i] += vector[i];
}

/** The mean of each label's embeddings, labels being 0 to the largest; zeros where a label has none. */
export function centresOf(embeddings: readonly Vector[], labels: readonly number[]): Float32Array[] {
  const count = labels.reduce((most, label) => Math.max(most, label + 1), 0);
  const sums = Array.from({ length: count }, () => new Float64Array(embeddings[0].length));
  const sizes = new Uint32Array(count);
  for (const [i, label] of labels.entries()) {
    addTo(sums[label], embeddings[i]);
    sizes[label]++;
  }
  return sums.map((sum, label) => Float32Array.from(sum, (value) => value / (sizes[label] || 1)));
}
