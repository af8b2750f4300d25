import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createRandom } from "../../scripts/fuzz/random.ts";
import { distancesFrom, importsOf, testsOf } from "../../scripts/mutate/graph.ts";
import { type Equivalent, isEquivalent, lineOf, mutantsOf, mutate, pickMutants } from "../../scripts/mutate/mutants.ts";

/** Every source that one fault makes of this one. */
const mutated = (source: string) => mutantsOf("a.ts", source).map((mutant) => mutate(source, mutant));

describe("mutants", () => {
  test.each([
    ["x = a + b;", ["x = a - b;"]],
    ["x = (a + b) * c;", ["x = (a + b) / c;", "x = (a - b) * c;"]],
    ["x = a < b;", ["x = a <= b;", "x = a > b;"]],
    ["x = a !== b && c;", ["x = a !== b || c;", "x = a === b && c;"]],
    ["x = a ?? b;", ["x = a && b;"]],
    ["x += y >>> z;", ["x -= y >>> z;", "x += y << z;"]],
    ["x = !a;", ["x =  a;"]],
    ["x = a - -b;", ["x = a + -b;", "x = a -  b;"]],
    ["i++;", ["i--;"]],
    ["x = 5;", ["x = 6;", "x = 4;"]],
    ["x = 0;", ["x = 1;", "x = 2;"]],
    ["x = 0.25;", ["x = 1.25;", "x = 0;"]],
    ["x = true;", ["x = false;"]],
    ["x = Math.min(a, b);", ["x = Math.max(a, b);"]],
    ["x = list.every(f);", ["x = list.some(f);"]],
    ["f(a);", [";"]],
    ["async () => { await f(a); };", ["async () => { ; };"]],
    ["if (a) b = c;", ["if (false) b = c;"]],
    ["x = a ? b : c;", ["x = true ? b : c;", "x = false ? b : c;"]],
  ])("%s", (source, expected) => {
    expect(mutated(source).sort()).toEqual([...expected].sort());
  });

  test.each([
    'import { a } from "./b.ts";',
    "type A = 1 | 2; interface B { c: 3 }",
    "function f<T extends 1>(a: T, b?: 2): 3 | 4 { return a as never; }",
    "throw new Error('expected ' + (a + 1) + (b < 2 ? c : d));",
    'const text = "1 + 2"; // 3 + 4',
    "const o = { 1: a };",
  ])("none in %s", (source) => {
    expect(mutated(source)).toEqual([]);
  });

  test("inside what types surround, and after letters of several units", () => {
    expect(mutated('const é = "好🙂"; const x = (a as number) + b!;')).toEqual([
      'const é = "好🙂"; const x = (a as number) - b!;',
    ]);
    expect(mutated("const x = y[i + 0]! as T;")).toContain("const x = y[i - 0]! as T;");
  });

  test("know their line", () => {
    const source = "const a = b;\n  const c =\n    d + e; // sum\n";
    const [mutant] = mutantsOf("a.ts", source);
    expect(mutant.line).toBe(3);
    expect(lineOf(source, mutant)).toEqual({ line: "d + e; // sum", mutated: "d - e; // sum" });
    const known = { file: "a.ts", line: "d + e; // sum", mutated: "d - e; // sum", reason: "e is 0" };
    expect(isEquivalent(source, mutant, [known])).toBe(true);
    expect(isEquivalent(source, mutant, [{ ...known, file: "b.ts" }])).toBe(false);
    expect(isEquivalent(source, mutant, [{ ...known, mutated: "d * e; // sum" }])).toBe(false);
  });

  test("are picked by the seed, one of a line, each line as likely", () => {
    const source = `${"x = a < b && c < d && e < f;\n"}${"y = 1;\n".repeat(9)}`;
    const all = mutantsOf("a.ts", source);
    const pick = (seed: number, count: number) => pickMutants(createRandom(seed), all, count);
    expect(pick(1, 5)).toEqual(pick(1, 5));
    expect(
      pick(1, 99)
        .map(({ line }) => line)
        .sort((a, b) => a - b),
    ).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    const first = Array.from({ length: 1000 }, (_, seed) => pick(seed, 1)[0].line === 1).filter(Boolean).length;
    expect(Math.abs(first - 100)).toBeLessThan(40);
  });
});

test("every mutant that is known to be equivalent can still be made", () => {
  const known: Equivalent[] = JSON.parse(readFileSync("scripts/mutate/equivalent.json", "utf8"));
  for (const one of known) {
    const source = readFileSync(one.file, "utf8");
    const made = mutantsOf(one.file, source).some((mutant) => isEquivalent(source, mutant, [one]));
    expect(made, `${one.file}: ${one.line}`).toBe(true);
  }
});

describe("which tests reach a file", () => {
  const files: Record<string, string> = {
    "test/room/a.test.ts": 'import { a } from "../../src/room/a.ts";\nimport type { T } from "../support/t.ts";',
    "test/room/b.test.ts": 'import {\n  b,\n} from "../../src/room/b.ts";',
    "test/other/c.test.ts": 'import "../../src/room/a.ts";\nawait import("../../src/c.ts");',
    "test/cli/d.test.ts": 'const main = new URL("../../src/main.ts", import.meta.url);',
    "test/cli/e.test.ts": 'const main = fileURLToPath(new URL("src/main.ts", root));',
    "test/support/t.ts": 'export { x } from "../../src/c.ts";',
    "src/room/a.ts": "",
    "src/room/b.ts": 'import { a } from "./a.ts";',
    "src/c.ts": "",
    "src/main.ts": 'import { b } from "./room/b.ts"; import fs from "node:fs";',
  };
  const read = (path: string) => files[path];
  const reached = new Map(
    Object.keys(files)
      .filter((path) => path.endsWith(".test.ts"))
      .map((path) => [path, distancesFrom(path, read)]),
  );

  test("imports of all forms, and files that are named to be started", () => {
    const found = Object.keys(files).map((path) => importsOf(path, files[path]));
    expect(found).toEqual([
      ["src/room/a.ts", "test/support/t.ts"],
      ["src/room/b.ts"],
      ["src/room/a.ts", "src/c.ts"],
      ["src/main.ts"],
      ["src/main.ts"],
      ["src/c.ts"],
      [],
      ["src/room/a.ts"],
      [],
      ["src/room/b.ts"],
    ]);
  });

  test("the nearest first, of those the namesake, then those of the folder, then by name", () => {
    expect(testsOf("src/room/a.ts", reached)).toEqual([
      "test/room/a.test.ts",
      "test/other/c.test.ts",
      "test/room/b.test.ts",
      "test/cli/d.test.ts",
      "test/cli/e.test.ts",
    ]);
    expect(testsOf("src/c.ts", reached)).toEqual(["test/other/c.test.ts", "test/room/a.test.ts"]);
    expect(testsOf("src/nothing.ts", reached)).toEqual([]);
  });
});
