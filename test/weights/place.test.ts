import { realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { follow, identify } from "../../src/weights/place.ts";
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

test("40 links to a place that is not there yet are followed, as on Linux, and no more", () => {
  const dir = realpathSync(temporaryFolder());
  const link = (i: number) => join(dir, `${i}`);
  for (let i = 1; i <= 41; i++) symlinkSync(link(i - 1), link(i));
  expect(follow(link(40))).toBe(link(0));
  expect(() => follow(link(41))).toThrow(`${link(41)}: more than 40 links, one to the next`);
});

test("files are told apart by all 64 bits of their inodes", () => {
  const dir = temporaryFolder();
  const files = ["a", "b", "c"].map((name) => join(dir, name));
  for (const file of files) writeFileSync(file, "");
  expect(new Set(files.map(identify)).size).toBe(3);
  expect(identify(join(dir, ".", "a"))).toBe(identify(files[0]));
});
