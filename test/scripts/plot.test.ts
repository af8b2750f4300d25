import { describe, expect, test } from "vitest";
import { plotErrorAgainstBits } from "../../scripts/plot.ts";

const rows = [
  { name: "f16", bits: 16, error: 4.6 },
  { name: "int8", bits: 8.1, error: 4.62 },
  { name: "lut4", bits: 4.5, error: 4.9 },
  { name: "int4 <gptq>", bits: 4.5, error: 5.1 },
  { name: "lut3", bits: 3.5, error: 9.3 },
];

/** Numbers of every match's attributes. */
function numbers(svg: string, element: string, ...attributes: string[]): number[][] {
  return [...svg.matchAll(new RegExp(`<${element} [^>]*>`, "g"))].map(([tag]) =>
    attributes.map((name) => Number(new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1])),
  );
}

const texts = (svg: string) => [...svg.matchAll(/<text [^>]*>([^<]*)</g)].map(([, text]) => text);

test("axes, labels and every name, escaped", () => {
  const svg = plotErrorAgainstBits(rows);
  expect(svg).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
  for (const text of ["bits per weight", "error rate, %", "f16", "int8", "lut4", "int4 &lt;gptq&gt;", "lut3"]) {
    expect(texts(svg)).toContain(text);
  }
});

test("points lie where their numbers say, between round ticks", () => {
  const svg = plotErrorAgainstBits(rows);
  const points = numbers(svg, "circle", "cx", "cy");
  expect(points).toHaveLength(5);
  const scale = (points[0][0] - points[4][0]) / Math.log2(16 / 3.5);
  expect((points[1][0] - points[4][0]) / scale).toBeCloseTo(Math.log2(8.1 / 3.5), 2);
  expect(points[4][1]).toBeLessThan(points[0][1]); // more error is further up
  const ticks = texts(svg).filter((text) => /^[0-9.]+$/.test(text));
  const bits = ["3", "4", "5", "6", "8", "12", "16"];
  expect(ticks).toEqual(["4", "5", "6", "7", "8", "9", "10", ...bits]);
  for (const [x, y] of points) {
    expect(x).toBeGreaterThanOrEqual(64);
    expect(x).toBeLessThanOrEqual(696);
    expect(y).toBeGreaterThanOrEqual(20);
    expect(y).toBeLessThanOrEqual(384);
  }
});

test("names of points close together do not cover each other", () => {
  const close = Array.from({ length: 6 }, (_, i) => ({ name: `name${i}`, bits: 4.5, error: 5 + i / 100 }));
  const svg = plotErrorAgainstBits([...rows, ...close]);
  const names = numbers(svg, "text", "x", "y").filter((_, i) => texts(svg)[i].startsWith("name"));
  expect(new Set(names.map(String)).size).toBe(6);
  for (const [i, [x, y]] of names.entries()) {
    for (const [otherX, otherY] of names.slice(i + 1)) {
      expect(Math.abs(x - otherX) >= 37 || Math.abs(y - otherY) >= 14).toBe(true);
    }
  }
});

describe("few rows", () => {
  test.each([
    ["none", []],
    ["one", rows.slice(0, 1)],
    ["two alike", [rows[0], rows[0]]],
  ])("%s", (_, few) => expect(plotErrorAgainstBits(few)).not.toMatch(/NaN|Infinity/));
});

test("a bar from one end of an interval to the other, within the axes", () => {
  const svg = plotErrorAgainstBits([{ ...rows[1], interval: [4.2, 5.6] }, ...rows.slice(2, 4)]);
  const [[x, y]] = numbers(svg, "circle", "cx", "cy");
  const bars = numbers(svg, "line", "x1", "y1", "x2", "y2").filter(([x1, y1, x2, y2]) => {
    return x1 === x && x2 === x && y1 > y && y2 < y;
  });
  expect(bars).toHaveLength(1);
  expect((bars[0][1] - y) / (y - bars[0][3])).toBeCloseTo(0.42 / 0.98, 2);
});
