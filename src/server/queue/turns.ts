import type { Redis } from "ioredis";
import { KEPT, TURN, TURNS } from "./job.ts";
import type { QueueLink } from "./link.ts";

// Turns of clients' keys, by start-time fair queueing (Goyal, Vin and Cheng 1996) with jobs of equal cost: a job's turn is
// one after that of its key's job before, but not before the turn that is being served. So each key is served in its
// own order, and one that has many jobs lets each other key have every second turn. A queue that is empty begins at 0.

/** BullMQ takes no more as a priority; a queue that was not empty for so many turns goes on in order of arrival. */
const MAX_TURN = 2 ** 21 - 1;

const TAKE = `
if redis.call("LLEN", KEYS[3]) == 0 and redis.call("ZCARD", KEYS[4]) == 0 then redis.call("DEL", KEYS[1], KEYS[2]) end
local turn = tonumber(redis.call("GET", KEYS[1]) or 0)
local last = tonumber(redis.call("HGET", KEYS[2], ARGV[1]) or -1)
local mine = math.min(math.max(turn, last + 1), tonumber(ARGV[2]))
redis.call("HSET", KEYS[2], ARGV[1], mine)
redis.call("EXPIRE", KEYS[2], ARGV[3])
return mine`;

const BEGIN = `
if tonumber(redis.call("GET", KEYS[1]) or 0) < tonumber(ARGV[1]) then redis.call("SET", KEYS[1], ARGV[1], "EX", ARGV[2]) end`;

/** The priority of a key's next job. `queues` are BullMQ's list and sorted set of what waits. */
export async function takeTurn(link: QueueLink, key: string, queues: readonly [string, string]): Promise<number> {
  const turn = await link.ask(() => link.redis.eval(TAKE, 4, TURN, TURNS, ...queues, key, MAX_TURN, KEPT));
  return Number(turn);
}

/** Tells that a job of this priority is begun. */
export async function beginTurn(redis: Redis, priority: number): Promise<void> {
  if (priority > 0) await redis.eval(BEGIN, 1, TURN, priority, KEPT);
}
