import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { SenseVoiceError } from "../../../src/error.ts";
import { createTokenizer } from "../../../src/model/sensevoice/tokenizer.ts";

// The tiny checkpoint's own tokenizer.
const bytes = new Uint8Array(readFileSync(new URL("./fixtures/tiny.bpe.model", import.meta.url)));
const tiny = createTokenizer(bytes);

type Case = { encode: string; ids: number[]; pieces: string[] } | { decode: number[]; text: string };
// Answers of the sentencepiece package, made by fixtures/tokenizer.py.
const cases: Case[] = readFileSync(new URL("./fixtures/tokenizer.jsonl", import.meta.url), "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line));

/** A protobuf message from [field number, content] pairs: a number is a varint, anything else bytes. */
function message(...fields: [number, number | Uint8Array | string][]): Uint8Array {
  const out: number[] = [];
  for (const [number, content] of fields) {
    if (typeof content === "number") out.push(...varint(number * 8), ...varint(content));
    else {
      const data = typeof content === "string" ? new TextEncoder().encode(content) : content;
      out.push(...varint(number * 8 + 2), ...varint(data.length), ...data);
    }
  }
  return Uint8Array.from(out);
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
}

const unk = message([1, "<unk>"], [3, 2]);
const normaliser = message([1, "identity"], [3, 0]);

describe("against sentencepiece", () => {
  test("encodes the same ids and pieces", () => {
    for (const expected of cases) {
      if (!("encode" in expected)) continue;
      expect(tiny.encode(expected.encode), expected.encode).toEqual(expected.ids);
      expect(tiny.encodePieces(expected.encode), expected.encode).toEqual(expected.pieces);
    }
  });

  test("decodes the same text", () => {
    for (const expected of cases) if ("decode" in expected) expect(tiny.decode(expected.decode)).toBe(expected.text);
  });

  test("the fixture has cases of both kinds", () => {
    expect(cases.filter((c) => "encode" in c).length).toBeGreaterThan(200);
    expect(cases.filter((c) => "decode" in c).length).toBeGreaterThan(100);
  });
});

describe("pieces", () => {
  test("are found by id, by text, and tags by name", () => {
    expect(tiny.size).toBe(995);
    expect(tiny.piece(0)).toBe("<unk>");
    expect(tiny.tags.get("zh")).toBe(970);
    expect(tiny.tags.get("nowhere")).toBeUndefined();
    expect(tiny.tags.get("EMO_UNKNOWN")).toBe(987);
    expect(tiny.tags.size).toBe(25);
  });

  test("each has a text that it adds: a space for ▁, none for a control piece, the file's for the unknown one", () => {
    const file = (...pieces: Uint8Array[]) => {
      const listed = pieces.map((piece): [number, Uint8Array] => [1, piece]);
      return createTokenizer(message(...listed, [2, message([3, 1])], [3, normaliser]));
    };
    const tokenizer = file(unk, message([1, "<s>"], [3, 3]), message([1, "▁a▁b"]), message([1, "c"]));
    expect([0, 1, 2, 3].map(tokenizer.surface)).toEqual([" \u2047 ", "", " a b", "c"]);
    expect(() => tokenizer.surface(4)).toThrow("[tokenizer] id: expected 0 to 3, got 4");
    expect(tokenizer.decode([3, 1, 2, 0])).toBe("c a b \u2047 ");
  });

  test("an id that is not in the model is an error", () => {
    expect(() => tiny.decode([5, 995])).toThrow("[tokenizer] id: expected 0 to 994, got 995");
    expect(() => tiny.piece(-1)).toThrow(SenseVoiceError);
  });
});

describe("normaliser", () => {
  const pieces: [number, Uint8Array][] = [unk, message([1, "▁a"]), message([1, "▁"]), message([1, "a"])].map(
    (piece) => [1, piece],
  );
  const withSpec = (...spec: [number, number][]) =>
    createTokenizer(message(...pieces, [2, message([3, 1])], [3, message(...spec)]));

  test("a dummy prefix is put in front and taken off again", () => {
    const tokenizer = withSpec([3, 1], [4, 1]);
    expect(tokenizer.encode("a  a ")).toEqual([1, 1]);
    expect(tokenizer.decode([1, 1])).toBe("a a");
  });

  test("an unknown piece decodes to what the file has for it, or to ⁇", () => {
    const decoded = (...trainer: [number, string][]) =>
      createTokenizer(message(...pieces, [2, message([3, 1], ...trainer)], [3, normaliser])).decode([0]);
    expect(decoded()).toBe(" \u2047 ");
    expect(decoded([44, "[?]"])).toBe("[?]");
  });

  test("of several spaces in front the dummy prefix is one, extra whitespace all", () => {
    expect(withSpec([3, 1], [4, 0]).decode([2, 1])).toBe(" a");
    expect(withSpec([3, 1], [4, 1]).decode([2, 1])).toBe("a");
    expect(withSpec([3, 0], [4, 0]).decode([2, 1])).toBe("  a");
  });

  test("of a file that does not say: a prefix in front, one space for several, spaces as ▁", () => {
    const tokenizer = withSpec();
    expect(tokenizer.encode("a  a ")).toEqual([1, 1]);
    expect(tokenizer.decode([1, 1])).toBe("a a");
  });

  test("an unknown character costs 10 more than the least probable piece", () => {
    const scored = (text: string, score: number) => {
      const float = new Uint8Array(Float32Array.of(score).buffer);
      return Uint8Array.of(...message([1, text]), 0x15, ...float); // field 2, a float of 4 bytes
    };
    const segment = (least: number) => {
      const pieces = [unk, scored("ab", least), scored("cd", least), scored("bcd", 0)];
      const file = message(
        ...pieces.map((piece): [number, Uint8Array] => [1, piece]),
        [2, message([3, 1])],
        [3, plain],
      );
      return createTokenizer(file).encodePieces("abcd");
    };
    const plain = message([3, 0], [4, 0]);
    expect(segment(-9.5)).toEqual(["ab", "cd"]); // −19, against −19.5 with a as unknown
    expect(segment(-10.5)).toEqual(["a", "bcd"]); // −20.5, against −21
  });

  test("spaces stay if they are to stay", () => {
    const tokenizer = withSpec([3, 0], [4, 0]);
    expect(tokenizer.encodePieces(" a  a ")).toEqual(["▁a", "▁", "▁a", "▁"]);
    expect(tokenizer.decode([1, 2, 1, 2])).toBe(" a  a ");
  });
});

describe("damaged files", () => {
  const model = (...pieces: Uint8Array[]) =>
    message(...pieces.map((piece): [number, Uint8Array] => [1, piece]), [2, message([3, 1])], [3, normaliser]);
  const refused: [string, Uint8Array, string][] = [
    ["an empty file", new Uint8Array(), "expected pieces, got none"],
    ["a JSON file", new TextEncoder().encode('{"model": 1}'), "not a SentencePiece model"],
    ["a page of HTML", new TextEncoder().encode("<!doctype html>"), "not a SentencePiece model"],
    ["a BPE model", message([1, unk], [2, message([3, 2])], [3, normaliser]), "expected a unigram model, got bpe"],
    [
      "another normaliser",
      message([1, unk], [2, message()], [3, message([2, "map"])]),
      "normalizer_spec: expected the identity normaliser, got a map of 3 bytes",
    ],
    ["no unknown piece", model(message([1, "a"])), "expected one piece of type unknown, got 0"],
    ["a piece twice", model(unk, message([1, "a"]), message([1, "a"])), "piece 2: repeats piece 1"],
    ["an empty piece", model(unk, message([3, 1])), "piece 1: expected a text"],
    ["a byte piece", model(unk, message([1, "<0x41>"], [3, 6])), "piece 1: byte and user-defined pieces"],
    ["a piece that is not UTF-8", model(unk, message([1, Uint8Array.of(0xff)])), "piece 1: expected UTF-8"],
    [
      "a score that is not a number",
      model(unk, Uint8Array.of(...message([1, "a"]), 0x15, 0, 0, 0xc0, 0x7f)), // field 2, a float of 4 bytes: NaN
      "piece 1: expected a finite score, got NaN",
    ],
    [
      "a score of two bytes",
      model(unk, message([1, "a"], [2, Uint8Array.of(0, 0)])),
      "not a SentencePiece model: expected a float in field 2",
    ],
    ["a text that is a number", model(unk, message([1, 7])), "not a SentencePiece model: expected bytes in field 1"],
    ["a type that is a text", model(unk, message([1, "a"], [3, "x"])), "expected a varint in field 3"],
    [
      "a map for the way back",
      message([1, unk], [2, message([3, 1])], [3, normaliser], [5, message([2, "map"])]),
      "denormalizer_spec: expected the identity normaliser, got a map of 3 bytes",
    ],
    [
      "whitespace behind the words",
      message([1, unk], [2, message([3, 1], [24, 1])], [3, normaliser]),
      "treat_whitespace_as_suffix: expected false, got true",
    ],
    ["a group, as in old protobuf", Uint8Array.of(...model(unk), 0x33), "not a SentencePiece model: got wire type 3"],
    ["no trainer_spec", message([1, unk], [3, normaliser]), "expected a trainer_spec"],
    ["an endless varint", new Uint8Array(20).fill(0xff), "more than 10 bytes"],
  ];
  test.each(refused)("%s", (_, file, expected) => {
    expect(() => createTokenizer(file)).toThrow(SenseVoiceError);
    expect(() => createTokenizer(file)).toThrow(expected);
  });

  test("fields that are not known are passed over, whatever they are", () => {
    const eight = [9 * 8 + 1, 1, 2, 3, 4, 5, 6, 7, 8]; // 64 bits
    const four = [9 * 8 + 5, 1, 2, 3, 4];
    const others = [...eight, ...four, ...message([9, 300], [9, "text"])];
    const piece = Uint8Array.of(...others, ...message([1, "a"]), ...others);
    const tokenizer = createTokenizer(Uint8Array.of(...others, ...model(unk, piece), ...others));
    expect(tokenizer.piece(1)).toBe("a");
    expect(tokenizer.size).toBe(2);
  });

  test("a piece may begin with U+FEFF, which is no byte order mark there", () => {
    expect(createTokenizer(model(unk, message([1, "\ufeffa"]))).piece(1)).toBe("\ufeffa");
  });

  test("a file cut short, wherever it is cut", () => {
    for (let length = 0; length < bytes.length; length += 101) {
      expect(() => createTokenizer(bytes.subarray(0, length)), `${length} bytes`).toThrow(SenseVoiceError);
    }
  });
});

const assets = process.env.SENSEVOICE_ASSETS ?? "";
const real = join(assets, "tokenizer/chn_jpn_yue_eng_ko_spectok.bpe.model");

describe.skipIf(!assets)("the real tokenizer", () => {
  test("decodes FunASR's ids of a clip, and encodes them again", () => {
    expect(existsSync(real)).toBe(true);
    const tokenizer = createTokenizer(readFileSync(real));
    const ids = [24884, 25004, 24993, 25017, 12227, 19359, 13161, 18926, 13153, 9931, 9991, 14487, 16535];
    const text = "<|zh|><|NEUTRAL|><|Speech|><|woitn|>开饭时间早上九点至";
    expect(tokenizer.size).toBe(25055);
    expect(tokenizer.decode(ids)).toBe(text);
    expect(tokenizer.encode(text)).toEqual(ids);
    expect(tokenizer.tags.get("EMO_UNKNOWN")).toBe(25009);
  });

  test("agrees with tokens.json", () => {
    const tokenizer = createTokenizer(readFileSync(real));
    const tokens: string[] = JSON.parse(readFileSync(join(assets, "tokenizer/tokens.json"), "utf8"));
    expect(tokens.map((_, id) => tokenizer.piece(id))).toEqual(tokens);
  });
});
