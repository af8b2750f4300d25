import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { SenseVoiceError } from "../../../src/error.ts";
import { DEFAULT_RULES } from "../../../src/output/inspect/defaultRules.ts";
import { parseRules } from "../../../src/output/inspect/rules.ts";
import { heard, segment } from "../heard.ts";

const FIELDS = "name, label, severity, note, speaker, emotion, event, keyword, silence, speechRate";
const CONDITIONS = "emotion, event, keyword, silence, speechRate";
const EMOTIONS = "neutral, happy, sad, angry, fearful, disgusted, surprised, unknown";
const LIMIT = 'a limit such as ">= 5 s" or ">= 5 ms" or ">= 5 min"';

test("label, severity and note of a rule, and what they are without", () => {
  const [plain, full] = parseRules(
    "- name: a\n  emotion: angry\n- {name: b, label: B, severity: critical, note: why, event: cry}",
    "rules.yaml",
  );
  expect(plain).toMatchObject({ name: "a", label: "a", severity: "info", note: "" });
  expect(full).toMatchObject({ name: "b", label: "B", severity: "critical", note: "why" });
});

describe("a rule that is wrong: one line with its line, what was expected and what it got", () => {
  test.each([
    ["", "expected a list of rules, got null"],
    ["rules: 1", "expected a list of rules, got an object"],
    ["- 5", 'line 1: expected a rule with a name and a condition, got "5"'],
    ["- [a]", "line 1: expected a rule with a name and a condition, got a list of 1"],
    ["- keyword: a", "line 1: expected a rule with a name, got an object"],
    ["- name: a\n", `line 1: expected one of ${CONDITIONS}, got "none"`],
    ["- name: a\n  event: cry\n  keyword: b", `line 1: expected one of ${CONDITIONS}, got "event and keyword"`],
    ["- name: ''\n  event: cry", 'line 1: name: expected a text, got ""'],
    ["- name: a\n  event: cry\n- event: cry\n  name: a", 'line 4: expected a name that no other rule has, got "a"'],
    ["- name: a\n  keywords: b", `line 2: keywords: expected one of ${FIELDS}, got "keywords"`],
    ["- name: a\n  __proto__: b", `line 2: __proto__: expected one of ${FIELDS}, got "__proto__"`],
    ["- name: a\n  emotion: angri", `line 2: emotion: expected one of ${EMOTIONS}, got "angri"`],
    ["- name: a\n  emotion:\n    - sad\n    - [sad]", "line 3: emotion: expected a text, got a list of 1"],
    ["- name: a\n  keyword: []", "line 2: keyword: expected a text, got a list of 0"],
    [
      "- name: a\n  keyword: b\n  severity: high",
      'line 3: severity: expected one of info, warning, critical, got "high"',
    ],
    ["- name: a\n  silence: 5", `line 2: silence: expected ${LIMIT}, got "5"`],
    ["- name: a\n  silence: '= 5 s'", `line 2: silence: expected ${LIMIT}, got "= 5 s"`],
    ["- name: a\n  silence: '> 5 h'", `line 2: silence: expected ${LIMIT}, got "> 5 h"`],
    ["- name: a\n  silence: '> 5 toString'", `line 2: silence: expected ${LIMIT}, got "> 5 toString"`],
    ["- name: a\n  keyword: /b/y", 'line 2: keyword: expected no flags but i, m, s and u, got "/b/y"'],
    ["- name: a\n  keyword: /(/", /^line 2: keyword: expected a regular expression \(.*\), got "\/\(\/"$/],
    ["- name: a\n  keyword: [b", /^line 2: expected YAML: Flow sequence .*$/],
    ["- name: *b", /^expected YAML: Unresolved alias .*$/],
    // These are too long for a title.
    ["{aliases}", /^expected YAML: Excessive alias count .*$/],
    ["{depth}", /^line 1: expected YAML: .*$/],
    ["{length}", /^expected at most 32768 characters, got 32769$/],
  ])("%j", (name, expected) => {
    const aliases = `- &a [x]\n${"- [*a, *a]\n".repeat(200)}`;
    const yaml = name
      .replace("{aliases}", aliases)
      .replace("{depth}", "[".repeat(30_000))
      .replace("{length}", "#".repeat(2 ** 15 + 1));
    const error = errorOf(() => parseRules(yaml, "rules.yaml"));
    expect(error).toBeInstanceOf(SenseVoiceError);
    const { message } = error as SenseVoiceError;
    if (typeof expected === "string") expect(message).toBe(`rules.yaml: ${expected}`);
    else expect(message.replace(/^rules\.yaml: /, "")).toMatch(expected);
  });
});

function errorOf(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    return error;
  }
}

/** The rules that find something in a recording of 10 s in which one thing is said. */
function found(text: string): string[] {
  const recording = heard(10, segment(0, 10, text));
  return DEFAULT_RULES.filter((rule) => rule.find(recording).length > 0).map(({ name }) => name);
}

test.each([
  [
    "apology",
    ["非常抱歉", "唔好意思呀", "We apologise.", "I am SORRY", "申し訳ございません", "사과 드립니다", "죄송합니다"],
  ],
  ["promise", ["我保证", "I promised it", "we guarantee", "必ずお届けします", "약속할게요"]],
  ["complaint", ["我要投诉", "I'm complaining", "a refund", "返金してください", "환불해 주세요"]],
])("the default rules know %s in five languages", (name, texts) => {
  for (const text of texts) expect([text, ...found(text)]).toEqual([text, name]);
});

test("the default rules find nothing in plain talk", () => {
  for (const text of ["开饭时间上午九点至下午五点", "the compromised profundity", "사과가 맛있어요"])
    expect(found(text)).toEqual([]);
});

test("examples/rules.yaml is read", () => {
  const rules = parseRules(
    readFileSync(new URL("../../../examples/rules.yaml", import.meta.url), "utf8"),
    "rules.yaml",
  );
  expect(rules.map(({ severity }) => severity)).toContain("critical");
  const texts = heard(20, segment(0, 2, "we apologize for that it is faster than anything that you have ever heard"));
  expect(rules.filter((rule) => rule.find(texts).length > 0).map(({ name }) => name)).toEqual([
    "apology",
    "waiting",
    "hasty",
  ]);
});
