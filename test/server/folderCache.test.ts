import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import * as fs from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { openCache } from "../../src/server/cache.ts";
import { emptyFolder, filesIn } from "./cacheFolder.ts";

/** Without memory each answer is from the folder. */
const LIMITS = { memoryBytes: 0, folderBytes: 10_000, maxAgeSeconds: 60 };
const KEY = "ab".repeat(32);
const FILE = `ab/${KEY}.result`;
const HEAD_BYTES = 85;
const key = (i: number) => i.toString(16).padStart(64, "0");

async function open(dir: string, limits = LIMITS) {
  const problems: string[] = [];
  const cache = await openCache(dir, limits, (message) => problems.push(message));
  onTestFinished(() => cache.close());
  return { ...cache, problems };
}

test("a result is there for the next process, in one file that only its user may read", async () => {
  const dir = join(emptyFolder(), "a/b");
  await (await open(dir)).set(KEY, "开饭时间\n😊");
  expect(filesIn(dir)).toEqual([FILE]);
  expect(fs.statSync(join(dir, FILE)).mode & 0o777).toBe(0o600);
  const next = await open(dir);
  expect(await next.get(KEY)).toBe("开饭时间\n😊");
  expect(await next.get(key(1))).toBeUndefined();
  await next.set(KEY, "newer");
  expect(await next.get(KEY)).toBe("newer");
  expect(next.problems).toEqual([]);
});

test("what was found in the folder is answered from memory, no longer than it is good", async () => {
  const dir = emptyFolder();
  const writer = await open(dir, { ...LIMITS, maxAgeSeconds: 0.6 });
  await writer.set(KEY, "text");
  await sleep(300);
  const reader = await open(dir, { memoryBytes: 1000, folderBytes: 10_000, maxAgeSeconds: 0.6 });
  expect(await reader.get(KEY)).toBe("text");
  fs.rmSync(join(dir, FILE));
  expect(await reader.get(KEY)).toBe("text");
  await sleep(350); // less than its age since it came into the memory
  expect(await reader.get(KEY)).toBeUndefined();
});

test.each<[string, (path: string) => void]>([
  ["cut off", (path) => fs.truncateSync(path, fs.statSync(path).size - 1)],
  ["cut off in its head", (path) => fs.truncateSync(path, 30)],
  ["empty", (path) => fs.truncateSync(path, 0)],
  ["changed in one byte", (path) => fs.writeFileSync(path, fs.readFileSync(path).fill(65, HEAD_BYTES, HEAD_BYTES + 1))],
  ["longer than it was", (path) => fs.appendFileSync(path, " ")],
  ["somebody else's", (path) => fs.writeFileSync(path, "no result of ours")],
  ["larger than the folder may be", (path) => fs.writeFileSync(path, Buffer.alloc(10_001))],
  ["a link", (path) => [fs.rmSync(path), fs.symlinkSync("/dev/zero", path)]],
])("a file that is %s is a miss and is removed", async (_, damage) => {
  const dir = emptyFolder();
  const cache = await open(dir);
  await cache.set(KEY, "text");
  damage(join(dir, FILE));
  expect(await cache.get(KEY)).toBeUndefined();
  expect(filesIn(dir)).toEqual([]);
  await cache.set(KEY, "again");
  expect(await cache.get(KEY)).toBe("again");
  expect(cache.problems).toEqual([]);
});

test("a file under another key's name is not that key's result", async () => {
  const dir = emptyFolder();
  const cache = await open(dir);
  await cache.set(KEY, "text");
  const other = `ab${"0".repeat(62)}`;
  fs.renameSync(join(dir, FILE), join(dir, `ab/${other}.result`));
  expect(await cache.get(other)).toBeUndefined();
});

test("there are never more bytes than the limit, and what was used longest ago goes first", async () => {
  const dir = emptyFolder();
  const cache = await open(dir);
  for (let i = 0; i < 30; i++) {
    await cache.set(key(i), "x".repeat(900));
    await sleep(10); // so that each was used at another time
    expect(await cache.get(key(0))).toBeDefined();
    expect(filesIn(dir).length * (900 + HEAD_BYTES)).toBeLessThanOrEqual(10_000);
  }
  const there = await Promise.all(Array.from({ length: 30 }, async (_, i) => (await cache.get(key(i))) !== undefined));
  expect(there.lastIndexOf(false)).toBe(there.filter((is) => !is).length); // only the first one outlived an older one
  expect(there.filter((is) => is).length).toBeGreaterThanOrEqual(8);
  await cache.set(KEY, "x".repeat(10_000));
  expect(await cache.get(KEY)).toBeUndefined();
  await sleep(10);
  expect(await cache.get(key(29))).toBeDefined();
  // A process with less room makes the folder as small as it is told.
  await open(dir, { ...LIMITS, folderBytes: 3000 });
  expect(filesIn(dir).length).toBeLessThanOrEqual(3);
  expect(await cache.get(key(29))).toBeDefined();
});

test("what is too old is a miss, however often it was used, and is removed without being asked for", async () => {
  const dir = emptyFolder();
  const cache = await open(dir, { ...LIMITS, maxAgeSeconds: 1 });
  await cache.set(KEY, "text");
  await cache.set(key(1), "never asked for");
  await sleep(600);
  expect(await cache.get(KEY)).toBe("text");
  await sleep(500);
  expect(await cache.get(KEY)).toBeUndefined();
  for (const i of [2, 3]) {
    await expect.poll(() => filesIn(dir), { timeout: 5000 }).toEqual([]);
    await cache.set(key(i), "never asked for");
  }
});

test("processes that share a folder keep its limit together, but for what each writes between two looks", async () => {
  const dir = emptyFolder();
  const caches = [await open(dir), await open(dir)];
  for (let i = 0; i < 60; i++) {
    await caches[i % 2].set(key(i), "x".repeat(315)); // 400 bytes a file
    expect(filesIn(dir).length * 400).toBeLessThanOrEqual(10_000 * (1 + 2 / 8));
  }
  expect(filesIn(dir).length).toBeGreaterThan(20);
});

test("parts that were left are removed, parts of a running process and files of others are not", async () => {
  const dir = emptyFolder();
  const child = spawn(process.execPath, ["-e", ""]);
  await once(child, "exit");
  const part = (pid: number | undefined) => `.sensevoice-${pid}-${randomUUID()}.part`;
  const [dead, running, old] = [part(child.pid), part(process.ppid), part(process.ppid)];
  const others = ["ab/notes.txt", "ab/cd.result", "holiday.jpg"];
  fs.mkdirSync(join(dir, "ab"));
  for (const name of [dead, running, old, ...others]) fs.writeFileSync(join(dir, name), "x".repeat(20_000));
  fs.utimesSync(join(dir, old), new Date(), new Date(Date.now() - 100_000));
  const cache = await open(dir);
  await cache.set(KEY, "text");
  expect(await cache.get(KEY)).toBe("text");
  expect(filesIn(dir)).toEqual([running, FILE, ...others].sort());
});

test("a process that is killed while it writes leaves whole results alone, and another may write at the same time", async () => {
  const dir = emptyFolder();
  const bytes = 3_000_000;
  const program = fileURLToPath(new URL("keepSetting.ts", import.meta.url));
  const cache = await open(dir, { ...LIMITS, folderBytes: bytes });
  for (let round = 0; round < 3; round++) {
    const child = spawn(process.execPath, ["--import", "tsx", program, dir, String(bytes)]);
    let stderr = "";
    child.stderr.on("data", (text) => {
      stderr += text;
    });
    await once(child.stdout, "data");
    for (let i = 0; i < 20; i++) await cache.set(key(100 + i), "mine");
    await sleep(37 * round);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(stderr).toBe("");
    const next = await open(dir, { ...LIMITS, folderBytes: bytes });
    expect(filesIn(dir).filter((name) => name.endsWith(".part"))).toEqual([]);
    const before = filesIn(dir).length;
    expect(before).toBeGreaterThan(0);
    for (let i = 0; i < 40; i++) {
      const value = await next.get(key(i));
      if (value !== undefined) expect(new Set(value.trimEnd().split(" ")).size).toBe(1);
    }
    expect(filesIn(dir).length).toBe(before); // none was damaged
  }
  expect(cache.problems).toEqual([]);
});

test("a folder that stops working is a miss, told once, and once when it works again", async () => {
  const dir = join(emptyFolder(), "results");
  const cache = await open(dir);
  fs.rmSync(dir, { recursive: true });
  fs.writeFileSync(dir, "a file in its place");
  for (let i = 0; i < 3; i++) {
    await cache.set(KEY, "text");
    expect(await cache.get(KEY)).toBeUndefined();
  }
  expect(cache.problems).toEqual([expect.stringMatching(/: writing does not work \(E.*\); going on without it$/)]);
  fs.rmSync(dir);
  await cache.set(KEY, "text");
  expect(await cache.get(KEY)).toBe("text");
  expect(cache.problems.slice(1)).toEqual([`[cache] ${dir}: writing works again`]);
});

test.each([
  ["a file", (dir: string) => fs.writeFileSync(join(dir, "x"), ""), "x", /it is a file/],
  ["below a file", (dir: string) => fs.writeFileSync(join(dir, "x"), ""), "x/y", /ENOTDIR|EEXIST/],
])("%s is no folder for results", async (_, make, name, reason) => {
  const dir = emptyFolder();
  make(dir);
  const error = await open(join(dir, name)).catch((error: unknown) => error);
  expect(error).toMatchObject({ name: "SenseVoiceError", message: expect.stringMatching(reason) });
  expect(String(error)).toContain(`[cache] ${join(dir, name)}: expected a folder`);
});

test.skipIf(process.platform !== "linux")("a folder that the system does not let make is refused", async () => {
  await expect(open("/proc/sensevoice")).rejects.toMatchObject({ name: "SenseVoiceError" });
});
