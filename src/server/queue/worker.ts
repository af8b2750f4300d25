import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type Job, UnrecoverableError, WaitingError, Worker } from "bullmq";
import type { Redis } from "ioredis";
import type { Logger } from "pino";
import { reasonOf } from "../../error.ts";
import { untilAborted } from "../../pause.ts";
import type { Segment } from "../../speech/segment.ts";
import { httpErrorOf } from "../answer.ts";
import { problemOf } from "../fields.ts";
import { HttpError } from "../httpError.ts";
import { SpoolFolder } from "../spool.ts";
import type { Transcriber } from "../transcriber.ts";
import type { Desk } from "./desk.ts";
import { failureText, type JobData, type JobProgress, type JobResult, jobSchema, KEPT, QUEUE } from "./job.ts";
import { register, unregister } from "./registry.ts";
import { MAX_SOUND, pullSound } from "./sound.ts";
import { beginTurn } from "./turns.ts";

export interface WorkerOptions {
  /** Jobs that are heard at a time. */
  readonly concurrency: number;
  /** Seconds that a stop waits for what is being heard. */
  readonly grace: number;
  /** Seconds without a sign of life after which a worker's jobs are given to others. */
  readonly stallSeconds: number;
}

/** Times that a job may be begun anew since its worker died: a sound that ends workers must not end all of them. */
const MAX_STALLED = 5;
const BACK_TO_QUEUE = new Error("the worker stops");
const LOCK_LOST = new Error("another worker has the job");

type HeardJob = Job<JobData, JobResult>;

/** Hears the jobs of a queue. */
export class QueueWorker {
  readonly #id = randomUUID();
  readonly #desk: Desk;
  readonly #transcriber: Transcriber;
  readonly #options: WorkerOptions;
  readonly #log: Logger;
  readonly #redis: Redis;
  readonly #uploads = new SpoolFolder({ maxBytes: MAX_SOUND, hash: "md5" });
  readonly #worker: Worker<JobData, JobResult>;
  /** Jobs that are heard, and how to end them. */
  readonly #lives = new Map<string, AbortController>();
  readonly #beat: NodeJS.Timeout;
  #stopping = false;

  /**
   * Takes jobs as soon as Redis is there.
   *
   * @throws SenseVoiceError if other workers of the queue serve another model
   */
  static async start(desk: Desk, transcriber: Transcriber, options: WorkerOptions, log: Logger): Promise<QueueWorker> {
    const worker = new QueueWorker(desk, transcriber, options, log);
    try {
      while (!(await desk.link.ready(60_000)));
      await worker.#register();
      worker.#worker.run().catch(desk.link.onError);
      return worker;
    } catch (error) {
      await worker.#close();
      throw error;
    }
  }

  private constructor(desk: Desk, transcriber: Transcriber, options: WorkerOptions, log: Logger) {
    this.#desk = desk;
    this.#transcriber = transcriber;
    this.#options = options;
    this.#log = log;
    this.#redis = desk.link.patient();
    const lockDuration = options.stallSeconds * 1000;
    this.#worker = new Worker(QUEUE, (job, token) => this.#process(job, token ?? ""), {
      connection: this.#redis,
      skipVersionCheck: true,
      autorun: false,
      concurrency: options.concurrency,
      lockDuration,
      stalledInterval: lockDuration / 2,
      maxStalledCount: MAX_STALLED,
      drainDelay: 1,
      runRetryDelay: 1000,
      removeOnComplete: { age: KEPT },
      removeOnFail: { age: KEPT },
    });
    this.#worker.on("error", desk.link.onError);
    this.#worker.on("completed", (job) => void this.#finished(job));
    this.#worker.on("failed", (job) => job?.finishedOn && void this.#finished(job));
    this.#worker.on("lockRenewalFailed", (ids) => {
      for (const id of ids) this.#lives.get(id)?.abort(LOCK_LOST);
    });
    const beat = () => this.#register().catch((error) => log.error(reasonOf(error)));
    this.#beat = setInterval(() => desk.link.up && !this.#stopping && void beat(), lockDuration / 3);
    process.once("exit", this.#removeUploads);
  }

  /** Takes no more; what is not done when the grace is over goes back to the queue, for another worker. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#worker.pause(true);
    const end = performance.now() + this.#options.grace * 1000;
    while (this.#lives.size > 0 && performance.now() < end) await sleep(50);
    for (const life of this.#lives.values()) life.abort(BACK_TO_QUEUE);
    await unregister(this.#desk.link, this.#id).catch(() => {}); // else it is over soon
    // Without Redis the jobs' locks expire, and another worker takes them.
    await Promise.race([this.#worker.close(), sleep(5000)]);
    await this.#close();
  }

  async #close(): Promise<void> {
    clearInterval(this.#beat);
    this.#worker.close(true).catch(() => {});
    this.#removeUploads();
    process.off("exit", this.#removeUploads);
  }

  readonly #removeUploads = () => this.#uploads.remove();

  /** Tells what is served. A worker that serves another model than the others, since Redis lost what it knew, waits. */
  async #register(): Promise<void> {
    const { model, identity } = this.#transcriber;
    try {
      await register(this.#desk.link, { model, identity }, this.#id, this.#options.stallSeconds * 1000);
    } catch (error) {
      if (this.#worker.isRunning()) await this.#worker.pause(true);
      throw error;
    }
    if (this.#worker.isPaused() && !this.#stopping) await this.#worker.resume();
  }

  async #process(job: HeardJob, token: string): Promise<JobResult> {
    const id = job.id ?? "";
    const life = new AbortController();
    this.#lives.set(id, life);
    try {
      if (this.#stopping) throw BACK_TO_QUEUE;
      return await this.#hear(job, life.signal);
    } catch (error) {
      const thrown = life.signal.aborted ? life.signal.reason : error;
      if (thrown === LOCK_LOST) throw thrown;
      if (thrown === BACK_TO_QUEUE) {
        await job.moveToWait(token);
        throw new WaitingError();
      }
      const told = httpErrorOf(thrown);
      // What the sound is to blame for is not tried again.
      if (told.status !== 500) throw new UnrecoverableError(failureText(told));
      this.#log.error({ job: id, err: told.options.cause ?? thrown }, "an error of the worker");
      throw new Error(failureText(told));
    } finally {
      this.#lives.delete(id);
    }
  }

  async #hear(job: HeardJob, signal: AbortSignal): Promise<JobResult> {
    const { sound, ask, bytes, key = "" } = dataOf(job);
    await beginTurn(this.#redis, job.priority);
    const spool = await this.#uploads.create();
    const hearing = this.#transcriber.begin(spool);
    try {
      await untilAborted(pullSound(this.#redis, sound, bytes, spool), signal);
      let seconds = 0;
      const onProgress = (done: number) => {
        seconds = done;
      };
      const heard = hearing.segments(ask, { key, signal, onProgress });
      const segments: Segment[] = [];
      for (;;) {
        const { value, done } = await heard.next();
        if (done) return { segments, total: value };
        segments.push(value);
        const progress: JobProgress = {
          seconds: Math.max(seconds, value.end),
          index: segments.length - 1,
          segment: value,
        };
        // It fails only where the job is gone, and waits for Redis.
        const told = job.updateProgress(progress).catch(() => Promise.reject(LOCK_LOST));
        await untilAborted(told, signal);
      }
    } finally {
      await hearing.close();
      await spool.remove();
    }
  }

  /**
   * Nobody needs the sounds any more, those of people's voices either. Others find out what is left undone here: the sound
   * expires, and webhooks that are due are looked for.
   */
  async #finished(job: HeardJob): Promise<void> {
    const { sound, webhook, ask } = jobSchema.safeParse(job.data).data ?? {};
    try {
      if (ask?.people) await job.updateData({ ...job.data, ask: { ...ask, people: undefined } });
      if (sound) await this.#desk.link.ask(() => this.#desk.link.redis.del(sound));
      if (webhook !== undefined && job.id) await this.#desk.announce(job.id);
    } catch {
      // Redis is away
    }
  }
}

function dataOf(job: HeardJob): JobData {
  const { data, error } = jobSchema.safeParse(job.data);
  if (data) return data;
  const { path, problem } = problemOf(error, job.data);
  throw new HttpError(400, `job: ${path}: ${problem}`, { code: "invalid_value" });
}
