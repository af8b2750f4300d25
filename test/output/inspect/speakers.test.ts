import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SenseVoiceError } from "../../../src/error.ts";
import { reportHtml } from "../../../src/output/inspect/html.ts";
import { reportMarkdown } from "../../../src/output/inspect/markdown.ts";
import { inspectRecording, summariseReport } from "../../../src/output/inspect/report.ts";
import { parseRules } from "../../../src/output/inspect/rules.ts";
import { speakerFigures } from "../../../src/output/inspect/speakers.ts";
import { SPEAKER_COLOURS } from "../../../src/output/speakers.ts";
import { elementsOf, parseXml, textIn } from "../../support/xml.ts";
import { heard, segment, wordsAt } from "../heard.ts";

const talk = [
  segment(0, 4, "how can i help", { speaker: "S1", emotion: "happy" }),
  segment(5, 7, "i want a refund", { speaker: "S2", emotion: "angry" }),
  segment(7.1, 8.1, "i see", { speaker: "S1" }),
  segment(8.3, 9.3, "now", { speaker: "S2" }),
  segment(10, 12, "at once", { speaker: "S2", emotion: "angry" }),
  segment(13, 15, "", { raw: "<|nospeech|>", events: ["bgm"] }),
  segment(16, 17, "well", { speaker: "S1" }),
];
const rule = (text: string) => parseRules(text, "rules.yaml");
const reportOf = (segments = talk, rules = rule("- { name: money, keyword: refund }")) =>
  summariseReport([inspectRecording(heard(20, ...segments), rules)], [], rules);

describe("each speaker's figures", () => {
  test("seconds, share, turns, longest turn without its pauses, emotions", () => {
    const [first, second, ...others] = speakerFigures(talk);
    expect(others).toEqual([]);
    expect(first).toMatchObject({ speaker: "S1", seconds: 6, turns: 3, longest: 4 });
    expect(second).toMatchObject({ speaker: "S2", seconds: 5, share: 5 / 11, turns: 2, longest: 3 });
    expect(Object.entries(first.emotions)).toEqual([
      ["happy", 4],
      ["neutral", 2],
    ]);
    expect(Object.entries(second.emotions)).toEqual([
      ["angry", 4],
      ["neutral", 1],
    ]);
    expect(second.stretches).toEqual([
      { start: 5, end: 7 },
      { start: 8.3, end: 9.3 },
      { start: 10, end: 12 },
    ]);
  });

  test("who begins less than 0.2 s after another interrupts; who waits 0.2 s does not", () => {
    expect(speakerFigures(talk).map(({ interruptions }) => interruptions)).toEqual([1, 0]);
  });

  test("0.2 s is 0.2 s, whatever the rounding", () => {
    const segments = [segment(0, 1, "a", { speaker: "S1" }), segment(1.2, 2, "b", { speaker: "S2" })];
    expect(speakerFigures(segments)[1].interruptions).toBe(0);
  });

  test("who goes on after another's short word does not interrupt", () => {
    const segments = [
      segment(0, 5, "a", { speaker: "S1" }),
      segment(1, 2, "b", { speaker: "S2" }),
      segment(5.1, 6, "c", { speaker: "S1" }),
    ];
    expect(speakerFigures(segments).map(({ turns, interruptions }) => [turns, interruptions])).toEqual([
      [2, 0],
      [1, 1],
    ]);
  });

  test("who begins while anybody else speaks interrupts, also behind a third voice", () => {
    const segments = [
      segment(0, 10, "a", { speaker: "S1" }),
      segment(3, 4, "b", { speaker: "S2" }),
      segment(6, 7, "c", { speaker: "S3" }),
      segment(7.5, 8, "c", { speaker: "S3" }),
    ];
    expect(speakerFigures(segments).map(({ interruptions }) => interruptions)).toEqual([0, 1, 1]);
  });

  test("by the times of words, where there are some", () => {
    const words = wordsAt(1, 0.5, "how", "are", "you")!;
    expect(speakerFigures([segment(0, 9, "how are you", { speaker: "S1", words })])).toMatchObject([
      { seconds: 1.5, share: 1, stretches: [{ start: 1, end: 2.5 }] },
    ]);
  });
});

test("without speakers a report has nothing of them", () => {
  const report = reportOf(talk.map(({ speaker, ...part }) => part));
  for (const text of [JSON.stringify(report), reportMarkdown(report), reportHtml(report)]) {
    expect(text).not.toMatch(/speaker|S1/i);
  }
});

test("Markdown: a table, and who said what was found", () => {
  const text = reportMarkdown(reportOf());
  expect(text).toContain("| Speaker | Talk | Share | Turns | Longest turn | Interruptions | Emotions |");
  expect(text).toContain("| S1 | 6.0 s | 55 % | 3 | 4.0 s | 1 | happy 67 %, neutral 33 % |");
  expect(text).toContain("| 0:05 | money | S2: i want a refund |");
});

test("HTML: a table, a lane of its own colour for each, and names in the transcript", () => {
  const html = reportHtml(reportOf());
  const root = parseXml(html.replace(/^<!DOCTYPE html>\n/, ""));
  const bars = (colour: string) =>
    elementsOf(root).filter(({ name, attributes }) => name === "rect" && attributes.fill === colour);
  expect(bars(SPEAKER_COLOURS[0])).toHaveLength(3);
  expect(bars(SPEAKER_COLOURS[1])).toHaveLength(3);
  expect(textIn(root)).toContain("S2: i want a ");
  expect(html).toContain("S1: how can i help");
});

test("HTML: no name is markup", () => {
  const elements = (name: string) => {
    const html = reportHtml(reportOf([segment(0, 1, "hello", { speaker: name })]));
    return elementsOf(parseXml(html.replace(/^<!DOCTYPE html>\n/, ""))).map((element) => element.name);
  };
  const usual = elements("x");
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("<b>", '"><i>', "</svg>", "&lt;")), (name) => {
      expect(elements(name)).toEqual(usual);
    }),
    { numRuns: 40, seed: 3 },
  );
});

describe("a rule about speakers", () => {
  test("finds only what they say", () => {
    const found = (text: string) => inspectRecording(heard(20, ...talk), rule(text)).moments.map(({ start }) => start);
    expect(found("- { name: a, speaker: S2, emotion: [angry, neutral] }")).toEqual([5, 8.3, 10]);
    expect(found("- { name: a, speaker: [S1, Ann], emotion: neutral }")).toEqual([7.1, 16]);
    expect(found("- { name: a, speaker: Ann, emotion: neutral }")).toEqual([]);
  });

  test("is in the report with their names", () => {
    expect(reportOf(talk, rule("- { name: a, speaker: S2, keyword: now }")).rules).toEqual([
      { name: "a", label: "a", severity: "info", note: "", speakers: ["S2"], moments: 1 },
    ]);
  });

  test.each([
    ["- name: a\n  silence: '> 5 s'\n  speaker: S1", 'line 3: speaker: expected none: silence is nobody\'s, got "S1"'],
    ["- name: a\n  emotion: sad\n  speaker: []", "line 3: speaker: expected a text, got a list of 0"],
  ])("%j is an error of one line", (text, message) => {
    expect(() => rule(text)).toThrow(new SenseVoiceError(`rules.yaml: ${message}`));
  });
});
