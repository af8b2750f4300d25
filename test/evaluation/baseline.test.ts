import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { compareTokens, parseBaseline } from "../../src/eval/baseline.ts";

const asked = { language: "auto", itn: true };

describe("reading", () => {
  test("FunASR's answers", () => {
    const text = readFileSync(new URL("../eval/funasr.jsonl", import.meta.url), "utf8");
    const answers = parseBaseline(text, "funasr.jsonl");
    expect(answers.size).toBe(200);
    expect(answers.get("yue-002")).toEqual({
      tokens: [972, 982, 976, 992, 415, 444, 435, 361, 356, 442, 336],
      asked,
    });
  });

  test("an earlier report", () => {
    const text = `${JSON.stringify({ model: "x", clips: [{ key: "a", tokens: [1, 2], asked, text: "" }] })}\n`;
    expect([...parseBaseline(text, "x.json")]).toEqual([["a", { tokens: [1, 2], asked }]]);
  });

  test.each([
    ["", "b.json: expected answers to compare with, got none"],
    ['{"clips": []}', "b.json: expected answers to compare with, got none"],
    ["{\n", "b.json:1: expected a JSON object, got {"],
    ['{"tokens": []}', "b.json:1: key: expected a text"],
    ['{"key": "a", "tokens": [1.5]}', "b.json:1: tokens: expected a list of integers"],
    ['{"clips": [{"key": "a", "tokens": []}, 1]}', "b.json:1: clips[1]: key: expected a text"],
  ])("%s", (text, message) => expect(() => parseBaseline(text, "b.json")).toThrow(message));
});

test("comparing counts the tokens that differ in clips that were asked the same", () => {
  const baseline = new Map([
    ["same", { tokens: [1, 2, 3], asked }],
    ["other", { tokens: [1, 2, 3, 4] }],
    ["language", { tokens: [9], asked: { language: "zh", itn: true } }],
    ["itn", { tokens: [9], asked: { language: "auto", itn: false } }],
  ]);
  const results = [
    { key: "same", tokens: [1, 2, 3], asked },
    { key: "other", tokens: [1, 3, 5, 6], asked },
    { key: "language", tokens: [1], asked },
    { key: "itn", tokens: [1], asked },
    { key: "new", tokens: [1], asked },
  ];
  expect(compareTokens(results, baseline)).toEqual({
    ...{ differing: 3, tokens: 7, clips: 2, same: 1, askedOtherwise: 2, missing: 1 },
  });
});
