/** How a hypothesis differs from its reference, by the alignment that takes the fewest edits. */
export interface Edits {
  readonly substitutions: number;
  readonly deletions: number;
  readonly insertions: number;
  /** Units of the reference: characters, words or tokens. */
  readonly length: number;
}

/**
 * Levenshtein alignment of two sequences: the fewest substitutions, deletions (in the reference only) and insertions
 * (in the hypothesis only) that turn one into the other. With i units of the reference and j of the hypothesis taken,
 *
 *   cost(i, j) = cost(i−1, j−1) where the two are equal, else 1 + min(cost(i−1, j), cost(i, j−1), cost(i−1, j−1)).
 *
 * Several alignments may cost the same. Read from the end, a deletion is taken if it is among the cheapest, then an
 * insertion if it is cheaper than a substitution, so the three counts are the same on every run, and the same as
 * RapidFuzz's and with it jiwer's. Time is O(I·J), memory O(I).
 *
 * @see https://en.wikipedia.org/wiki/Wagner-Fischer_algorithm
 */
export function countEdits<T>(reference: readonly T[], hypothesis: readonly T[]): Edits {
  const prefix = commonPrefix(reference, hypothesis);
  const suffix = commonSuffix(reference, hypothesis, prefix);
  const ref = reference.slice(prefix, reference.length - suffix);
  const hyp = hypothesis.slice(prefix, hypothesis.length - suffix);

  // Row j of the table, and the substitutions on the way to each of its cells. The others follow from these two.
  const cost = Int32Array.from({ length: ref.length + 1 }, (_, i) => i);
  const substitutions = new Int32Array(ref.length + 1);
  for (let j = 1; j <= hyp.length; j++) {
    let diagonal = cost[0];
    let diagonalSubstitutions = substitutions[0];
    cost[0] = j;
    for (let i = 1; i <= ref.length; i++) {
      const above = cost[i];
      const aboveSubstitutions = substitutions[i];
      const equal = ref[i - 1] === hyp[j - 1];
      cost[i] = equal ? diagonal : 1 + Math.min(above, cost[i - 1], diagonal);
      if (cost[i] === cost[i - 1] + 1)
        substitutions[i] = substitutions[i - 1]; // a deletion
      else if (above >= diagonal) substitutions[i] = diagonalSubstitutions + (equal ? 0 : 1);
      // else an insertion: substitutions[i] stays as it is above
      diagonal = above;
      diagonalSubstitutions = aboveSubstitutions;
    }
  }
  // cost = s + d + i, and deletions less insertions are what the reference is longer by.
  const s = substitutions[ref.length];
  const deletions = (cost[ref.length] - s + ref.length - hyp.length) / 2;
  const insertions = cost[ref.length] - s - deletions;
  return { substitutions: s, deletions, insertions, length: reference.length };
}

function commonPrefix<T>(a: readonly T[], b: readonly T[]): number {
  const end = Math.min(a.length, b.length);
  let i = 0;
  while (i < end && a[i] === b[i]) i++;
  return i;
}

/** Length of the common end of what lies behind the first `prefix` units. */
function commonSuffix<T>(a: readonly T[], b: readonly T[], prefix: number): number {
  const end = Math.min(a.length, b.length) - prefix;
  let i = 0;
  while (i < end && a[a.length - 1 - i] === b[b.length - 1 - i]) i++;
  return i;
}

/** The sum over clips: rates of it are micro-averages. */
export function sumEdits(all: readonly Edits[]): Edits {
  const sum = (key: keyof Edits) => all.reduce((total, edits) => total + edits[key], 0);
  return {
    substitutions: sum("substitutions"),
    deletions: sum("deletions"),
    insertions: sum("insertions"),
    length: sum("length"),
  };
}

/** Substitutions, deletions and insertions together: the Levenshtein distance. */
export function editDistance({ substitutions, deletions, insertions }: Edits): number {
  return substitutions + deletions + insertions;
}

/** (S + D + I) / N: may exceed 1. null where the reference is empty, for then it is undefined. */
export function errorRate(edits: Edits): number | null {
  return edits.length === 0 ? null : editDistance(edits) / edits.length;
}
