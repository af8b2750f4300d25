import { setTimeout as sleep } from "node:timers/promises";
import { Redis, ReplyError } from "ioredis";
import { reasonOf, SenseVoiceError } from "../error.ts";
import { createAlarm, type Store } from "./cacheStore.ts";

/** A Redis that takes longer is as good as none: the request goes on. */
const TIMEOUT_MS = 100;
const OPEN_MS = 1000;
const PREFIX = "sensevoice:cache:";

/**
 * Results in Redis, which removes them when they are too old, or as its own `maxmemory-policy` says. Nothing waits for a
 * connection: without one each call is a miss at once, and after a command without an answer the connection is made
 * anew, so that commands do not pile up.
 */
export async function openRedis(
  address: string,
  maxAgeMs: number,
  onProblem: (message: string) => void,
): Promise<Store> {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  // The message does not repeat the address: there may be a password in it.
  if (!url?.hostname) throw new SenseVoiceError("[cache] expected redis://HOST:PORT, got an address without a host");
  const link = createAlarm(onProblem, `[cache] ${url.protocol}//${url.host}: the connection`);
  const reading = createAlarm(onProblem, `[cache] ${url.protocol}//${url.host}: reading`);
  const writing = createAlarm(onProblem, `[cache] ${url.protocol}//${url.host}: writing`);
  const redis = new Redis(address, {
    lazyConnect: true,
    commandTimeout: TIMEOUT_MS,
    connectTimeout: OPEN_MS,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (times) => Math.min(100 * times, 2000),
  });
  let closing = false;
  /** Whether commands are answered; not so between one without an answer and the next connection. */
  let answers = false;
  redis.on("error", (error) => link.raise(reasonOf(error)));
  redis.on("close", () => closing || link.raise("it was closed"));
  redis.on("ready", () => {
    answers = true;
    link.lower();
  });
  // The event above says why it failed, and the client goes on trying.
  await Promise.race([redis.connect().catch(() => {}), sleep(OPEN_MS, undefined, { ref: false })]);

  /** What Redis refuses is told apart from a Redis that does not answer. */
  async function attempt<T>(alarm: typeof reading, run: () => Promise<T>): Promise<T | undefined> {
    if (!answers || redis.status !== "ready") return undefined;
    try {
      const result = await run();
      alarm.lower();
      return result;
    } catch (error) {
      if (error instanceof ReplyError) alarm.raise(reasonOf(error));
      else {
        link.raise(reasonOf(error));
        if (answers) redis.disconnect(true);
        answers = false;
      }
      return undefined;
    }
  }
  return {
    async get(key) {
      const found = await attempt(reading, () => Promise.all([redis.get(PREFIX + key), redis.pttl(PREFIX + key)]));
      const [value = null, leftMs = 0] = found ?? [];
      return value === null || leftMs <= 0 ? undefined : { value, leftMs: Math.min(leftMs, maxAgeMs) };
    },
    async set(key, value) {
      await attempt(writing, () => redis.set(PREFIX + key, value, "PX", maxAgeMs));
    },
    async close() {
      closing = true;
      if (redis.status === "ready") await redis.quit().catch(() => {});
      redis.disconnect();
    },
  };
}
