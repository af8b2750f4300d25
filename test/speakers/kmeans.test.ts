import fc from "fast-check";
import { expect, test } from "vitest";
import { kMeans } from "../../src/speakers/kmeans.ts";
import { byAppearance } from "../../src/speakers/turn.ts";
import { talk } from "../support/speakers.ts";

const rowsOf = fc.array(
  fc.tuple(fc.double({ min: -9, max: 9, noNaN: true }), fc.double({ min: -9, max: 9, noNaN: true })),
  { minLength: 1, maxLength: 40 },
);

test("every row has the label of its nearest centre, the mean of the rows with that label", () => {
  fc.assert(
    fc.property(rowsOf, fc.integer({ min: 1, max: 5 }), fc.nat(), (points, most, seed) => {
      const rows = points.map((point) => Float64Array.from(point));
      const k = Math.min(most, rows.length);
      const labels = kMeans(rows, k, { seed });
      expect(labels).toEqual(kMeans(rows, k, { seed }));
      const centres = Array.from({ length: k }, (_, label) => {
        const own = rows.filter((_, i) => labels[i] === label);
        return [0, 1].map((axis) => own.reduce((sum, row) => sum + row[axis], 0) / own.length);
      });
      const far = (row: Float64Array, [x, y]: number[]) => (row[0] - x) ** 2 + (row[1] - y) ** 2;
      // Rounds end a little before centres stand still: Σ shift² ≤ 1e-4 of the variance.
      for (const [i, row] of rows.entries()) {
        for (const centre of centres.filter(([x]) => !Number.isNaN(x))) {
          expect(Math.sqrt(far(row, centres[labels[i]]))).toBeLessThanOrEqual(Math.sqrt(far(row, centre)) + 0.1);
        }
      }
    }),
  );
});

test("voices, from several starts", () => {
  const { embeddings, truth } = talk({ voices: 4, windows: 120, seed: 8 });
  const units = embeddings.map((row) => row.map((value) => value / Math.hypot(...row)));
  expect(byAppearance(kMeans(units, 4, { starts: 10 }))).toEqual(byAppearance(truth));
});

test("as many clusters as rows, and rows that are all the same", () => {
  const rows = [0, 1, 5, 9].map((value) => Float64Array.of(value, 0));
  expect(new Set(kMeans(rows, 4, { starts: 3 })).size).toBe(4);
  expect(kMeans(Array(6).fill(Float64Array.of(1, 1)), 2)).toHaveLength(6);
});
