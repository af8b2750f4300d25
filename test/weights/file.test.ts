import { writeFileSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SenseVoiceError } from "../../src/error.ts";
import { fileError, hashFile, isMissing, openFile, readExactly, readJsonFile } from "../../src/weights/file.ts";
import { temporaryFolder } from "../convert/folder.ts";

test("what comes in short reads is put together; a file that ends too early is an error", async () => {
  const bytes = Uint8Array.from({ length: 20 }, (_, i) => i);
  const reads: number[][] = [];
  /** Reads three bytes at a time, as a network's file system may. */
  const file = {
    read: async (target: Uint8Array, offset: number, length: number, position: number) => {
      reads.push([offset, length, position]);
      const part = bytes.subarray(position, position + Math.min(3, length));
      target.set(part, offset);
      return { bytesRead: part.length };
    },
  } as unknown as FileHandle;
  const target = new Uint8Array(8);
  await readExactly(file, "a.bin", target, 5);
  expect(target).toEqual(bytes.subarray(5, 13));
  expect(reads).toEqual([
    [0, 8, 5],
    [3, 5, 8],
    [6, 2, 11],
  ]);
  await expect(readExactly(file, "a.bin", new Uint8Array(8), 15)).rejects.toThrow(
    "[weights] a.bin: ends at byte 20; the file is truncated",
  );
});

test("a JSON file that is not there is nothing; one that is none is an error", async () => {
  const dir = temporaryFolder();
  const path = join(dir, "a.json");
  expect(await readJsonFile(path)).toBeUndefined();
  writeFileSync(path, '{ "a": [1] }');
  expect(await readJsonFile(path)).toEqual({ a: [1] });
  expect(await readJsonFile(join(path, "b.json")), "below a file").toBeUndefined();
  writeFileSync(path, "{");
  await expect(readJsonFile(path)).rejects.toThrow(`[weights] ${path}: expected JSON`);
  await expect(readJsonFile(dir)).rejects.toThrow(`[weights] ${dir}: `);
});

test("an error says what happened, without the name of the system call; ours stays as it is", async () => {
  const path = join(temporaryFolder(), "none");
  const error = await openFile(path).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(SenseVoiceError);
  expect(error).toMatchObject({ message: `[weights] ${path}: ENOENT: no such file or directory` });
  expect(isMissing(error)).toBe(true);
  expect(fileError("other", error)).toBe(error);
  for (const other of [new Error("no code"), new SenseVoiceError("no cause"), "text", undefined]) {
    expect(isMissing(other)).toBe(false);
  }
  expect(isMissing(Object.assign(new Error("denied"), { code: "EACCES" }))).toBe(false);
});

test("the digest of a file, and with a prefix git's", async () => {
  const path = join(temporaryFolder(), "hello");
  writeFileSync(path, "hello\n");
  // sha256sum and git hash-object
  expect(await hashFile(path, "sha256")).toBe("5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
  expect(await hashFile(path, "sha1", "blob 6\0")).toBe("ce013625030ba8dba906f756967f9e9ca394464a");
});
