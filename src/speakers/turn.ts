/** Who speaks from one moment to another: seconds from the recording's start, the speaker from 0 by first appearance. */
export interface Turn {
  readonly start: number;
  readonly end: number;
  readonly speaker: number;
}

/** What a speaker without a name is called: S1, S2, … */
export function speakerLabel(speaker: number): string {
  return `S${speaker + 1}`;
}

/** Labels numbered by first appearance, as `correct_labels` in funasr/models/campplus/utils.py does. */
export function byAppearance(labels: ArrayLike<number>): number[] {
  const numbers = new Map<number, number>();
  return Array.from(labels, (label) => {
    const known = numbers.get(label) ?? numbers.size;
    numbers.set(label, known);
    return known;
  });
}
