import { SenseVoiceError } from "../../error.ts";
import { MODEL, WORKERS } from "./job.ts";
import type { QueueLink } from "./link.ts";

/** What workers serve. */
export interface Served {
  readonly model: string;
  /** What results depend on beside the sound and what was asked. */
  readonly identity: string;
}

const NOW = `local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/** Answers what others serve if it is not the same, else enters this worker until its time is over. */
const REGISTER = `${NOW}
redis.call("ZREMRANGEBYSCORE", KEYS[2], "-inf", now)
redis.call("ZREM", KEYS[2], ARGV[2])
local known = redis.call("GET", KEYS[1])
if known and known ~= ARGV[1] and redis.call("ZCARD", KEYS[2]) > 0 then return known end
redis.call("SET", KEYS[1], ARGV[1])
redis.call("ZADD", KEYS[2], now + ARGV[3], ARGV[2])
return false`;

const LOOK = `${NOW}
return { redis.call("GET", KEYS[1]), redis.call("ZCOUNT", KEYS[2], now, "+inf") }`;

/**
 * Enters a worker for `ms` from now on.
 *
 * @throws SenseVoiceError if workers that live serve another model: results would depend on who hears a sound
 */
export async function register({ name, redis }: QueueLink, served: Served, worker: string, ms: number): Promise<void> {
  const known = await redis.eval(REGISTER, 2, MODEL, WORKERS, JSON.stringify(served), worker, Math.ceil(ms));
  if (known === null) return;
  const { model }: Served = JSON.parse(String(known));
  const what = model === served.model ? `${model} with other weights` : model;
  throw new SenseVoiceError(`queue ${name}: expected ${what}, which other workers serve, got ${served.model}`);
}

export async function unregister(link: QueueLink, worker: string): Promise<void> {
  await link.ask(() => link.redis.zrem(WORKERS, worker));
}

/** What is served, as far as any worker has ever told, and how many workers live. */
export async function look(link: QueueLink): Promise<{ served: Served | undefined; workers: number }> {
  const answer = await link.ask(() => link.redis.eval(LOOK, 2, MODEL, WORKERS));
  const [served, workers] = answer as [string | null, number];
  return { served: served === null ? undefined : JSON.parse(served), workers };
}
