import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openCheckpoint } from "../../src/convert/checkpoint.ts";
import { SenseVoiceError } from "../../src/error.ts";
import { expectNoFileLeftOpen } from "../support/openFiles.ts";
import { fixture, temporaryFolder } from "./folder.ts";
import { makeZip } from "./zip.ts";

const VALUES = [0, 1, -2.5, 65504, 2 ** -14, -0.375];

async function readAll(path: string): Promise<Record<string, number[]>> {
  const checkpoint = await openCheckpoint(path);
  try {
    const all: Record<string, number[]> = {};
    for (const name of checkpoint.tensors.keys()) all[name] = Array.from((await checkpoint.read(name)).data);
    return all;
  } finally {
    await checkpoint.close();
  }
}

function write(bytes: Uint8Array): string {
  const path = join(temporaryFolder(), "model.pt");
  writeFileSync(path, bytes);
  return path;
}

describe("what torch.save wrote", () => {
  test("every float type as f32, with its shape", async () => {
    const checkpoint = await openCheckpoint(fixture("dtypes.pt"));
    expect([...checkpoint.tensors]).toEqual([
      ...["f64", "f32", "f16", "bf16"].map((dtype) => [dtype, { shape: [2, 3], dtype }]),
      ["i64", { shape: [3], dtype: "i64" }],
    ]);
    for (const name of ["f64", "f32", "f16"]) {
      expect(await checkpoint.read(name)).toEqual({
        dtype: "f32",
        shape: [2, 3],
        data: Float32Array.from(VALUES),
      });
    }
    // 65504 is between two bf16 numbers.
    expect((await checkpoint.read("bf16")).data).toEqual(Float32Array.from(VALUES.with(3, 65536)));
    await expect(checkpoint.read("i64")).rejects.toThrow(/"i64": expected a float tensor, got i64/);
    await expect(checkpoint.read("f8")).rejects.toThrow(/there is no tensor "f8"/);
    await checkpoint.close();
  });

  test("pickle protocol 4, and an archive without checksums", async () => {
    expect(await readAll(fixture("protocol4.pt"))).toEqual({ f32: VALUES });
    expect(await readAll(fixture("unsummed.pt"))).toEqual({ f32: VALUES });
  });

  test("views of one storage: slices, strides, a scalar, nothing", async () => {
    const checkpoint = await openCheckpoint(fixture("views.pt"));
    const base = Array.from({ length: 24 }, (_, i) => i);
    const read = async (name: string) => {
      const { shape, data } = await checkpoint.read(name);
      return { shape, data: Array.from(data) };
    };
    expect(await read("whole")).toEqual({ shape: [2, 3, 4], data: base });
    expect(await read("slice")).toEqual({ shape: [2, 3], data: [5, 6, 7, 8, 9, 10] });
    expect(await read("transposed")).toEqual({
      shape: [6, 4],
      data: base.map((_, i) => Math.floor(i / 4) + 6 * (i % 4)),
    });
    expect(await read("columns")).toEqual({ shape: [2, 3], data: [7, 9, 11, 13, 15, 17] });
    expect(await read("scalar")).toEqual({ shape: [], data: [7] });
    expect(await read("empty")).toEqual({ shape: [0], data: [] });
    await expect(checkpoint.read("expanded")).rejects.toThrow(/strides \[0,0\] does not fit its storage/);
    await checkpoint.close();
  });

  test("wrappers, DistributedDataParallel's prefix, Parameters", async () => {
    const expected = { weight: VALUES, bias: [0.5, -0.5] };
    expect(await readAll(fixture("wrapped.pt"))).toEqual(expected);
    expect(await readAll(fixture("parameters.pt"))).toEqual(expected);
  });
});

describe("what cannot be read is one line", () => {
  const REBUILD = "ctorch._utils\n_rebuild_tensor_v2\n";
  const storage = (elements: string) =>
    `(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpu${elements}tQ`;
  const stateDict = (tensor: string) => Buffer.from(`}X\x01\0\0\0w${REBUILD}(${tensor}\x89NtRs.`, "latin1");
  const archive = (pickle: Uint8Array, data = new Uint8Array(24)) =>
    makeZip([
      ["m/data.pkl", pickle],
      ["m/data/0", data],
    ]);
  const good = stateDict(`${storage("K\x06")}K\0K\x06\x85K\x01\x85`);

  test("the archive these tests damage is sound", async () => {
    expect(await readAll(write(archive(good)))).toEqual({ w: [0, 0, 0, 0, 0, 0] });
  });

  test.each<[string, Uint8Array, RegExp]>([
    ["a pickle that calls os.system", archive(Buffer.from("cos\nsystem\n(X\x02\0\0\0lstR.")), /"os\.system"/],
    [
      "a storage larger than its entry",
      archive(stateDict(`${storage("M\xff\xff")}K\0K\x06\x85K\x01\x85`)),
      /262140 bytes, got 24/,
    ],
    ["an offset past the storage", archive(stateDict(`${storage("K\x06")}K\x01K\x06\x85K\x01\x85`)), /does not fit/],
    [
      "a shape past the storage",
      archive(stateDict(`${storage("K\x06")}K\0J\xff\xff\xff\x7fK\x06\x86K\x06K\x01\x86`)),
      /does not fit/,
    ],
    ["numbers that are not there", makeZip([["m/data.pkl", good]]), /no entry "m\/data\/0"/],
    ["a list", archive(Buffer.from("].")), /expected a state_dict/],
    ["a dict of numbers", archive(Buffer.from("}X\x01\0\0\0wK\x01s.")), /another value at "w"/],
    [
      "a dict whose key is a list shared 60 deep",
      archive(
        Buffer.from(
          `}]${Array.from({ length: 60 }, (_, i) => `q${String.fromCharCode(i)}h${String.fromCharCode(i)}\x86`).join("")}Ns.`,
          "latin1",
        ),
      ),
      /another value at a list of 2$/,
    ],
    [
      "a dict whose key is a tuple 100 000 deep",
      archive(Buffer.from(`}]${"\x85".repeat(1e5)}Ns.`, "latin1")),
      /another value at a list of 1$/,
    ],
    [
      "an entry named in control bytes, twice",
      makeZip([
        ["m/data.pkl", good],
        ["\x1b[2J\n\x07", good],
        ["\x1b[2J\n\x07", good],
      ]),
      /has the entry "\\u001b\[2J\\n\\u0007" twice$/,
    ],
    [
      "a name with a line break that the zip library refuses",
      makeZip([[`../\n\x1b${"x".repeat(60_000)}`, good]]),
      /^\[weights\] \S+: the archive is damaged or truncated: [^\p{Cc}]{1,400}$/u,
    ],
    ["no pickle", makeZip([["m/data/0", good]]), /expected one data\.pkl/],
    [
      "two pickles",
      makeZip([
        ["a/data.pkl", good],
        ["b/data.pkl", good],
      ]),
      /expected one data\.pkl/,
    ],
    [
      "an entry twice",
      makeZip([
        ["m/data.pkl", good],
        ["m/data.pkl", good],
      ]),
      /"m\/data\.pkl" twice/,
    ],
    [
      "big-endian numbers",
      makeZip([
        ["m/data.pkl", good],
        ["m/byteorder", Buffer.from("big")],
      ]),
      /little-endian/,
    ],
    ["a pickle of 3 MB", archive(new Uint8Array(3 * 2 ** 20)), /at most 2097152 bytes/],
    ["no archive", Buffer.from("hello, world"), /expected a PyTorch checkpoint/],
    ["an empty file", Buffer.alloc(0), /ends at byte 0/],
    ["a name that leaves the archive", makeZip([["../data.pkl", good]]), /damaged.*relative path/],
  ])("%s", async (_, bytes, message) => {
    const path = write(bytes);
    await expect(readAll(path)).rejects.toThrow(SenseVoiceError);
    await expect(readAll(path)).rejects.toThrow(message);
    await expect(readAll(path)).rejects.toThrow(/^[^\p{Cc}]{1,500}$/u);
  });

  test("a save from before PyTorch 1.6 says what to do", async () => {
    await expect(openCheckpoint(fixture("legacy.pt"))).rejects.toThrow(/torch\.save it again/);
  });

  test("no file, and a folder", async () => {
    await expect(openCheckpoint(join(temporaryFolder(), "model.pt"))).rejects.toThrow(/model\.pt: ENOENT/);
    await expect(openCheckpoint(temporaryFolder())).rejects.toThrow(SenseVoiceError);
  });

  test("and leaves no file open", async () => {
    const dir = temporaryFolder();
    const paths = [dir, write(Buffer.alloc(0)), write(Buffer.from("hello, world")), write(makeZip([]))];
    await expectNoFileLeftOpen(async () => {
      for (const path of paths) await expect(openCheckpoint(path)).rejects.toThrow(SenseVoiceError);
    });
  });

  test("a compressed entry", async () => {
    const bytes = Buffer.from(archive(good));
    bytes.writeUInt16LE(8, bytes.indexOf("PK\x01\x02", 0, "latin1") + 10);
    await expect(readAll(write(bytes))).rejects.toThrow(/compressed/);
  });

  test("an entry that claims 4 GB, as a zip bomb does", async () => {
    const bytes = Buffer.from(archive(good));
    const entry = bytes.lastIndexOf("PK\x01\x02", undefined, "latin1");
    bytes.writeUInt32LE(0xfffffff0, entry + 20);
    bytes.writeUInt32LE(0xfffffff0, entry + 24);
    await expect(readAll(write(bytes))).rejects.toThrow(/entry "m\/data\/0": .*overflows file bounds/);
  });

  test("a damaged number, by its checksum", async () => {
    const bytes = Buffer.from(archive(good));
    bytes[bytes.indexOf("m/data/0") + "m/data/0".length + 5] ^= 1;
    await expect(readAll(write(bytes))).rejects.toThrow(/"m\/data\/0" does not match its checksum/);
  });

  test("one number of 300 000, wherever it is; whole, they are read", async () => {
    const numbers = Float32Array.from({ length: 300_000 }, (_, i) => i);
    const count = "J\xe0\x93\x04\0";
    const many = stateDict(`${storage(count)}K\0${count}\x85K\x01\x85`);
    const path = write(archive(many, new Uint8Array(numbers.buffer)));
    expect((await readAll(path)).w).toEqual(Array.from(numbers));
    const bytes = readFileSync(path);
    const data = bytes.indexOf("m/data/0") + "m/data/0".length;
    for (const at of [0, 2 ** 20 - 1, 2 ** 20, numbers.byteLength - 1]) {
      const damaged = Buffer.from(bytes);
      damaged[data + at] ^= 1;
      await expect(readAll(write(damaged)), `byte ${at}`).rejects.toThrow(/"m\/data\/0" does not match its checksum/);
    }
  });

  test("a checkpoint cut anywhere", async () => {
    const whole = readFileSync(fixture("dtypes.pt"));
    const path = write(whole);
    for (let length = whole.length - 1; length >= 0; length -= 37) {
      truncateSync(path, length);
      await expect(readAll(path), `cut at ${length}`).rejects.toThrow(SenseVoiceError);
    }
  });
});
