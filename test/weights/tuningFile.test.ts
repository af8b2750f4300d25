import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test, vi } from "vitest";
import { tuningFiles } from "../../src/weights/tuningFile.ts";
import { temporaryFolder } from "../convert/folder.ts";

let home = "";
beforeEach(() => {
  home = temporaryFolder();
  vi.stubEnv("SENSEVOICE_HOME", join(home, "not", "there"));
  return () => vi.unstubAllEnvs();
});

test("what is written is read again; nothing else stays beside it", async () => {
  const files = tuningFiles();
  expect(await files.read("a.json")).toBeUndefined();
  await files.write("a.json", { a: 1 });
  await files.write("a.json", { a: 2 });
  expect(await files.read("a.json")).toEqual({ a: 2 });
  expect(readdirSync(join(home, "not", "there", "tuning"))).toEqual(["a.json"]);
  expect(JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")).version).toBe(files.version);
});

test.each<[string, (path: string) => void]>([
  ["torn", (path) => writeFileSync(path, '{"a": [1, 2')],
  ["empty", (path) => writeFileSync(path, "")],
  ["no JSON", (path) => writeFileSync(path, new Uint8Array([0, 255, 1]))],
  ["huge", (path) => writeFileSync(path, JSON.stringify("a".repeat(2 ** 20)))],
])("a file that is %s counts as none, and is replaced", async (_, spoil) => {
  const files = tuningFiles();
  await files.write("a.json", {});
  spoil(join(files.dir, "a.json"));
  expect(await files.read("a.json")).toBeUndefined();
  await files.write("a.json", { a: 1 });
  expect(await files.read("a.json")).toEqual({ a: 1 });
});

test("a file that cannot be written is an error of one line, and leaves nothing", async () => {
  const files = tuningFiles();
  mkdirSync(join(files.dir, "a.json"), { recursive: true });
  expect(await files.read("a.json")).toBeUndefined();
  await expect(files.write("a.json", {})).rejects.toThrow(/^\[weights\] \S+a\.json: [^\n]+$/);
  expect(readdirSync(files.dir)).toEqual(["a.json"]);
  writeFileSync(join(home, "file"), "");
  vi.stubEnv("SENSEVOICE_HOME", join(home, "file"));
  await expect(tuningFiles().write("a.json", {})).rejects.toThrow(/^\[weights\] /);
});

test("what a process that died left is removed, and what another writes is not", async () => {
  const files = tuningFiles();
  await files.write("a.json", {});
  const part = (pid: number) => join(files.dir, `.sensevoice-${pid}-01234567-89ab-cdef-0123-456789abcdef.part`);
  const [dead, alive] = [part(2 ** 30), part(process.pid)];
  for (const path of [dead, alive]) writeFileSync(path, "{");
  await files.write("a.json", { a: 1 });
  expect([existsSync(dead), existsSync(alive)]).toEqual([false, true]);
});
