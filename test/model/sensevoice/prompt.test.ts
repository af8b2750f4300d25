import { expect, test, vi } from "vitest";
import { type AskedLanguage, embedPrompts, type Prompt } from "../../../src/model/sensevoice/prompt.ts";

const SIZES = { inputSize: 8, outputSize: 9 }; // times √9 = 3
const WIDTH = SIZES.inputSize;
/** Row r of the table holds 100·r and up. */
const table = Float32Array.from({ length: 16 * WIDTH }, (_, i) => 100 * Math.floor(i / WIDTH) + (i % WIDTH));

/** The number of a row of the table, or of the features, of which a row of the encoder's input was made. */
function origin(row: Float32Array, position: number): number {
  return Math.round(Math.abs(row[0] - Math.sin(position)) / 3) / 100;
}

const clip = (language: AskedLanguage, itn: boolean, ...rows: number[]): Prompt => {
  const data = Float32Array.from({ length: rows.length * WIDTH }, (_, i) => 100 * rows[Math.floor(i / WIDTH)]);
  return { language, itn, features: { rows: rows.length, data } };
};

test.each([
  // What FunASR asks with: lid_dict and textnorm_dict of SenseVoiceSmall, event 1 and emotion 2 in between.
  ["auto", false, [0, 1, 2, 15]],
  ["zh", true, [3, 1, 2, 14]],
  ["en", false, [4, 1, 2, 15]],
  ["yue", true, [7, 1, 2, 14]],
  ["ja", false, [11, 1, 2, 15]],
  ["ko", true, [12, 1, 2, 14]],
  ["nospeech", false, [13, 1, 2, 15]],
] as const)("%s, itn %s: rows %j of the table, then the features", async (language, itn, expected) => {
  const { rows, lengths } = await embedPrompts([clip(language, itn, 20, 30, 40)], table, SIZES);
  expect(rows).toMatchObject({ dtype: "f32", shape: [7, WIDTH] });
  expect(lengths).toEqual([7]);
  const origins = lengths.flatMap((count) =>
    Array.from({ length: count }, (_, i) => {
      return origin((rows.data as Float32Array).subarray(i * WIDTH, (i + 1) * WIDTH), i + 1);
    }),
  );
  expect(origins).toEqual([...expected, 20, 30, 40]);
});

test("positions are sines and cosines, and begin anew with each clip", async () => {
  const zeros = new Float32Array(16 * WIDTH);
  const { rows, lengths } = await embedPrompts([clip("zh", true, 0), clip("en", true, 0, 0)], zeros, SIZES);
  expect(lengths).toEqual([5, 6]);
  const positions = [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 6];
  positions.forEach((position, row) => {
    for (let i = 0; i < 4; i++) {
      const angle = position * 10000 ** (-i / 3);
      expect(rows.data[row * WIDTH + i]).toBeCloseTo(Math.sin(angle), 6);
      expect(rows.data[row * WIDTH + 4 + i]).toBeCloseTo(Math.cos(angle), 6);
    }
  });
});

test("positions of a minute are computed once; those beyond are the same formula", async () => {
  const sines = vi.spyOn(Math, "sin");
  const count = 1100;
  const long = clip("auto", false, ...Array.from({ length: count }, () => 0));
  const first = await embedPrompts([long], table, SIZES);
  sines.mockClear();
  const again = await embedPrompts([long], table, SIZES);
  expect(sines.mock.calls.length).toBe((count + 4 - 1024) * (WIDTH / 2));
  expect(again).toEqual(first);
  sines.mockRestore();
  for (const position of [5, 1024, 1025, count]) {
    const row = (again.rows.data as Float32Array).subarray((position - 1) * WIDTH, position * WIDTH);
    expect([row[0], row[WIDTH / 2]]).toEqual([Math.sin(position), Math.cos(position)].map(Math.fround));
  }
});
