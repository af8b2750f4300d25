import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { openCache } from "../../src/server/cache.ts";
import { describeRedis, freePort, startRedis, type TestRedis } from "../support/redis.ts";

const LIMITS = { memoryBytes: 0, folderBytes: 0, maxAgeSeconds: 60 };
const KEY = "ab".repeat(32);

async function open(url: string, limits = LIMITS) {
  const problems: string[] = [];
  const cache = await openCache(url, limits, (message) => problems.push(message));
  onTestFinished(() => cache.close());
  return { ...cache, problems };
}

/** How long a call took, in milliseconds. */
async function timeOf(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

describeRedis("Redis", () => {
  let redis: TestRedis;
  let client: Redis;
  beforeAll(async () => {
    redis = await startRedis();
    client = new Redis(redis.url);
    client.on("error", () => {}); // it is killed below
  });
  afterAll(async () => {
    client.disconnect();
    await redis.stop();
  });

  test("a result is there for another process, and Redis removes it when it is too old", async () => {
    await (await open(redis.url)).set(KEY, "开饭时间");
    expect(await client.get(`sensevoice:cache:${KEY}`)).toBe("开饭时间");
    const left = await client.pttl(`sensevoice:cache:${KEY}`);
    expect(left).toBeGreaterThan(50_000);
    expect(left).toBeLessThanOrEqual(60_000);
    const next = await open(redis.url);
    expect(await next.get(KEY)).toBe("开饭时间");
    expect(await next.get("cd".repeat(32))).toBeUndefined();
    expect(next.problems).toEqual([]);
  });

  test("what was found in Redis is answered from memory, no longer than it is good", async () => {
    const cache = await open(redis.url, { ...LIMITS, memoryBytes: 1000 });
    await client.set(`sensevoice:cache:${KEY}`, "text", "PX", 400);
    expect(await cache.get(KEY)).toBe("text");
    await client.set(`sensevoice:cache:${KEY}`, "newer", "PX", 300);
    expect(await cache.get(KEY)).toBe("text");
    await expect.poll(() => cache.get(KEY), { timeout: 2000 }).toBeUndefined();
  });

  test("what Redis refuses is told once by what it says", async () => {
    const cache = await open(redis.url);
    await client.config("SET", "maxmemory", "1");
    for (let i = 0; i < 3; i++) await cache.set(KEY, "text");
    expect(await cache.get(KEY)).toBeUndefined();
    await client.config("SET", "maxmemory", "0");
    await cache.set(KEY, "text");
    expect(cache.problems).toEqual([
      expect.stringMatching(/: writing does not work \(OOM .*\); going on without it$/),
      expect.stringMatching(/: writing works again$/),
    ]);
    expect(await cache.get(KEY)).toBe("text");
  });

  test("a Redis that hangs delays one request by 0.1 s, then none; told once, and once when it is back", async () => {
    const cache = await open(redis.url, LIMITS);
    await cache.set(KEY, "text");
    const warned = vi.fn(); // of listeners that pile up
    process.on("warning", warned);
    onTestFinished(() => void process.off("warning", warned));
    redis.pause();
    onTestFinished(() => redis.resume());
    expect(await timeOf(() => cache.get(KEY))).toBeLessThan(300);
    const rest = await timeOf(async () => {
      for (let i = 0; i < 100; i++) {
        expect(await cache.get(KEY)).toBeUndefined();
        await cache.set(KEY, "other");
      }
    });
    expect(rest).toBeLessThan(300);
    expect(cache.problems).toEqual([
      expect.stringContaining(`redis://127.0.0.1:${redis.port}: the connection does not`),
    ]);
    redis.resume();
    await expect.poll(() => cache.get(KEY), { timeout: 10_000 }).toBe("text");
    expect(cache.problems.slice(1)).toEqual([expect.stringMatching(/: the connection works again$/)]);
    expect(warned).not.toHaveBeenCalled();
  });

  test("a Redis that is killed costs results, no request; its memory still answers, and it is used when it is back", async () => {
    const cache = await open(redis.url, { ...LIMITS, memoryBytes: 1000 });
    await cache.set(KEY, "text");
    const running = Array.from({ length: 50 }, (_, i) => cache.get(`${i}`.padStart(64, "0")));
    await redis.kill();
    expect(new Set(await Promise.all(running))).toEqual(new Set([undefined]));
    const time = await timeOf(async () => {
      expect(await cache.get(KEY)).toBe("text");
      expect(await cache.get("cd".repeat(32))).toBeUndefined();
      await cache.set("cd".repeat(32), "kept in memory");
      expect(await cache.get("cd".repeat(32))).toBe("kept in memory");
    });
    expect(time).toBeLessThan(300);
    await expect.poll(() => cache.problems.length).toBe(1);
    await redis.restart();
    await expect.poll(() => cache.problems.length, { timeout: 10_000 }).toBe(2);
    await cache.set(KEY, "again");
    expect(await (await open(redis.url)).get(KEY)).toBe("again");
  });

  test("the password of a Redis that refuses it is not told", async () => {
    const { problems, get } = await open(redis.url.replace("//", "//user:secret@"));
    expect(await get(KEY)).toBeUndefined();
    expect(problems).toEqual([expect.stringContaining("WRONGPASS")]);
    expect(problems.join()).not.toContain("secret");
  });
});

test("a server starts without its Redis, and no request waits for it", async () => {
  const url = `redis://127.0.0.1:${await freePort()}`;
  let opened: Awaited<ReturnType<typeof open>> | undefined;
  expect(
    await timeOf(async () => {
      opened = await open(url);
    }),
  ).toBeLessThan(1500);
  const time = await timeOf(async () => {
    for (let i = 0; i < 100; i++) {
      await opened?.set(KEY, "text");
      expect(await opened?.get(KEY)).toBeUndefined();
    }
  });
  expect(time).toBeLessThan(300);
  expect(opened?.problems).toEqual([expect.stringContaining("ECONNREFUSED")]);
});
