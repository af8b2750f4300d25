import { describe, expect, test } from "vitest";
import { oneLine, quote, reasonOf, SenseVoiceError } from "../src/error.ts";

const messageOf = (text: string) => new SenseVoiceError(text).message;

describe("the message of a SenseVoiceError", () => {
  test("is one line: a run of line breaks is a space", () => {
    expect(messageOf("a \r\n\n b\vc\u2028d\u0085e\tf\n")).toBe("a b c d e f");
  });

  test("has no character that a terminal acts on", () => {
    expect(messageOf("a\x1b[31mb\x07\x7f\x9b2J\0")).toBe("a\ufffd[31mb\ufffd\ufffd\ufffd2J\ufffd");
    expect(messageOf("exe.\u202egpj\u2066\u200f")).toBe("exe.\ufffdgpj\ufffd\ufffd");
    expect(messageOf("\ud800 alone")).toBe("\ufffd alone");
  });

  test("keeps every other letter", () => {
    const text = "开饭 ½ “x” 👩‍🔬 می‌خواهم é";
    expect(messageOf(text)).toBe(text);
  });

  test("keeps the beginning and the end of what is long", () => {
    const message = messageOf(`[weights] ${"x".repeat(900_000)}: expected one, got two`);
    expect(message.length).toBe(500);
    expect(message).toMatch(/^\[weights\] x+ … x+: expected one, got two$/);
    expect(messageOf("x".repeat(500))).toBe("x".repeat(500));
    expect(messageOf("👩".repeat(400))).toMatch(/^\p{So}+\ufffd? … \ufffd?\p{So}+$/u);
  });

  test("takes no time, whatever there is much of", () => {
    const start = performance.now();
    for (const text of [" ", "\n", "\t\n", "\x1b", "\ud800"]) messageOf(text.repeat(2 ** 20));
    expect(performance.now() - start).toBeLessThan(1000);
  });

  test("keeps the cause", () => {
    const cause = new Error("why");
    expect(new SenseVoiceError("what", { cause }).cause).toBe(cause);
  });
});

describe("quote: a value out of a file", () => {
  test.each<[unknown, string]>([
    ["a", '"a"'],
    ['"\n\x1b', '"\\"\\n\\u001b"'],
    ["x".repeat(61), `"${"x".repeat(60)}…"`],
    ["x".repeat(60), `"${"x".repeat(60)}"`],
    [-1.5, "-1.5"],
    [Number.NaN, "NaN"],
    [true, "true"],
    [null, "null"],
    [undefined, "undefined"],
    [10n, "10"],
    [[1, [2]], "a list of 2"],
    [new Map([[1, 2]]), "a map of 1"],
    [{ a: 1 }, "an object"],
    [Object.create(null), "an object"],
  ])("%o is %s", (value, expected) => {
    expect(quote(value)).toBe(expected);
  });

  test("a list shared 60 deep, one in itself, and one 100 000 deep, at once", () => {
    let shared: unknown[] = [];
    for (let i = 0; i < 60; i++) shared = [shared, shared];
    let deep: unknown[] = [];
    for (let i = 0; i < 100_000; i++) deep = [deep];
    const cyclic: unknown[] = [];
    cyclic.push(cyclic);
    expect([shared, deep, cyclic].map(quote)).toEqual(["a list of 2", "a list of 1", "a list of 1"]);
  });
});

test("reasonOf: the first line of whatever was thrown", () => {
  expect(reasonOf(new TypeError("no\nyes"))).toBe("no");
  expect(reasonOf(new Error("\n  after an empty line\n"))).toBe("after an empty line");
  expect(reasonOf("a text\x1b\nand more")).toBe("a text\ufffd");
  expect(reasonOf(Object.create(null))).toBe("an object");
  expect(reasonOf(undefined)).toBe("undefined");
});

test("oneLine trims", () => expect(oneLine("\n error: x\n ")).toBe("error: x"));
