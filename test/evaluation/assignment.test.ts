import fc from "fast-check";
import { expect, test } from "vitest";
import { assign } from "../../src/eval/assignment.ts";

/** The least cost by trying everything. */
function leastCost(cost: readonly (readonly number[])[], row = 0, taken: readonly number[] = []): number {
  if (row === cost.length) return 0;
  const free = cost[row].flatMap((_, j) => (taken.includes(j) ? [] : [j]));
  const costs = free.map((j) => cost[row][j] + leastCost(cost, row + 1, [...taken, j]));
  const mayWait = cost.length - row > cost[row].length - taken.length;
  return Math.min(...costs, ...(mayWait ? [leastCost(cost, row + 1, taken)] : []));
}

test("no assignment is cheaper, whichever side is the longer", () => {
  const matrix = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 })).chain(([n, m]) => {
    const row = fc.array(fc.integer({ min: -50, max: 50 }), { minLength: m, maxLength: m });
    return fc.array(row, { minLength: n, maxLength: n });
  });
  fc.assert(
    fc.property(matrix, (cost) => {
      const columns = assign(cost);
      const taken = columns.filter((column) => column >= 0);
      expect(new Set(taken).size).toBe(taken.length);
      expect(taken).toHaveLength(Math.min(cost.length, cost[0].length));
      const sum = columns.reduce((total, column, i) => total + (column < 0 ? 0 : cost[i][column]), 0);
      expect(sum).toBe(leastCost(cost));
    }),
    { numRuns: 300, seed: 7 },
  );
});

test("nothing to assign", () => {
  expect(assign([])).toEqual([]);
  expect(assign([[], []])).toEqual([-1, -1]);
});
