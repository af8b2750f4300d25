import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { QueueEvents } from "bullmq";
import { untilAborted } from "../../pause.ts";
import type { Segment } from "../../speech/segment.ts";
import { HttpError } from "../httpError.ts";
import type { Ask } from "../schemas.ts";
import type { Spool } from "../spool.ts";
import type { Context, Hearing, Segments, Transcriber } from "../transcriber.ts";
import { type Desk, type Outcome, outcomeOf } from "./desk.ts";
import { type JobData, type JobProgress, QUEUE, SOUND_LOST } from "./job.ts";
import { look, type Served } from "./registry.ts";
import { SoundPush } from "./sound.ts";

/** How often jobs are looked at, whatever events tell. */
const LOOK_MS = 2000;
/** Times that a job is added again since Redis has lost it or its sound. */
const MAX_LOST = 20;

/** A job that somebody here waits for. */
class Awaited {
  id = "";
  /** Redis has it, or has lost it. */
  added = false;
  outcome: Outcome | undefined;
  /** Redis has it no more. */
  lost = false;
  readonly #segments = new Map<number, Segment>();
  #wake = () => {};

  heard({ index, segment }: JobProgress): void {
    this.#segments.set(index, segment);
    this.#wake();
  }

  take(index: number): Segment | undefined {
    const segment = this.#segments.get(index);
    this.#segments.delete(index);
    return segment;
  }

  end(outcome: Outcome): void {
    const gone = "failure" in outcome && outcome.failure.options.code === SOUND_LOST;
    if (gone) this.lost = true;
    else this.outcome = outcome;
    this.#wake();
  }

  lose(): void {
    this.lost = true;
    this.#wake();
  }

  changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** A queue in front of workers. */
export interface QueueService {
  readonly transcriber: QueueTranscriber;
  readonly desk: Desk;
  stop(): Promise<void>;
}

/** Workers behind a queue hear. */
export class QueueTranscriber implements Transcriber {
  readonly #desk: Desk;
  readonly #events: QueueEvents;
  readonly #awaited = new Map<string, Awaited>();
  readonly #timer: NodeJS.Timeout;
  #served: Served | undefined;
  #workers = 0;

  /** Looks whether Redis is there, but does not wait for it. */
  static async open(desk: Desk): Promise<QueueTranscriber> {
    const transcriber = new QueueTranscriber(desk);
    if (await desk.link.ready(1000)) await transcriber.#look();
    desk.link.redis.on("ready", () => void transcriber.#look());
    return transcriber;
  }

  private constructor(desk: Desk) {
    this.#desk = desk;
    this.#events = new QueueEvents(QUEUE, { connection: desk.link.patient(), skipVersionCheck: true });
    this.#events.on("error", desk.link.onError);
    this.#events.on("progress", ({ jobId, data }) => this.#awaited.get(jobId)?.heard(data as JobProgress));
    this.#events.on("completed", ({ jobId, returnvalue }) => {
      this.#awaited.get(jobId)?.end({ result: returnvalue as never });
    });
    this.#events.on("failed", ({ jobId, failedReason }) => {
      this.#awaited.get(jobId)?.end(outcomeOf(undefined, failedReason));
    });
    this.#timer = setInterval(() => void this.#look(), LOOK_MS);
  }

  /** See Transcriber.model. HttpError 503 as long as no worker was ever there. */
  get model(): string {
    return this.#known.model;
  }

  get identity(): string {
    return this.#known.identity;
  }

  get problem(): string | undefined {
    if (!this.#desk.link.up) return "the queue cannot be reached";
    return this.#workers === 0 ? "no worker serves the queue" : undefined;
  }

  /** See Transcriber.begin. @throws HttpError 503 if Redis is away, or no worker was ever there */
  begin(spool: Spool): QueueHearing {
    if (!this.#desk.link.up) throw unavailable("the queue cannot be reached");
    void this.#known;
    const push = new SoundPush(this.#desk.link, spool);
    return new QueueHearing(this.#desk, push, (ask, context) => this.#segments(spool, push, ask, context));
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#events.close().catch(() => {});
  }

  get #known(): Served {
    if (this.#served) return this.#served;
    throw unavailable("no worker has served the queue yet");
  }

  async *#segments(spool: Spool, first: SoundPush, ask: Ask, context: Context): Segments {
    const { key, signal, onProgress } = context;
    const job = new Awaited();
    let push = first;
    const add = async () => {
      const data = { sound: push.key, ask, bytes: await push.done, key };
      job.id = randomUUID();
      job.lost = job.added = false;
      this.#awaited.set(job.id, job); // before it is added, so that no event is missed
      await this.#desk.add(data, job.id);
      job.added = true;
    };
    const withdraw = async () => {
      this.#awaited.delete(job.id);
      // An active job ends by itself: its worker cannot be told.
      await this.#desk.remove(job.id, { sound: push.key, ask, key }).catch(() => {});
      if (push !== first) await push.remove();
    };
    const again = async () => {
      await withdraw();
      push = new SoundPush(this.#desk.link, spool);
      await add();
    };
    try {
      await untilAborted(add().catch(again), signal);
      for (let next = 0, losses = 0; ; ) {
        const segment = job.take(next);
        if (segment) {
          next++;
          yield segment;
        } else if (job.outcome) {
          if ("failure" in job.outcome) throw job.outcome.failure;
          const { segments, total } = job.outcome.result;
          yield* segments.slice(next);
          onProgress?.(total.duration);
          return total;
        } else if (job.lost) {
          if (losses++ === MAX_LOST) throw unavailable("the queue loses the sound again and again");
          try {
            await again();
          } catch {
            job.lost = true;
            losses--; // Redis is away
            await sleep(LOOK_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
          }
        } else await untilAborted(job.changed(), signal);
      }
    } finally {
      this.#awaited.delete(job.id);
      if (!job.outcome && job.id !== "") await withdraw();
      else if (push !== first) await push.remove();
    }
  }

  /** What events did not tell: they may be lost. Jobs that are not there any more are added again. */
  async #look(): Promise<void> {
    try {
      if (!this.#desk.link.up) return;
      const ids = [...this.#awaited.values()].filter((job) => job.added && !job.lost).map((job) => job.id);
      const { served, workers } = await look(this.#desk.link);
      this.#served = served ?? this.#served;
      this.#workers = workers;
      const outcomes = ids.length === 0 ? [] : await this.#desk.outcomes(ids);
      for (const [i, outcome] of outcomes.entries()) {
        const awaited = this.#awaited.get(ids[i]);
        if (outcome) awaited?.end(outcome);
        else if (outcome === undefined) awaited?.lose();
      }
    } catch {
      // Redis is away; there will be another look
    }
  }
}

/** A sound on its way to workers. */
export class QueueHearing implements Hearing {
  readonly segments: (ask: Ask, context: Context) => Segments;
  readonly #desk: Desk;
  readonly #push: SoundPush;
  #given = false;

  constructor(desk: Desk, push: SoundPush, segments: (ask: Ask, context: Context) => Segments) {
    this.#desk = desk;
    this.#push = push;
    this.segments = segments;
  }

  /** Makes it a job that nobody here waits for. Returns its id. */
  async post(about: Omit<JobData, "sound" | "bytes">): Promise<string> {
    const data = { ...about, sound: this.#push.key, bytes: await this.#push.done };
    const id = await this.#desk.add(data);
    this.#given = true;
    return id;
  }

  async close(): Promise<void> {
    if (!this.#given) await this.#push.remove();
  }
}

function unavailable(message: string): HttpError {
  return new HttpError(503, `${message}; try again later`, { code: "queue_unavailable", retryAfter: 5 });
}
