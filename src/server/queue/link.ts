import { Redis, ReplyError } from "ioredis";
import type { Logger } from "pino";
import { reasonOf, SenseVoiceError } from "../../error.ts";
import { untilAborted } from "../../pause.ts";
import { HttpError } from "../httpError.ts";

/** A Redis that takes longer counts as gone. */
const TIMEOUT_MS = 1500;
const retryStrategy = (times: number) => Math.min(100 * times, 1000);

type Pipeline = ReturnType<Redis["pipeline"]>;

/** The connections of this process to a queue's Redis. Its loss is logged once, and its return. */
export class QueueLink {
  /** `redis://HOST`, without what is secret in the address. */
  readonly name: string;
  /** Fails at once while there is no connection. */
  readonly redis: Redis;
  readonly #address: string;
  readonly #log: Logger;
  readonly #others: Redis[] = [];
  #up = false;
  #told = false;
  #closing = false;

  /** @throws SenseVoiceError if the address is none of a Redis */
  constructor(address: string, log: Logger) {
    const url = URL.canParse(address) ? new URL(address) : undefined;
    // The message does not repeat the address: there may be a password in it.
    if (!url?.hostname || !/^rediss?:$/.test(url.protocol)) {
      throw new SenseVoiceError("--queue: expected redis://HOST:PORT, got something else");
    }
    this.name = `${url.protocol}//${url.host}`;
    this.#address = address;
    this.#log = log;
    this.redis = new Redis(address, {
      commandTimeout: TIMEOUT_MS,
      connectTimeout: TIMEOUT_MS,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      retryStrategy,
    });
    this.redis.on("error", (error) => this.#lost(reasonOf(error)));
    this.redis.on("close", () => this.#lost("the connection was closed"));
    this.redis.on("ready", () => this.#found());
  }

  get up(): boolean {
    return this.#up;
  }

  /** Another connection, for what can wait until Redis is there. BullMQ wants it so. */
  patient(): Redis {
    const redis = new Redis(this.#address, { maxRetriesPerRequest: null, retryStrategy });
    redis.on("error", () => {}); // told of the other connection
    this.#others.push(redis);
    return redis;
  }

  /** What BullMQ tells as errors: a lost connection is known already. */
  readonly onError = (error: unknown): void => {
    const reason = reasonOf(error);
    if (!this.#up || this.#closing || /Connection is closed|ECONN|EPIPE|ETIMEDOUT|LOADING/.test(reason)) return;
    this.#log.warn({ reason }, "queue");
  };

  /** Resolves once there is a connection, or with false when the time is over. */
  ready(ms: number): Promise<boolean> {
    if (this.#up) return Promise.resolve(true);
    return new Promise((resolve) => {
      const timer = setTimeout(() => done(false), ms);
      const found = () => done(true);
      const done = (up: boolean) => {
        clearTimeout(timer);
        this.redis.off("ready", found);
        resolve(up);
      };
      this.redis.once("ready", found);
    });
  }

  /**
   * What Redis answers.
   *
   * @throws HttpError 503 if it does not, or refuses
   */
  async ask<T>(run: () => Promise<T>): Promise<T> {
    try {
      if (!this.#up) throw new Error("there is no connection");
      // Also for what waits elsewhere than in a command.
      return await untilAborted(run(), AbortSignal.timeout(2 * TIMEOUT_MS));
    } catch (error) {
      if (error instanceof HttpError) throw error;
      if (!(error instanceof ReplyError)) {
        this.#lost(reasonOf(error));
        if (this.redis.status === "ready") this.redis.disconnect(true);
      } else if (!/^LOADING/.test(reasonOf(error))) this.#log.warn({ reason: reasonOf(error) }, "queue");
      throw unreachable(error);
    }
  }

  /** The answers to several commands that are sent together. */
  pipeline(fill: (pipeline: Pipeline) => Pipeline): Promise<unknown[]> {
    return this.ask(async () => {
      const answers = (await fill(this.redis.pipeline()).exec()) ?? [];
      return answers.map(([error, value]) => {
        if (error) throw error;
        return value;
      });
    });
  }

  async close(): Promise<void> {
    this.#closing = true;
    for (const redis of [this.redis, ...this.#others]) redis.disconnect();
  }

  #lost(reason: string): void {
    if (this.#closing) return;
    this.#up = false;
    if (!this.#told) this.#log.warn(`queue ${this.name}: gone (${reason}); waiting for it`);
    this.#told = true;
  }

  #found(): void {
    this.#up = true;
    if (this.#told) this.#log.warn(`queue ${this.name}: back`);
    this.#told = false;
  }
}

function unreachable(cause: unknown): HttpError {
  return new HttpError(503, "the queue cannot be reached; try again later", {
    code: "queue_unreachable",
    retryAfter: 5,
    cause,
  });
}
