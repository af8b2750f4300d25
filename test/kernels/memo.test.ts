import { expect, test } from "vitest";
import { memo } from "../../src/kernels/webgpu/memo.ts";

test("one object for each list of arguments: numbers, strings, booleans, undefined, objects by identity", () => {
  let made = 0;
  const make = memo((a: unknown, b: unknown) => ({ a, b, id: made++ }));
  const [form, twin] = [{ k: 1 }, { k: 1 }];
  const lists = [
    [1, 2],
    [2, 1],
    ["1", 2],
    [1, undefined],
    [form, true],
    [twin, true],
    [form, false],
    [1, form],
  ];
  const first = lists.map(([a, b]) => make(a, b));
  expect(new Set(first.map(({ id }) => id)).size).toBe(lists.length);
  expect(lists.map(([a, b]) => make(a, b) === first[lists.findIndex((l) => l[0] === a && l[1] === b)])).toEqual(
    lists.map(() => true),
  );
  expect(made).toBe(lists.length);
});
