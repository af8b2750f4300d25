import { randomUUID } from "node:crypto";
import { open } from "node:fs/promises";
import type { Redis } from "ioredis";
import { HttpError } from "../httpError.ts";
import type { Spool } from "../spool.ts";
import { KEPT, SOUND, SOUND_LOST } from "./job.ts";
import type { QueueLink } from "./link.ts";

/** Bytes that are sent at a time. */
const PIECE = 2 ** 20;
/** The longest string that Redis takes. */
export const MAX_SOUND = 2 ** 29;

/** A sound on its way into Redis, in pieces while it comes in. */
export class SoundPush {
  readonly key = SOUND + randomUUID();
  /** Its length, once all of it is there. HttpError 503 if Redis goes. */
  readonly done: Promise<number>;
  readonly #link: QueueLink;
  readonly #spool: Spool;
  #closed = false;
  #wake = () => {};

  constructor(link: QueueLink, spool: Spool) {
    this.#link = link;
    this.#spool = spool;
    spool.onGrowth(() => this.#wake());
    this.done = this.#push();
    this.done.catch(() => {}); // told to whoever waits for it
  }

  /** Removes what was sent. */
  async remove(): Promise<void> {
    this.#closed = true;
    this.#wake();
    await this.done.catch(() => {});
    await this.#link.ask(() => this.#link.redis.del(this.key)).catch(() => {}); // else it expires
  }

  async #push(): Promise<number> {
    const file = await open(this.#spool.path);
    const piece = Buffer.alloc(PIECE);
    try {
      for (let at = 0; ; ) {
        if (this.#closed) throw new Error("nobody wants it any more");
        const { size, ended } = this.#spool.growth;
        if (ended && at >= size) return at;
        if (!ended && size - at < PIECE) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
          continue;
        }
        const { bytesRead } = await file.read(piece, 0, Math.min(PIECE, size - at), at);
        at += bytesRead;
        const [length] = await this.#link.pipeline((pipeline) =>
          pipeline.append(this.key, piece.subarray(0, bytesRead)).expire(this.key, KEPT),
        );
        // Redis was started again without what it had.
        if (length !== at) throw lost();
      }
    } finally {
      await file.close();
    }
  }
}

/**
 * Fetches a sound from Redis in pieces.
 *
 * @param expected its length, if it is known
 * @throws HttpError 503 if it is not there, or not all of it; 413 if it is too large
 */
export async function pullSound(redis: Redis, key: string, expected: number | undefined, spool: Spool): Promise<void> {
  const length = await redis.strlen(key);
  if (length === 0 ? expected !== 0 : expected !== undefined && length !== expected) throw lost();
  for (let at = 0; at < length; ) {
    const piece = await redis.getrangeBuffer(key, at, at + PIECE - 1);
    if (piece.length === 0) throw lost();
    await spool.write(piece);
    at += piece.length;
  }
  spool.end();
}

function lost(): HttpError {
  return new HttpError(503, "the queue has lost the sound; send it again", { code: SOUND_LOST, retryAfter: 1 });
}
