import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { identify } from "../../src/weights/place.ts";
import { temporaryFolder } from "../convert/folder.ts";

/** As on file systems whose numbers take 64 bits: one inode's and the next's are the same as floats. */
vi.mock("node:fs", async (original) => {
  const fs = await original<typeof import("node:fs")>();
  const far = 2n ** 60n;
  const statSync = (path: string, { bigint }: { bigint?: boolean } = {}) => {
    const { dev, ino } = fs.statSync(path, { bigint: true });
    return bigint ? { dev, ino: far + ino } : { dev: Number(dev), ino: Number(far + ino) };
  };
  return { ...fs, statSync };
});

test("files are told apart by all 64 bits of their inodes", () => {
  const dir = temporaryFolder();
  const files = ["a", "b", "c"].map((name) => join(dir, name));
  for (const file of files) writeFileSync(file, "");
  expect(new Set(files.map(identify)).size).toBe(3);
  expect(identify(join(dir, ".", "a"))).toBe(identify(files[0]));
});
