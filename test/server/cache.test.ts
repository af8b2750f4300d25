import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { openCache } from "../../src/server/cache.ts";

const LIMITS = { memoryBytes: 10_000, folderBytes: 10_000, maxAgeSeconds: 60 };
const never = (message: string) => expect.unreachable(message);
const key = (i: number) => i.toString(16).padStart(64, "0");

test("what was set in memory is there", async () => {
  const cache = await openCache("memory", LIMITS, never);
  expect(await cache.get(key(1))).toBeUndefined();
  await cache.set(key(1), "开饭时间");
  await cache.set(key(2), "");
  expect(await cache.get(key(1))).toBe("开饭时间");
  expect(await cache.get(key(2))).toBe("");
  await cache.close();
  expect(await cache.get(key(1))).toBeUndefined();
});

test("off keeps nothing", async () => {
  const cache = await openCache("off", LIMITS, never);
  await cache.set(key(1), "text");
  expect(await cache.get(key(1))).toBeUndefined();
});

test("memory is limited in bytes, and what was used longest ago goes first", async () => {
  const cache = await openCache("memory", LIMITS, never);
  for (let i = 0; i < 4; i++) await cache.set(key(i), "x".repeat(1000)); // 2 × 1064 bytes each
  expect(await cache.get(key(0))).toBeDefined();
  await cache.set(key(4), "x".repeat(1000));
  const there = await Promise.all([0, 1, 2, 3, 4].map(async (i) => (await cache.get(key(i))) !== undefined));
  expect(there).toEqual([true, false, true, true, true]);
  await cache.set(key(5), "x".repeat(5001));
  expect(await cache.get(key(5))).toBeUndefined();
  expect(await cache.get(key(4))).toBeDefined();
});

test("what is too old is gone from memory, however often it was asked for", async () => {
  const cache = await openCache("memory", { ...LIMITS, maxAgeSeconds: 0.3 }, never);
  await cache.set(key(1), "text");
  await sleep(200);
  expect(await cache.get(key(1))).toBe("text");
  await sleep(200);
  expect(await cache.get(key(1))).toBeUndefined();
});

test.each(["", "abc", "../../etc/passwd", `${key(1)}/`, key(10).toUpperCase(), "a".repeat(129)])(
  "%j as a key is a mistake of the program",
  async (wrong) => {
    const cache = await openCache("memory", LIMITS, never);
    await expect(cache.get(wrong)).rejects.toThrow(TypeError);
    await expect(cache.set(wrong, "text")).rejects.toThrow(TypeError);
  },
);

test.each([
  ["", "an empty path"],
  ["http://127.0.0.1:1", "an address of http"],
  ["redis://", "an address without a host"],
  ["redis://:secret@host:99999", "an address without a host"],
])("%j is no place for results", async (where, got) => {
  const error = await openCache(where, LIMITS, never).catch((error: unknown) => error);
  expect(error).toMatchObject({ name: "SenseVoiceError", message: expect.stringContaining(got) });
  expect(String(error)).not.toContain("secret");
});
