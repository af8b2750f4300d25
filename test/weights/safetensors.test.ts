import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { SenseVoiceError } from "../../src/error.ts";
import type { HostTensor } from "../../src/tensor/host.ts";
import { hashFile } from "../../src/weights/file.ts";
import { layoutSafetensors, parseSafetensorsHeader, safetensorsHeaderLength } from "../../src/weights/safetensors.ts";
import { openSafetensors, writeSafetensors } from "../../src/weights/safetensorsFile.ts";
import { temporaryFolder } from "../convert/folder.ts";
import { expectNoFileLeftOpen } from "../support/openFiles.ts";

const TENSORS: Readonly<Record<string, HostTensor>> = {
  bytes: { dtype: "i8", shape: [3], data: Int8Array.of(-128, 0, 127) },
  half: { dtype: "f16", shape: [1, 3], data: Uint16Array.of(0x3c00, 0, 0xfbff) },
  single: { dtype: "f32", shape: [2, 2], data: Float32Array.of(1, -2, 0.5, 3e38) },
  brain: { dtype: "bf16", shape: [1], data: Uint16Array.of(0x3f80) },
  double: { dtype: "f64", shape: [], data: Float64Array.of(0.1) },
  index: { dtype: "u32", shape: [1], data: Uint32Array.of(0xffffffff) },
  offset: { dtype: "i32", shape: [1], data: Int32Array.of(-1) },
  code: { dtype: "u8", shape: [2], data: Uint8Array.of(0, 255) },
  none: { dtype: "f32", shape: [0, 4], data: new Float32Array(0) },
};
const SPECS = Object.entries(TENSORS).map(([name, { dtype, shape }]) => ({ name, dtype, shape }));

/** A file with this header text, padded to 8 bytes, and so many bytes of tensors. */
function fileOf(header: string, dataBytes: number): Uint8Array {
  const text = Buffer.from(header.padEnd(Math.ceil(header.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, Buffer.alloc(dataBytes)]);
}

function write(bytes: Uint8Array): string {
  const path = join(temporaryFolder(), "model.safetensors");
  writeFileSync(path, bytes);
  return path;
}

describe("round trip", () => {
  test("every element type comes back, aligned, wider types first", async () => {
    const path = join(temporaryFolder(), "model.safetensors");
    const digest = await writeSafetensors(path, SPECS, async ({ name }) => TENSORS[name]);
    const file = await openSafetensors(path);
    expect(digest.sha256).toBe(await hashFile(path, "sha256"));
    expect(file.names).toEqual([...["double", "single", "index", "offset", "none", "half", "brain", "bytes", "code"]]);
    for (const name of file.names) expect(await file.read(name)).toEqual(TENSORS[name]);
    await expect(file.read("other")).rejects.toThrow(/there is no tensor "other"/);
    await file.close();
  });

  test("the bytes of a file, by the format's description", () => {
    const { head, tensors } = layoutSafetensors([{ name: "a", dtype: "f16", shape: [2, 1] }]);
    const header = '{"a":{"dtype":"F16","shape":[2,1],"data_offsets":[0,4]}}';
    expect(head).toEqual(new Uint8Array(fileOf(header, 0)));
    expect(tensors).toEqual([{ name: "a", dtype: "f16", shape: [2, 1], position: 64, bytes: 4 }]);
  });

  test("a tensor of another shape or type than announced is not written", async () => {
    const path = () => join(temporaryFolder(), "model.safetensors");
    const specs = [{ name: "w", dtype: "f32" as const, shape: [4] }];
    await expect(writeSafetensors(path(), specs, async () => TENSORS.single)).rejects.toThrow(/expected shape \[4\]/);
    await expect(writeSafetensors(path(), [{ ...specs[0], shape: [1, 3] }], async () => TENSORS.half)).rejects.toThrow(
      /w: expected f32, got f16/,
    );
  });

  test("metadata is allowed; offsets decide the order", async () => {
    const header =
      '{"b":{"dtype":"U8","shape":[1],"data_offsets":[4,5]},"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}';
    const file = await openSafetensors(write(fileOf(header, 5)));
    expect(file.names).toEqual(["a", "b"]);
    await file.close();
  });
});

test("no file is left open that cannot be read or written", async () => {
  const damaged = [Buffer.alloc(0), fileOf("[]", 0), fileOf("{}", 1)].map(write);
  const dir = temporaryFolder();
  const specs = [{ name: "w", dtype: "f32" as const, shape: [4] }];
  let written = 0;
  await expectNoFileLeftOpen(async () => {
    for (const path of damaged) await expect(openSafetensors(path)).rejects.toThrow(SenseVoiceError);
    const path = join(dir, `${written++}.safetensors`);
    await expect(writeSafetensors(path, specs, async () => TENSORS.single)).rejects.toThrow(/expected shape/);
  });
});

test("a header has 2 bytes to 16 MiB", () => {
  const first = (length: number) => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
    return bytes;
  };
  for (const length of [2, 2 ** 24]) expect(safetensorsHeaderLength(first(length), 8 + length)).toBe(length);
  for (const length of [1, 2 ** 24 + 1]) {
    expect(() => safetensorsHeaderLength(first(length), 2 ** 30)).toThrow(`got a header length of ${length}`);
  }
  expect(() => safetensorsHeaderLength(first(100), 107)).toThrow("expected a header within 107 bytes");
});

describe("a damaged file is refused in one line", () => {
  const entry = (offsets: string, dtype = "F32", shape = "[1]") =>
    `{"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}}`;

  test.each<[string, Uint8Array, RegExp]>([
    ["empty", Buffer.alloc(0), /header length of NaN/],
    ["shorter than the header's length", Buffer.alloc(7), /header length of NaN/],
    ["a header over the file", Buffer.from("\xff\0\0\0\0\0\0\0{}      ", "latin1"), /header length of 255/],
    ["a header of 2^64 - 1 bytes", Buffer.alloc(64, 0xff), /header length of 18446744073709552000/],
    ["no JSON", fileOf("{]", 0), /expected a JSON object/],
    ["an array", fileOf("[]", 0), /expected a JSON object/],
    ["an entry that is no object", fileOf('{"a":1}', 0), /"a": dtype undefined is not supported/],
    ["an unknown type", fileOf(`{"a":${entry("[0,4]", "F8_E4M3")}}`, 4), /dtype "F8_E4M3" is not supported/],
    [
      "a type that is a list 100 000 deep",
      fileOf(`{"a":{"dtype":${"[".repeat(1e5)}${"]".repeat(1e5)},"shape":[1],"data_offsets":[0,4]}}`, 4),
      /"a": dtype a list of 1 is not supported$/,
    ],
    [
      "a name of control characters",
      fileOf(`{"\\u001b[2J\\n\\u009b":${entry("[0,4]", "F8")}}`, 4),
      /safetensors: "\\u001b\[2J\\n\ufffd": dtype "F8" is not supported$/,
    ],
    [
      "a name of 900 KB",
      fileOf(`{"${"x".repeat(900_000)}":${entry("[0,4]", "F8")}}`, 4),
      /safetensors: "x{60}…": dtype "F8" is not supported$/,
    ],
    ["a negative size", fileOf(`{"a":${entry("[0,4]", "F32", "[-1]")}}`, 4), /shape of non-negative integers/],
    ["a fraction as size", fileOf(`{"a":${entry("[0,4]", "F32", "[1.5]")}}`, 4), /shape of non-negative integers/],
    [
      "sizes beyond all numbers",
      fileOf(`{"a":${entry("[0,4]", "F32", "[9007199254740991,9007199254740991]")}}`, 4),
      /expected 3.*e\+32 bytes/,
    ],
    ["offsets backwards", fileOf(`{"a":${entry("[4,0]")}}`, 4), /expected 4 bytes, got data_offsets \[4, 0\]/],
    ["offsets of another size", fileOf(`{"a":${entry("[0,8]")}}`, 8), /expected 4 bytes, got data_offsets \[0, 8\]/],
    ["one offset", fileOf(`{"a":${entry("[0]")}}`, 4), /data_offsets \[begin, end\]/],
    [
      "offsets past the file",
      fileOf(`{"a":${entry("[0,4]")}}`, 3),
      /expected \d+ bytes, got \d+; the file is truncated/,
    ],
    ["bytes that belong to no tensor", fileOf(`{"a":${entry("[0,4]")}}`, 8), /truncated or not ours/],
    ["a hole", fileOf(`{"a":${entry("[0,4]")},"b":${entry("[8,12]")}}`, 12), /"b": expected its data at byte/],
    ["an overlap", fileOf(`{"a":${entry("[0,4]")},"b":${entry("[0,4]")}}`, 4), /"b": expected its data at byte/],
    ["a name twice", fileOf(`{"a":${entry("[0,4]")},"a":${entry("[0,4]")}}`, 4), /a name comes twice/],
    ["not aligned", fileOf(`{"b":${entry("[0,1]", "U8")},"a":${entry("[1,5]")}}`, 5), /"a": begins at byte 1/],
    ["a header that ends anywhere", Buffer.from("\x03\0\0\0\0\0\0\0{} ", "latin1"), /multiple of 8, got byte 11/],
  ])("%s", async (_, bytes, message) => {
    await expect(openSafetensors(write(bytes))).rejects.toThrow(SenseVoiceError);
    await expect(openSafetensors(write(bytes))).rejects.toThrow(message);
    await expect(openSafetensors(write(bytes))).rejects.toThrow(/^[^\p{Cc}]{1,500}$/u);
  });

  test("cut at any byte", () => {
    const whole = fileOf(`{"a":${entry("[0,4]")}}`, 4);
    for (let length = 0; length < whole.length; length++) {
      const parse = () => {
        const header = safetensorsHeaderLength(whole.subarray(0, 8).subarray(0, length), length);
        parseSafetensorsHeader(whole.subarray(8, 8 + header), length);
      };
      expect(parse, `cut at ${length}`).toThrow(SenseVoiceError);
    }
  });
});
