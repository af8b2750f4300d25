import { SenseVoiceError } from "../error.ts";

/** A way to do an item: what it takes of the budget, and what it costs. */
export interface Choice {
  readonly size: number;
  readonly cost: number;
}

/** Steps that the budget is divided into. Sizes are rounded up to a step: the budget holds, a step an item is lost. */
const STEPS = 2 ** 15;

/**
 * Chooses one way for each item, so that the sum of the sizes is within the budget and the sum of the costs is least
 * (multiple-choice knapsack): dynamic programming, least[b] = min over choices of cost + previous least[b − size].
 *
 * @returns the index of each item's choice
 * @throws SenseVoiceError if even the smallest choices are over the budget
 */
export function chooseWithin(items: readonly (readonly Choice[])[], budget: number): number[] {
  const smallest = items.map((choices) => Math.min(...choices.map(({ size }) => size)));
  const needed = smallest.reduce((sum, size) => sum + size, 0);
  if (!(budget >= needed)) {
    throw new SenseVoiceError(`[quant] budget: expected at least ${needed}, the smallest choices, got ${budget}`);
  }
  // What the budget leaves over the smallest choices is what there is to divide.
  const largest = items.map((choices) => Math.max(...choices.map(({ size }) => size)));
  const spare =
    Math.min(
      budget,
      largest.reduce((sum, size) => sum + size, 0),
    ) - needed;
  const steps = spare > 0 ? STEPS : 0;
  const step = spare > 0 ? spare / STEPS : 1;
  let least = new Float64Array(steps + 1);
  const chosenAt = items.map((choices, item) => {
    const next = new Float64Array(steps + 1).fill(Number.POSITIVE_INFINITY);
    const chosen = new Uint16Array(steps + 1);
    choices.forEach(({ size, cost }, choice) => {
      const taken = stepsOf(size - smallest[item], step);
      for (let b = taken; b <= steps; b++) {
        if (least[b - taken] + cost < next[b]) {
          next[b] = least[b - taken] + cost;
          chosen[b] = choice;
        }
      }
    });
    least = next;
    return chosen;
  });
  const result = new Array<number>(items.length);
  for (let item = items.length - 1, left = steps; item >= 0; item--) {
    const choice = chosenAt[item][left];
    result[item] = choice;
    left -= stepsOf(items[item][choice].size - smallest[item], step);
  }
  return result;
}

/** Rounded up, but for what rounding in the division may add. */
const stepsOf = (size: number, step: number): number => Math.ceil(size / step - 1e-9);
