import { describe, expect, test } from "vitest";
import { argumentEdit, splitCase } from "../../scripts/fuzz/arguments.ts";
import { inputName, makeCase, minimise, parseInputName } from "../../scripts/fuzz/case.ts";
import { fixDigests, fixFlac, fixOgg, fixSafetensors, fixZip, zipEntries } from "../../scripts/fuzz/checksums.ts";
import { applyEdits, byteEdit, type Edit, randomEdits, textEdit, unitEdit } from "../../scripts/fuzz/edits.ts";
import { createRandom } from "../../scripts/fuzz/random.ts";
import { fileSeed } from "../../scripts/fuzz/seeds.ts";
import type { Target } from "../../scripts/fuzz/target.ts";

const bytesOf = (text: string) => new Uint8Array(Buffer.from(text));
const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString();
const edit = (at: number, remove: number, insert: string): Edit => ({ at, remove, insert: bytesOf(insert) });

describe("random numbers", () => {
  test("are the same for a seed, and others for another", () => {
    const draw = (...seed: (string | number)[]) => {
      const random = createRandom(...seed);
      return Array.from({ length: 8 }, () => random.below(1000));
    };
    expect(draw("a", 1)).toEqual(draw("a", 1));
    expect(draw("a", 1)).not.toEqual(draw("a", 2));
    expect(draw("a", 1)).not.toEqual(draw("b", 1));
  });

  test("are even, and `few` halves", () => {
    const random = createRandom("even");
    const counts = new Array(10).fill(0);
    const fews = new Array(4).fill(0);
    for (let i = 0; i < 10_000; i++) {
      counts[random.below(10)]++;
      fews[random.few(3)]++;
    }
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150);
    expect(Math.abs(fews[1] - 5000)).toBeLessThan(300);
    expect(Math.abs(fews[2] - 2500)).toBeLessThan(300);
    expect(Math.abs(fews[3] - 2500)).toBeLessThan(300);
  });
});

describe("edits", () => {
  test("replace, insert, remove, one after another", () => {
    const edited = applyEdits(bytesOf("abcdef"), [edit(1, 2, "XYZ"), edit(0, 1, ""), edit(5, 0, "!")]);
    expect(textOf(edited)).toBe("XYZde!f");
  });

  test("past the end they append, and remove no more than there is", () => {
    expect(textOf(applyEdits(bytesOf("abc"), [edit(9, 4, "d")]))).toBe("abcd");
    expect(textOf(applyEdits(bytesOf("abc"), [edit(2, 9, "")]))).toBe("ab");
  });

  test("leave what they are given alone", () => {
    const bytes = bytesOf("abc");
    applyEdits(bytes, [])[0] = 0;
    expect(textOf(bytes)).toBe("abc");
  });

  test("grow nothing beyond a megabyte", () => {
    const big: Edit = { at: 0, remove: 0, insert: new Uint8Array(2 ** 20) };
    expect(applyEdits(bytesOf("abc"), [big, big]).length).toBe(2 ** 20);
  });

  test("of bytes are of many kinds: same length, shorter, longer, near a magic", () => {
    const wav = fileSeed("samples/zh-happy.wav").bytes.subarray(0, 1000);
    const random = createRandom("kinds");
    const edits = Array.from({ length: 500 }, () => byteEdit(random, wav, bytesOf("other")));
    const lengths = edits.map((edit) => applyEdits(wav, [edit]).length);
    expect(lengths.filter((length) => length === 1000).length).toBeGreaterThan(100);
    expect(lengths.filter((length) => length < 1000).length).toBeGreaterThan(50);
    expect(lengths.filter((length) => length > 1000).length).toBeGreaterThan(50);
    expect(edits.filter(({ at }) => at < 80).length).toBeGreaterThan(150);
  });

  test("of units: a page of an ogg is lost, doubled or moved, and the others stay whole", () => {
    const ogg = fileSeed("test/audio/fixtures/clip.ogg").bytes;
    const pages = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1").split("OggS").slice(1);
    const counts = new Set<number>();
    for (let i = 0; i < 300; i++) {
      const edit = unitEdit(createRandom("unit", i), ogg)!;
      if (!["OggS", ""].includes(Buffer.from(edit.insert.subarray(0, 4)).toString("latin1"))) continue;
      if (Buffer.from(ogg).toString("latin1", edit.at, edit.at + 4) !== "OggS") continue;
      const left = pages(applyEdits(ogg, [edit]));
      expect(left.filter((page) => !pages(ogg).includes(page))).toEqual([]);
      counts.add(left.length - pages(ogg).length);
    }
    expect([...counts].sort()).toEqual([-1, 0, 1]);
    expect(unitEdit(createRandom(1), bytesOf("nothing known"))).toBeUndefined();
  });

  test("of text change numbers, and stay within their part", () => {
    const text = bytesOf('{"bits": 4, "name": "x"}\n');
    const random = createRandom("text");
    const edited = Array.from({ length: 2000 }, () => textOf(applyEdits(text, [textEdit(random, text, text.length)])));
    expect(edited).toContain('{"bits": 5, "name": "x"}\n');
    expect(edited).toContain('{"bits": -1, "name": "x"}\n');
    expect(edited).toContain("");
    for (let i = 0; i < 300; i++) expect(textEdit(random, text, 10).at).toBeLessThanOrEqual(10);
  });

  test("of long text take no time", () => {
    const long = bytesOf(`${'{"a":'.repeat(30_000)}"`);
    const start = performance.now();
    for (let i = 0; i < 20; i++) textEdit(createRandom(i), long, long.length);
    expect(performance.now() - start).toBeLessThan(5000);
  });

  test("of arguments keep a list of arguments, and the file behind it", () => {
    const bytes = bytesOf('["a","--out","b"]\nthe file\nof two lines');
    expect(splitCase(bytes)).toEqual({ args: ["a", "--out", "b"], input: bytesOf("the file\nof two lines") });
    for (let i = 0; i < 100; i++) {
      const { args, input } = splitCase(applyEdits(bytes, [argumentEdit(createRandom(i), bytes)]));
      expect(Math.abs(args.length - 3)).toBeLessThanOrEqual(1);
      expect(textOf(input)).toBe("the file\nof two lines");
    }
    expect(splitCase(bytesOf("[]")).args).toEqual([]);
    expect(
      splitCase(applyEdits(bytesOf("[]"), [argumentEdit(createRandom(7), bytesOf("[]"))])).args.length,
    ).toBeLessThan(2);
  });
});

describe("checksums", () => {
  const inPlace = (fix: (bytes: Uint8Array) => void) => (bytes: Uint8Array) => {
    fix(bytes);
    return bytes;
  };
  const audio = (name: string) => fileSeed(`test/audio/fixtures/${name}`).bytes;
  const cases: [string, Uint8Array, (bytes: Uint8Array) => Uint8Array, number, number][] = [
    ["ogg vorbis", audio("clip.ogg"), inPlace(fixOgg), 4000, 4],
    ["ogg opus", audio("clip.opus"), inPlace(fixOgg), 1700, 4],
    ["ogg flac", audio("clip-flac.ogg"), inPlace(fixOgg), 10_000, 4],
    ["flac", audio("clip.flac"), inPlace(fixFlac), 14_000, 2],
    ["zip", fileSeed("test/convert/fixtures/parameters.pt").bytes, inPlace(fixZip), 100, 4],
    ["safetensors", fileSeed("weights/tiny/model.safetensors").bytes.slice(0, 40_000), fixSafetensors, 30_000, 0],
  ];

  test.each(cases)("of %s are as the writer had them", (_, bytes, fix) => {
    expect(Buffer.compare(fix(bytes.slice()), bytes)).toBe(0);
  });

  test.each(cases)("of %s change with a byte of the body, and nothing else does", (_, bytes, fix, damagedAt, most) => {
    const damaged = bytes.slice();
    damaged[damagedAt] ^= 1;
    const fixed = fix(damaged.slice());
    const changed = [...fixed.keys()].filter((i) => fixed[i] !== damaged[i]);
    expect(changed.length).toBeLessThanOrEqual(most);
    if (most > 0) expect(changed.length).toBeGreaterThan(0);
  });

  test("of a zip: the entries are found", () => {
    const names = zipEntries(fileSeed("test/convert/fixtures/parameters.pt").bytes).map(({ name }) => name);
    expect(names).toContain("parameters/data.pkl");
    expect(names).toContain("parameters/data/0");
  });

  test("a safetensors header that has grown gets its length, and the tensors a multiple of 8", () => {
    const make = (json: string) => Buffer.concat([Buffer.alloc(8), Buffer.from(json), Buffer.from("DATA")]);
    const fixed = Buffer.from(fixSafetensors(make('{"a": {"b": "}"}}   ')));
    expect(fixed.readBigUInt64LE()).toBe(24n);
    expect(fixed.subarray(8).toString()).toBe('{"a": {"b": "}"}}       DATA');
  });

  test("digests in config.json: its own, and those of files; what is no config stays as it is", () => {
    const config = fileSeed("weights/tiny/config.json").bytes;
    expect(textOf(fixDigests(config, new Map()))).toBe(textOf(config));
    const fixed = JSON.parse(textOf(fixDigests(config, new Map([["tokenizer.model", bytesOf("abc")]]))));
    const sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const { digest, files } = JSON.parse(textOf(config));
    expect(fixed.files).toEqual({ ...files, "tokenizer.model": { bytes: 3, sha256 } });
    expect(fixed.digest).not.toBe(digest);
    for (const text of ["{", "null", ""]) expect(textOf(fixDigests(bytesOf(text), new Map()))).toBe(text);
  });
});

describe("cases", () => {
  const seeds = [{ name: "s.wav", bytes: bytesOf("0123456789".repeat(20)), format: "bytes" } as const];
  const target: Target = {
    name: "t",
    seeds: async () => seeds,
    run: async () => "",
    fix: (bytes) => Uint8Array.of(...bytes, 33),
    checked: (_, fixed) => !fixed,
  };
  const id = (number: number, keep?: number[]) => ({ target: "t", seed: "5", number, keep });

  test("depend on the seed and the number, and are named after them", () => {
    const made = Array.from({ length: 50 }, (_, i) => makeCase(target, seeds, id(i)));
    expect(made).toEqual(Array.from({ length: 50 }, (_, i) => makeCase(target, seeds, id(i))));
    expect(new Set(made.map(({ bytes }) => textOf(bytes))).size).toBeGreaterThan(40);
    for (const [i, one] of made.entries()) {
      expect(one.bytes.at(-1) === 33 || !one.fixed).toBe(true);
      const name = inputName(one, target, id(i));
      expect(name).toBe(`5.${i}.${one.fixed ? "any" : "same"}.s.wav`);
      expect(parseInputName(name)).toEqual({ seed: "s.wav", same: !one.fixed });
    }
    expect(() => parseInputName("s.wav")).toThrow("s.wav: expected RUN.NUMBER.same|any.SEED");
  });

  test("can do with some of their edits", () => {
    const number = Array.from({ length: 100 }, (_, i) => i).find((i) => {
      return makeCase(target, seeds, id(i)).edits.length === 3;
    })!;
    const { edits, fixed } = makeCase(target, seeds, id(number));
    const { bytes } = makeCase(target, seeds, id(number, [0, 2]));
    const expected = applyEdits(seeds[0].bytes, [edits[0], edits[2]]);
    expect(bytes).toEqual(fixed ? target.fix?.(expected) : expected);
  });

  test("have several edits at times", () => {
    const counts = Array.from({ length: 400 }, (_, i) => {
      return randomEdits(createRandom(i), seeds[0].bytes, seeds[0].bytes, "bytes").length;
    });
    expect(counts.filter((count) => count === 1).length).toBeGreaterThan(150);
    expect(Math.max(...counts)).toBeGreaterThan(4);
    expect(Math.max(...counts)).toBeLessThanOrEqual(8);
  });

  test("are made smaller as long as they fail", async () => {
    const tried: string[] = [];
    const needs =
      (...needed: number[]) =>
      async (keep: readonly number[]) => {
        tried.push(keep.join());
        return needed.every((i) => keep.includes(i));
      };
    expect(await minimise(8, needs(5), 99)).toEqual([5]);
    expect(await minimise(8, needs(1, 6), 99)).toEqual([1, 6]);
    expect(await minimise(1, needs(0), 99)).toEqual([0]);
    expect(await minimise(3, needs(0, 1, 2), 99)).toEqual([0, 1, 2]);
    tried.length = 0;
    await minimise(8, needs(0, 1, 2, 3, 4, 5, 6, 7), 3);
    expect(tried).toHaveLength(3);
  });
});
