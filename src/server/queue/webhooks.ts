import { createHmac } from "node:crypto";
import { UnrecoverableError, Worker } from "bullmq";
import type { Logger } from "pino";
import { reasonOf, SenseVoiceError } from "../../error.ts";
import { checkUrl, get } from "../fetchSound.ts";
import type { Desk } from "./desk.ts";
import { DUE, HOOKS, KEPT } from "./job.ts";
import { viewOf } from "./view.ts";

const TIMEOUT_MS = 10_000;
const SWEEP_MS = 5000;
/** A job is entered before it is added. */
const ADDED_WITHIN_MS = 60_000;
const CONCURRENCY = 8;

export interface WebhookOptions {
  /** The only hosts that are told. */
  readonly hosts: readonly string[];
  /** `whsec_` and the base64 of 24 to 64 bytes. */
  readonly secret: string | undefined;
  readonly stallSeconds: number;
}

/**
 * Tells others of jobs that are done, signed as Standard Webhooks have it. Each job's message is in a queue of its own: it
 * is sent by one of the processes that may, again and again with longer pauses (1 s, 4 s, 16 s, …, 68 min) until it is
 * answered with 2xx, eight times at most.
 *
 * @throws SenseVoiceError if there is no secret, or it is none
 */
export class Webhooks {
  readonly #desk: Desk;
  readonly #hosts: readonly string[];
  readonly #key: Buffer;
  readonly #worker: Worker;
  readonly #timer: NodeJS.Timeout;

  constructor(desk: Desk, { hosts, secret, stallSeconds }: WebhookOptions, log: Logger) {
    this.#desk = desk;
    this.#hosts = hosts;
    this.#key = keyOf(secret);
    this.#worker = new Worker(HOOKS, (job) => this.#send(job.id ?? ""), {
      connection: desk.link.patient(),
      skipVersionCheck: true,
      concurrency: CONCURRENCY,
      lockDuration: Math.max(1000 * stallSeconds, 2 * TIMEOUT_MS),
      stalledInterval: 1000 * stallSeconds,
      maxStalledCount: 8,
      drainDelay: 1,
      runRetryDelay: 1000,
      settings: { backoffStrategy: (attempts = 1) => 1000 * 4 ** (attempts - 1) },
      removeOnComplete: { age: KEPT },
      removeOnFail: { age: KEPT },
    });
    this.#worker.on("error", desk.link.onError);
    this.#worker.on("failed", (job, error) => {
      if (job?.finishedOn) log.warn({ job: job.id, reason: reasonOf(error) }, "a webhook was given up");
    });
    this.#timer = setInterval(() => void this.#sweep(), SWEEP_MS);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.race([this.#worker.close(), new Promise((resolve) => setTimeout(resolve, TIMEOUT_MS))]);
  }

  async #send(id: string): Promise<void> {
    const [job] = await this.#desk.read([id]);
    if (!job?.data.webhook) return; // it was deleted
    const view = viewOf(job, false);
    const timestamp = new Date().toISOString();
    const body = JSON.stringify({ type: `job.${view.state}`, timestamp, data: view });
    const headers = { "content-type": "application/json", ...sign(this.#key, id, body) };
    let url: URL;
    try {
      url = checkUrl(job.data.webhook, this.#hosts);
    } catch {
      throw new UnrecoverableError("the host is not one that is told");
    }
    const options = {
      hosts: this.#hosts,
      maxBytes: 0,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      post: { headers, body },
    };
    const response = await get(url, options);
    response.destroy();
    const { statusCode = 0 } = response;
    if (statusCode < 200 || statusCode > 299) throw new Error(`${url.host} answered with HTTP ${statusCode}`);
  }

  /** Messages that a worker could not put into the queue, since it or Redis ended. */
  async #sweep(): Promise<void> {
    if (!this.#desk.link.up) return;
    try {
      const { link } = this.#desk;
      const entries = await link.ask(() => link.redis.zrange(DUE, "0", "-1", "WITHSCORES"));
      const ids = entries.filter((_, i) => i % 2 === 0);
      if (ids.length === 0) return;
      for (const [i, job] of (await this.#desk.read(ids)).entries()) {
        if (job?.outcome) await this.#desk.announce(ids[i]);
        else if (!job && Number(entries[2 * i + 1]) < Date.now() - ADDED_WITHIN_MS) {
          await link.ask(() => link.redis.zrem(DUE, ids[i]));
        }
      }
    } catch {
      // Redis is away; there will be another sweep
    }
  }
}

/** The headers of a message. Source: standardwebhooks.com, "Webhook metadata" and "Verifying webhook authenticity". */
function sign(key: Buffer, id: string, body: string): Record<string, string> {
  const timestamp = String(Math.floor(Date.now() / 1000));
  const signature = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64");
  return { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": `v1,${signature}` };
}

/** The message does not show what was given: it is a secret, if a wrong one. */
function keyOf(secret: string | undefined): Buffer {
  const [, base64] = /^whsec_([A-Za-z0-9+/]+=*)$/.exec(secret ?? "") ?? [];
  const key = Buffer.from(base64 ?? "", "base64");
  if (key.length >= 24 && key.length <= 64) return key;
  const got = secret === undefined ? "none" : "something else";
  throw new SenseVoiceError(`--webhook-secret: expected whsec_ and the base64 of 24 to 64 bytes, got ${got}`);
}
