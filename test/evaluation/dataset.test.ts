import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { SenseVoiceError } from "../../src/error.ts";
import { readDataset } from "../../src/eval/dataset.ts";
import { temporaryFolder } from "../convert/folder.ts";

/** A new folder with the given files. */
function folder(files: Readonly<Record<string, string>>): string {
  const dir = temporaryFolder();
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text);
  }
  return dir;
}

async function complaint(path: string): Promise<string> {
  const error = await readDataset(path).then(
    () => expect.unreachable("no error"),
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(SenseVoiceError);
  const { message } = error as SenseVoiceError;
  expect(message).toMatch(/^.+$/);
  return message.replaceAll(dirname(path), "");
}

describe("SenseVoice's manifest", () => {
  const LINE = {
    key: "one",
    source: "one.wav",
    target: "hello",
    text_language: "<|en|>",
    emo_target: "<|HAPPY|>",
    event_target: "<|Speech|>",
    with_or_wo_itn: "<|withitn|>",
  };
  const manifest = (...lines: (object | string)[]) =>
    join(
      folder({
        "list.jsonl": lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n"),
        "one.wav": "",
        "sub/two.wav": "",
      }),
      "list.jsonl",
    );

  test("the 200 clips, by their folder or by the file", async () => {
    const dir = fileURLToPath(new URL("../eval", import.meta.url));
    const clips = await readDataset(dir);
    expect(clips).toHaveLength(200);
    expect(clips[0]).toEqual({
      key: "zh-000",
      source: join(dir, "zh-000.flac"),
      text: "贵阳周末下雪。",
      language: "zh",
      emotion: "happy",
      event: "speech",
      itn: true,
    });
    expect(await readDataset(join(dir, "manifest.jsonl"))).toEqual(clips);
  });

  test("sources are relative to it, some fields may be missing, lines may be empty", async () => {
    const two = { key: "two", source: "sub/two.wav", target: "", text_language: "<|nospeech|>" };
    const path = manifest(`\ufeff${JSON.stringify(LINE)}\r`, "", two, "");
    const [one, other] = await readDataset(path);
    expect(one.source).toBe(join(dirname(path), "one.wav"));
    expect(other).toEqual({
      ...{ key: "two", source: join(dirname(path), "sub/two.wav"), text: "", language: "nospeech" },
      ...{ emotion: undefined, event: undefined, itn: false },
    });
  });

  test("unknown is an emotion and an event, if the tag says so", async () => {
    const line = { ...LINE, emo_target: "<|EMO_UNKNOWN|>", event_target: "<|Event_UNK|>" };
    expect(await readDataset(manifest(line))).toMatchObject([{ emotion: "unknown", event: "unknown" }]);
  });

  test.each<[what: string, lines: (object | string)[], message: string | RegExp]>([
    ["not JSON", [LINE, "", "{'key'"], "/list.jsonl:3: expected a JSON object, got {'key'"],
    ["not an object", ["[1]"], "/list.jsonl:1: expected a JSON object, got [1]"],
    ["binary", ["RIFF\0\0\x01"], "/list.jsonl:1: expected a JSON object, got RIFF\ufffd\ufffd\ufffd"],
    ["a field missing", [{ ...LINE, target: undefined }], "/list.jsonl:1: target: expected a text, got undefined"],
    ["a field of another type", [{ ...LINE, key: 1 }], "/list.jsonl:1: key: expected a text, got 1"],
    ["no such sound", [{ ...LINE, source: "no.wav" }], /^\/list\.jsonl:1: source: there is no file .*\/no\.wav$/],
    [
      "no such language",
      [{ ...LINE, text_language: "en" }],
      /:1: text_language: expected a tag, <\|en\|> say, got "en"$/,
    ],
    ["no such emotion", [{ ...LINE, emo_target: "<|GLAD|>" }], /:1: emo_target: expected a tag, .* got "<\|GLAD\|>"$/],
    ["no such event", [{ ...LINE, event_target: "" }], /:1: event_target: expected a tag, .* got ""$/],
    ["no such choice", [{ ...LINE, with_or_wo_itn: "yes" }], /:1: with_or_wo_itn: expected .* got "yes"$/],
    ["a key twice", [LINE, LINE], /^\/list\.jsonl:2: key: one was used before, at \/list\.jsonl:1$/],
    ["nothing", ["", " "], "/list.jsonl: expected clips, got an empty manifest"],
  ])("%s", async (_, lines, message) => {
    const got = await complaint(manifest(...lines));
    if (typeof message === "string") expect(got).toBe(message);
    else expect(got).toMatch(message);
  });
});

describe("LibriSpeech", () => {
  const chapter = "84/121123";
  const files = {
    [`${chapter}/84-121123.trans.txt`]: "84-121123-0000 GO DO YOU HEAR\n84-121123-0001 BUT IN LESS\n",
    [`${chapter}/84-121123-0000.flac`]: "",
    [`${chapter}/84-121123-0001.flac`]: "",
  };

  test("clips in order", async () => {
    const dir = folder(files);
    const of = (key: string, text: string) => {
      return { key, source: join(dir, chapter, `${key}.flac`), text, language: "en", itn: false };
    };
    expect(await readDataset(dir)).toEqual([
      of("84-121123-0000", "GO DO YOU HEAR"),
      of("84-121123-0001", "BUT IN LESS"),
    ]);
  });

  test("a sound that is missing, a line without text", async () => {
    const { [`${chapter}/84-121123-0001.flac`]: _, ...less } = files;
    const where = "/84/121123/84-121123.trans.txt";
    const dir = folder(less);
    expect((await complaint(dir)).replace(`${dir}/`, "")).toContain("trans.txt:2: there is no file");
    expect(await complaint(folder({ ...files, [where.slice(1)]: "84-121123-0000\n" }))).toContain(
      "84-121123.trans.txt:1: expected KEY TEXT, got 84-121123-0000",
    );
  });
});

describe("TIMIT", () => {
  test.each([
    ["TEST/DR1/FAKS0/SA1", "TXT", "WAV"],
    ["test/dr1/faks0/sa1", "txt", "wav"],
    ["test/dr1/faks0/sa1", "TXT", "sph"],
  ])("%s.%s with .%s", async (stem, txt, wav) => {
    const dir = folder({
      "DOC/PROMPTS.TXT": "She had your dark suit in greasy wash water all year. (sa1)\n",
      [`${stem}.${txt}`]: "0 63488 She had your dark suit.\n",
      [`${stem}.${wav}`]: "",
    });
    expect(await readDataset(dir)).toEqual([
      {
        key: stem,
        source: join(dir, `${stem}.${wav}`),
        text: "She had your dark suit.",
        language: "en",
        itn: false,
      },
    ]);
  });

  test("a text without begin and end", async () => {
    const dir = folder({ "DR1/SA1.TXT": "She had\n", "DR1/SA1.WAV": "" });
    expect(await complaint(dir)).toContain("/DR1/SA1.TXT:1: expected one line BEGIN END TEXT, got She had");
  });
});

test("nothing there, or nothing known", async () => {
  expect(await complaint(join(temporaryFolder(), "none"))).toBe("/none: no such file or folder");
  expect(await complaint(folder({ "a.wav": "", "b.md": "" }))).toMatch(
    /: expected manifest\.jsonl, LibriSpeech's .*; found none$/,
  );
});
