import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DEFAULT_RULES } from "../../../src/output/inspect/defaultRules.ts";
import { reportHtml } from "../../../src/output/inspect/html.ts";
import { reportMarkdown } from "../../../src/output/inspect/markdown.ts";
import { inspectRecording, type Report, summariseReport } from "../../../src/output/inspect/report.ts";
import { parseRules } from "../../../src/output/inspect/rules.ts";
import { timelineSvg } from "../../../src/output/inspect/timeline.ts";
import { elementsOf, parseXml, textIn, type XmlElement } from "../../support/xml.ts";
import { heard, segment } from "../heard.ts";

/** A recording of 20 s with four moments and a file that failed, all with the same text. */
function report(text = "x"): Report {
  const rules = parseRules(
    JSON.stringify([
      { name: "word", label: `l${text}`, note: `n${text}`, keyword: "here" },
      { name: "mood", severity: "warning", emotion: "angry" },
      { name: "gap", severity: "critical", silence: ">= 5 s" },
    ]),
    "rules.yaml",
  );
  const said = `i ${text} here ${text}`.replace(/<\|/g, "");
  const first = segment(1, 3, said, { emotion: "angry", language: text });
  const music = segment(12, 14, "", { emotion: "unknown", events: ["bgm"] });
  const recording = { ...heard(20, first, music), file: `f${text}` };
  return summariseReport([inspectRecording(recording, rules)], [{ file: `g${text}`, error: `e${text}` }], rules);
}

/** What a report must not depend on: its elements and the names of their attributes. */
function shape(element: XmlElement): string[] {
  return elementsOf(element).map(({ name, attributes }) => `${name} ${Object.keys(attributes)}`);
}

const parseHtml = (html: string) => parseXml(html.replace(/^<!DOCTYPE html>\n/, ""));

const HOSTILE = [
  ...["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' onload='alert(1)", "]]>", "<!--", "&lt;", "&"],
  ...[
    "</style>",
    "</title></svg>",
    "\u202egnp.exe",
    "\0",
    "\ud800",
    "\ufffe",
    "| a |",
    "`b`",
    "\n\n# c",
    "[d](http://e)",
  ],
  ...["![f](http://g)", "<h>", "www.example.com", "https://example.com", "\\", "*i*", "$j$", "$`", "$&", "\r\n- k"],
];
const hostile = fc
  .array(fc.oneof(fc.constantFrom(...HOSTILE), fc.string({ unit: "binary" }), fc.string()), { maxLength: 6 })
  .map((parts) => parts.join(""));

test("moments are in the order of time, and counted by rule", () => {
  const { rules, recordings, total } = report();
  expect(recordings[0].moments.map(({ rule, start, end }) => [rule, start, end])).toEqual([
    ["word", 1, 3],
    ["mood", 1, 3],
    ["gap", 3, 12],
    ["gap", 14, 20],
  ]);
  expect(rules.map(({ name, moments }) => [name, moments])).toEqual([
    ["word", 1],
    ["mood", 1],
    ["gap", 2],
  ]);
  expect(total).toMatchObject({ duration: 20, talk: 2, sound: 2, silence: 16 });
});

describe("html", () => {
  test("is well-formed and says what was found", () => {
    const page = parseHtml(reportHtml(report()));
    const text = textIn(page);
    for (const part of [
      "2 recordings inspected",
      "fx",
      "gx: failed: ex",
      "i x here x",
      "(silence, 9.0 s)",
      "lx",
      "nx",
    ]) {
      expect(text).toContain(part);
    }
    expect(
      elementsOf(page)
        .filter(({ name }) => name === "mark")
        .map(textIn),
    ).toEqual(["here", "(silence, 9.0 s)", "(silence, 6.0 s)"]);
  });

  test("has no script and refers to nothing outside", () => {
    const source = reportHtml(report());
    const elements = elementsOf(parseHtml(source));
    expect(
      elements.filter(({ name }) => /^(script|img|link|base|iframe|object|embed|use|image|form|a)$/.test(name)),
    ).toEqual([]);
    const attributes = elements.flatMap((element) => Object.keys(element.attributes));
    expect(attributes.filter((name) => /^on|href|src|action/.test(name))).toEqual([]);
    expect(source.match(/url\(|@import|https?:\/\/[^"\s]*/g)).toEqual([
      "http://www.w3.org/1999/xhtml",
      "http://www.w3.org/2000/svg",
    ]);
  });

  test("has the same elements and attributes whatever stands in names and texts", () => {
    const plain = shape(parseHtml(reportHtml(report())));
    fc.assert(
      fc.property(hostile, (text) => {
        expect(shape(parseHtml(reportHtml(report(text))))).toEqual(plain);
      }),
    );
  });

  test("shows names and texts as they are, but for what no document may hold", () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const [, heading] = elementsOf(parseHtml(reportHtml(report(text)))).filter(({ name }) => name === "h2");
        expect(textIn(heading)).toBe(
          `f${text.replace(/[^\P{Cc}\t\n\r]|[\p{Cs}\p{Bidi_Control}\ufffe\uffff]/gu, "\ufffd")}`,
        );
      }),
    );
  });
});

describe("timeline", () => {
  const { recordings, rules } = report();
  const svg = parseXml(timelineSvg(recordings[0], rules, "t").source);
  const lanes = elementsOf(svg).filter(
    ({ name, attributes }) => name === "text" && attributes["text-anchor"] === "end",
  );
  const bars = elementsOf(svg).filter(({ name, children }) => name === "rect" && children.length > 0);

  test("has a lane for talk, each event and each rule that found something", () => {
    expect(lanes.map(textIn)).toEqual(["talk", "bgm", "lx", "mood", "gap"]);
  });

  test("puts bars where they belong: 20 s are 808 units from 132 on", () => {
    const places = bars.map(({ attributes: { x, width } }) => [Number(x), Number(width)]);
    expect(places).toEqual([
      [172.4, 80.8], // talk, 1 to 3 s
      [616.8, 80.8], // music, 12 to 14 s
      [172.4, 80.8], // the word and the mood, as long as the segment
      [172.4, 80.8],
      [253.2, 363.6],
      [697.6, 242.4],
    ]);
    expect(bars.map(textIn)[2]).toBe("0:01 lx: i x here x");
    expect(bars[0].attributes.fill).toBe("#d9433f");
  });

  test("has an axis, a legend, a title and a description", () => {
    const texts = elementsOf(svg)
      .filter(({ name }) => name === "text")
      .map(textIn);
    expect(texts).toEqual(expect.arrayContaining(["angry", "0:00", "0:02", "0:20"]));
    expect(svg.attributes).toMatchObject({ role: "img", "aria-labelledby": "t-title t-desc" });
    expect(textIn(elementsOf(svg).find(({ name }) => name === "title")!)).toBe("Timeline of fx");
    expect(textIn(elementsOf(svg).find(({ name }) => name === "desc")!)).toBe(
      "20.0 s in all: talk 2.0 s, other sound 2.0 s, silence 16.0 s. Found: lx 1, mood 1, gap 2.",
    );
  });

  test.each([0, 0.01, 61, 36_000, 1_000_000])(
    "of %d s has at most a dozen times on its axis, in the picture",
    (duration) => {
      const recording = inspectRecording(heard(duration, segment(0, duration, "a")), DEFAULT_RULES);
      const lines = elementsOf(parseXml(timelineSvg(recording, [], "t").source)).filter(({ name }) => name === "line");
      expect(lines.length).toBeLessThanOrEqual(12);
      for (const { attributes } of lines) expect(Number(attributes.x1)).toBeLessThanOrEqual(940);
    },
  );
});

describe("markdown", () => {
  test("has tables of rules and moments and a bar of the time", () => {
    expect(reportMarkdown(report()).split("\n")).toEqual([
      "# Inspection",
      "",
      "Duration 20.0 s, Talk 2.0 s (10 %), Other sound 2.0 s (10 %), Silence 16.0 s (80 %), Speech rate 120 words/min · angry 100 % · x 100 %",
      "",
      "| Rule | Severity | Moments | Note |",
      "| --- | --- | --- | --- |",
      "| lx | info | 1 | nx |",
      "| mood | warning | 1 |  |",
      "| gap | critical | 2 |  |",
      "",
      "**failed**: gx: ex",
      "",
      "## fx",
      "",
      "Duration 20.0 s, Talk 2.0 s (10 %), Other sound 2.0 s (10 %), Silence 16.0 s (80 %), Speech rate 120 words/min · angry 100 % · x 100 %",
      "",
      "`···██████···························▒▒▒▒▒▒··················` talk █, other sound ▒, silence ·",
      "",
      "| Time | Rule | Words around |",
      "| --- | --- | --- |",
      "| 0:01 | lx | i x here x |",
      "| 0:01 | mood | i x here x |",
      "| 0:03 | gap | i x here x (silence, 9.0 s) |",
      "| 0:14 | gap | (silence, 6.0 s) |",
      "",
    ]);
  });

  test("has the same lines and cells whatever stands in names and texts, and no link, code or HTML of theirs", () => {
    const cells = (text: string) => text.split("\n").map((line) => line.replace(/\\./g, "").split("|").length);
    const plain = cells(reportMarkdown(report()));
    fc.assert(
      fc.property(hostile, (text) => {
        const written = reportMarkdown(report(text));
        expect(cells(written)).toEqual(plain);
        const live = written.replace(/\\./gu, "").replace(/`[·▒█]{60}`|\*\*failed\*\*|^#+ |[|] ---.*/gmu, "");
        expect(live).not.toMatch(/[`*_[\]<>~&$#]|www\.|:\/\//);
      }),
    );
  });
});
