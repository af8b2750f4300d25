import { createHash } from "node:crypto";
import type { Segment } from "../speech/segment.ts";
import type { ResultCache } from "./cache.ts";
import type { Ask } from "./schemas.ts";
import type { Spool } from "./spool.ts";
import type { Context, Hearing, Segments, Total, Transcriber } from "./transcriber.ts";

/** Hears what was not heard before, and remembers it. */
export class Results {
  readonly #cache: ResultCache;
  readonly #transcriber: Transcriber;

  constructor(cache: ResultCache, transcriber: Transcriber) {
    this.#cache = cache;
    this.#transcriber = transcriber;
  }

  /** @returns the segments, and whether they were known: the sound has ended */
  async hear(
    sound: Spool,
    hearing: Hearing,
    ask: Ask,
    context: Context,
  ): Promise<{ known: boolean; segments: Segments }> {
    const key = this.#keyOf(sound, ask);
    const text = await this.#cache.get(key);
    if (text !== undefined) return { known: true, segments: replay(JSON.parse(text)) };
    return { known: false, segments: this.#remember(key, hearing.segments(ask, context)) };
  }

  async *#remember(key: string, heard: Segments): Segments {
    const segments: Segment[] = [];
    const total = yield* tee(heard, segments);
    await this.#cache.set(key, JSON.stringify({ segments, total }));
    return total;
  }

  /** The content, what was asked in any order, and the model. */
  #keyOf(sound: Spool, ask: Ask): string {
    const asked = Object.entries(ask).filter(([, value]) => value !== undefined);
    const rest = JSON.stringify([asked.sort(([a], [b]) => (a < b ? -1 : 1)), this.#transcriber.identity]);
    return sound.digest + createHash("md5").update(rest).digest("hex");
  }
}

/** Also puts the segments into a list. */
async function* tee(heard: Segments, list: Segment[]): Segments {
  try {
    for (;;) {
      const { value, done } = await heard.next();
      if (done) return value;
      list.push(value);
      yield value;
    }
  } finally {
    await heard.return({ duration: 0 });
  }
}

async function* replay({ segments, total }: { segments: Segment[]; total: Total }): Segments {
  yield* segments;
  return total;
}
