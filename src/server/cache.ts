import { LRUCache } from "lru-cache";
import { SenseVoiceError } from "../error.ts";
import type { Store } from "./cacheStore.ts";

/** Results by key. A key is hexadecimal, a digest of all that the result depends on; else it is a TypeError. */
export interface ResultCache {
  get(key: string): Promise<string | undefined>;
  set(key: string, value: string): Promise<void>;
  close(): Promise<void>;
}

/** How much is kept, and for how long after it was made, however often it is asked for. */
export interface CacheLimits {
  readonly memoryBytes: number;
  readonly folderBytes: number;
  readonly maxAgeSeconds: number;
}

/**
 * Memory first, then a folder or Redis, which several processes may share; what is found below is put into the memory.
 *
 * @param where "memory", "off", a folder, or redis:// or rediss://
 * @param onProblem is told once when what is below the memory stops working, and once when it works again; until then
 *   its results are misses
 * @throws SenseVoiceError if `where` is none of these, or the folder cannot be used
 */
export async function openCache(
  where: string,
  limits: CacheLimits,
  onProblem: (message: string) => void,
): Promise<ResultCache> {
  const maxAgeMs = Math.ceil(limits.maxAgeSeconds * 1000);
  const below = await openStore(where, limits.folderBytes, maxAgeMs, onProblem);
  const memory =
    where === "off" || limits.memoryBytes < 1
      ? undefined
      : new LRUCache<string, string>({
          maxSize: limits.memoryBytes,
          ttl: maxAgeMs,
          // Two bytes a character is the most that a string takes.
          sizeCalculation: (value, key) => 2 * (value.length + key.length),
        });
  return {
    async get(key) {
      checkKey(key);
      const near = memory?.get(key);
      if (near !== undefined) return near;
      const found = await below?.get(key);
      if (found) memory?.set(key, found.value, { ttl: Math.ceil(found.leftMs) });
      return found?.value;
    },
    async set(key, value) {
      checkKey(key);
      memory?.set(key, value);
      await below?.set(key, value);
    },
    async close() {
      memory?.clear();
      await below?.close();
    },
  };
}

async function openStore(
  where: string,
  bytes: number,
  maxAgeMs: number,
  onProblem: (message: string) => void,
): Promise<Store | undefined> {
  if (where === "memory" || where === "off") return undefined;
  if (/^rediss?:\/\//.test(where)) return (await import("./redisCache.ts")).openRedis(where, maxAgeMs, onProblem);
  if (where === "" || /^[a-z][\w+.-]*:\/\//i.test(where)) {
    const got = where === "" ? "an empty path" : `an address of ${where.split(":", 1)}`;
    throw new SenseVoiceError(`[cache] expected memory, off, a folder, or redis:// or rediss://, got ${got}`);
  }
  return (await import("./folderCache.ts")).openFolder(where, { bytes, maxAgeMs }, onProblem);
}

function checkKey(key: string): void {
  if (!/^[\da-f]{8,128}$/.test(key)) throw new TypeError(`expected a key of 8 to 128 hexadecimal digits, got ${key}`);
}
