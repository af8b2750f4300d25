import { randomUUID } from "node:crypto";
import { Queue } from "bullmq";
import type { HttpError } from "../httpError.ts";
import { DUE, failureOf, HOOKS, type JobData, type JobProgress, type JobResult, KEPT, QUEUE } from "./job.ts";
import type { QueueLink } from "./link.ts";
import { takeTurn } from "./turns.ts";

/** What is known of a job. */
export interface StoredJob {
  readonly id: string;
  readonly data: JobData;
  /** Milliseconds since 1970. */
  readonly created: number;
  readonly progress: JobProgress | undefined;
  readonly outcome: Outcome | undefined;
}

export type Outcome = { readonly result: JobResult } | { readonly failure: HttpError };

const FIELDS = ["data", "timestamp", "progress", "finishedOn", "returnvalue", "failedReason"] as const;
const OUTCOME = ["timestamp", "finishedOn", "returnvalue", "failedReason"] as const;
const kept = { removeOnComplete: { age: KEPT }, removeOnFail: { age: KEPT } };

/** Jobs in Redis: they are added, looked at and removed. Each call is an HttpError 503 while Redis is away. */
export class Desk {
  readonly link: QueueLink;
  readonly #queue: Queue<JobData>;
  readonly #hooks: Queue;

  constructor(link: QueueLink) {
    this.link = link;
    const options = { connection: link.redis, skipVersionCheck: true };
    this.#queue = new Queue(QUEUE, options);
    this.#hooks = new Queue(HOOKS, options);
    for (const queue of [this.#queue, this.#hooks]) queue.on("error", link.onError);
  }

  /**
   * Adds a job; jobs of several keys are served in rotation.
   *
   * @returns its id
   */
  async add(data: JobData, id: string = randomUUID()): Promise<string> {
    const priority = await takeTurn(this.link, data.key ?? "", [
      this.#queue.toKey("wait"),
      this.#queue.toKey("prioritized"),
    ]);
    if (data.webhook !== undefined) await this.link.ask(() => this.link.redis.zadd(DUE, Date.now(), id));
    await this.link.ask(() => this.#queue.add(QUEUE, data, { jobId: id, priority, attempts: 3, ...kept }));
    return id;
  }

  /** Jobs as they are; undefined for those that are not there. */
  async read(ids: readonly string[]): Promise<(StoredJob | undefined)[]> {
    const answers = await this.link.pipeline((pipeline) => {
      for (const id of ids) pipeline.hmget(this.#queue.toKey(id), ...FIELDS);
      return pipeline;
    });
    return answers.map((answer, i) => storedJob(ids[i], answer as (string | null)[]));
  }

  /** What became of jobs, null while nothing has; undefined for those that are not there. Their data may be large. */
  async outcomes(ids: readonly string[]): Promise<(Outcome | null | undefined)[]> {
    const answers = await this.link.pipeline((pipeline) => {
      for (const id of ids) pipeline.hmget(this.#queue.toKey(id), ...OUTCOME);
      return pipeline;
    });
    return answers.map((answer) => {
      const [timestamp, finishedOn, result, reason] = answer as (string | null)[];
      if (timestamp === null) return undefined;
      return finishedOn === null ? null : outcomeOf(result, reason);
    });
  }

  /** Whether a job is heard now. */
  async isActive(id: string): Promise<boolean> {
    return (await this.link.ask(() => this.#queue.getJobState(id))) === "active";
  }

  /** Removes a job with its sound; false if it is heard at the moment, which cannot be stopped. */
  async remove(id: string, data: JobData): Promise<boolean> {
    const removed = await this.link.ask(() => this.#queue.remove(id));
    if (removed === 0) return false;
    await this.link.pipeline((pipeline) => pipeline.del(data.sound).zrem(DUE, id));
    return true;
  }

  /** How many jobs wait. */
  async waiting(): Promise<number> {
    const {
      wait = 0,
      prioritized = 0,
      delayed = 0,
    } = await this.link.ask(() => this.#queue.getJobCounts("wait", "prioritized", "delayed"));
    return wait + prioritized + delayed;
  }

  /** Puts the webhook of a job that is done into its queue, once for each job. */
  async announce(id: string): Promise<void> {
    const backoff = { type: "custom" };
    await this.link.ask(() => this.#hooks.add(HOOKS, {}, { jobId: id, attempts: 8, backoff, ...kept }));
    await this.link.ask(() => this.link.redis.zrem(DUE, id));
  }
}

function storedJob(id: string, values: readonly (string | null)[]): StoredJob | undefined {
  const [data, timestamp, progress, finishedOn, result, reason] = values;
  if (data === null || timestamp === null) return undefined;
  const done = progress === null ? undefined : JSON.parse(progress);
  return {
    id,
    data: JSON.parse(data),
    created: Number(timestamp),
    progress: typeof done === "object" ? done : undefined,
    outcome: finishedOn === null ? undefined : outcomeOf(result, reason),
  };
}

/** Of a job that is done. A result counts, even if an attempt before it failed. */
export function outcomeOf(result: string | null | undefined, reason: string | null | undefined): Outcome {
  return result ? { result: JSON.parse(result) } : { failure: failureOf(reason ?? "") };
}
