import { describe, expect, test } from "vitest";
import { SenseVoiceError } from "../../src/error.ts";
import { FORMAT_NAMES, type FormatName } from "../../src/output/format.ts";
import { FORMATS, formatNamed, writeDocument } from "../../src/output/formats.ts";
import { summarise } from "../../src/output/summary.ts";
import { segment, words } from "./segment.ts";

const HEAD = "<|NEUTRAL|><|Speech|><|withitn|>";
const document = {
  file: "talks/a.wav",
  duration: 3725.5,
  device: "cpu",
  segments: [
    segment(0.25, 3.5, `<|en|><|HAPPY|><|Laughter|><|withitn|>Fish & chips, <b>5 > 4</b>.`),
    segment(3.5, 3.5, `<|nospeech|>${HEAD}`),
    segment(
      3723.004,
      3725,
      `<|zh|>${HEAD}开饭{时间}上午\\N九点。`,
      words("3723.1 开饭 3723.5 时间 3723.9 上午 3724.26"),
    ),
  ],
};
const write = (name: FormatName, options = {}) => writeDocument(name, document, options);

test("text: a line for each segment that says something, with the file, then its words", () => {
  expect(write("text").split("\n")).toEqual([
    "talks/a.wav: 😀Fish & chips, <b>5 > 4</b>.😊",
    "talks/a.wav: 开饭{时间}上午\\N九点。",
    "[01:02:03.100 --> 01:02:03.500] 开饭",
    "[01:02:03.500 --> 01:02:03.900] 时间",
    "[01:02:03.900 --> 01:02:04.260] 上午",
    "",
  ]);
  const [first] = document.segments;
  expect(writeDocument("text", { duration: 4, segments: [first] })).toBe("😀Fish & chips, <b>5 > 4</b>.😊\n");
});

test("tsv: milliseconds and text under a header, as Whisper writes it", () => {
  expect(write("tsv", { marks: "none" })).toBe(
    "start\tend\ttext\n250\t3500\tFish & chips, <b>5 > 4</b>.\n3723004\t3725000\t开饭{时间}上午\\N九点。\n",
  );
});

test("text and tsv: tabs and line breaks within a text become a space", () => {
  const segments = [{ ...segment(0, 1, "<|en|>"), text: " one\ttwo\r\nthree\u2028four\x85five\0 " }];
  expect(writeDocument("tsv", { duration: 1, segments })).toBe(
    "start\tend\ttext\n0\t1000\tone two three four five\ufffd\n",
  );
  expect(writeDocument("text", { duration: 1, segments })).toBe("one two three four five\ufffd\n");
});

test("jsonl: a line for each segment, with all that is known of it", () => {
  const lines = write("jsonl", { marks: "words" })
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  const text = (i: number) => ["[laughter] Fish & chips, <b>5 > 4</b>. [happy]", "", "开饭{时间}上午\\N九点。"][i];
  expect(lines).toEqual(document.segments.map((part, i) => ({ file: "talks/a.wav", ...part, text: text(i) })));
});

test("json: one object with the texts joined, what is said in sum, and the segments", () => {
  expect(JSON.parse(write("json"))).toEqual({
    file: "talks/a.wav",
    duration: 3725.5,
    text: "😀Fish & chips, <b>5 > 4</b>.😊 开饭{时间}上午\\N九点。",
    raw: document.segments.map(({ raw }) => raw).join(" "),
    ...summarise(document.segments),
    device: "cpu",
    segments: document.segments,
  });
  expect(write("json").split("\n")).toEqual([expect.any(String), ""]);
  expect(JSON.parse(writeDocument("json", { ...document, text: "given" })).text).toBe("given");
});

test("srt: counted from 1, hours, commas, CRLF; what a player would take for markup has a word joiner in it", () => {
  expect(write("srt")).toBe(
    [
      "1",
      "00:00:00,250 --> 00:00:03,500",
      "😀Fish & chips, <\u2060b>5 > 4<\u2060/b>.😊",
      "",
      "2",
      "01:02:03,100 --> 01:02:05,000",
      "开饭{时间}上午\\N九点。",
      "",
      "",
    ].join("\r\n"),
  );
});

test("srt: styling in braces and an arrow are kept as text too", () => {
  const segments = [segment(0, 2, "<|en|>{\\an8} 1 --> {2} < 3")];
  expect(writeDocument("srt", { duration: 2, segments }).split("\r\n")[2]).toBe("{\u2060\\an8} 1 --\u2060> {2} < 3");
});

test("vtt: markup escaped", () => {
  expect(write("vtt")).toBe(`WEBVTT

00:00:00.250 --> 00:00:03.500
😀Fish &amp; chips, &lt;b&gt;5 &gt; 4&lt;/b&gt;.😊

01:02:03.100 --> 01:02:05.000
开饭{时间}上午\\N九点。

`);
});

test("vtt for karaoke: the time of each word but the first, where times were measured", () => {
  const [, , cue] = write("vtt", { karaoke: true, marks: "none" }).split("\n\n");
  expect(cue.split("\n")[1]).toBe(
    "开<01:02:03.300>饭<01:02:03.500>{时<01:02:03.700>间}<01:02:03.900>上<01:02:04.080>午<01:02:04.260>\\N<01:02:04.391>九<01:02:04.695>点。",
  );
});

test("ass: a header, a style, and each word's centiseconds; braces and backslashes stay text", () => {
  const lines = write("ass", { marks: "none" }).split("\n");
  expect(lines.slice(0, 2)).toEqual(["[Script Info]", "ScriptType: v4.00+"]);
  const fields = (name: string) => lines.filter((line) => line.startsWith(`${name}: `)).map((line) => line.split(","));
  const [styleFormat, eventFormat] = fields("Format");
  expect(fields("Style").map(({ length }) => length)).toEqual([styleFormat.length]);
  expect(eventFormat).toHaveLength(10);
  expect(lines.slice(lines.indexOf("[Events]") + 2)).toEqual([
    "Dialogue: 0,0:00:00.25,0:00:03.50,Default,,0,0,0,,Fish & chips, <b>5 > 4</b>.",
    "Dialogue: 0,1:02:03.10,1:02:05.00,Default,,0,0,0,," +
      "{\\k20}开{\\k20}饭{\\k20}\\{时{\\k20}间\\}{\\k18}上{\\k18}午{\\k13}\\\u2060N{\\k30}九{\\k31}点。",
    "",
  ]);
  expect(write("ass", { karaoke: false, marks: "none" })).toContain(",,开饭\\{时间\\}上午\\\u2060N九点。\n");
});

test("ass: a second line", () => {
  const segments = [segment(0, 4, "<|en|>this is a long sentence that does not fit a single line")];
  expect(writeDocument("ass", { duration: 4, segments })).toContain(
    ",,this is a long sentence that\\Ndoes not fit a single line\n",
  );
});

describe.each(FORMAT_NAMES)("%s", (name) => {
  test("written segment by segment it is what is written at once", () => {
    const { file, segments: unknown, ...closing } = document;
    // rttm is about speakers alone.
    const segments = name === "rttm" ? unknown.map((part) => ({ ...part, speaker: "S1" })) : unknown;
    const writer = FORMATS[name].writer({ file });
    const parts = [writer.head(), ...segments.map((part) => writer.add(part)), writer.end(closing)];
    expect(parts.join("")).toBe(writeDocument(name, { ...document, segments }));
    // json alone keeps what it was given; subtitles keep one cue.
    expect(parts.slice(1, -1).some((part) => part !== "")).toBe(name !== "json");
  });

  test("no segments: nothing but head and end", () => {
    const empty = { text: "", jsonl: "", srt: "", vtt: "WEBVTT\n\n", rttm: "", tsv: "start\tend\ttext\n" };
    const written = writeDocument(name, { duration: 1, segments: [] });
    if (name === "json") expect(JSON.parse(written)).toMatchObject({ duration: 1, text: "", raw: "", segments: [] });
    else if (name === "ass") expect(written).toMatch(/Effect, Text\n$/);
    else expect(written).toBe(empty[name]);
  });
});

test("a format that does not exist is an error of one line", () => {
  expect(() => formatNamed("toString")).toThrow(
    new SenseVoiceError('[output] format: expected one of text, json, jsonl, srt, vtt, tsv, ass, rttm, got "toString"'),
  );
});
