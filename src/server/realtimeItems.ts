import { randomUUID } from "node:crypto";
import { commonLength, type LiveResult } from "../speech/live.ts";
import type { Segment } from "../speech/segment.ts";
import type { HttpError } from "./httpError.ts";
import { logprobsOf, textOf } from "./openai.ts";

type Send = (event: { type: string; [name: string]: unknown }) => Promise<void>;

/** A stretch of sound that becomes one transcript. */
export interface Item {
  readonly id: string;
  /** The deltas so far, joined. */
  sent: string;
  /** What was the same in the last two results. */
  same: string;
}

/** The last word of a text, or its last character where words have no spaces between them, and what follows. */
const LAST_WORD =
  /(?:[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}]|(?:(?![\p{scx=Han}\p{scx=Hira}\p{scx=Kana}])[\p{L}\p{M}\p{N}'’-])+)?[^\p{L}\p{M}\p{N}]*$/u;

/** Not OpenAI's: who speaks, and which labels of transcripts so far have become others. */
function speakerOf([segment]: readonly (Segment & Pick<LiveResult, "renamed">)[]): object {
  const { speaker, renamed } = segment ?? {};
  return { ...(speaker !== undefined && { speaker }), ...(renamed && { renamed }) };
}

/** Tells of items and their transcripts, as OpenAI's Realtime API does. */
export class Items {
  readonly #send: Send;
  #previous: string | null = null;
  /** Whether the client speaks the older form of the API. */
  older = false;
  /** Items that were committed. */
  count = 0;

  constructor(send: Send) {
    this.#send = send;
  }

  create(): Item {
    return { id: `item_${randomUUID()}`, sent: "", same: "" };
  }

  async commit({ id }: Item): Promise<void> {
    const previous_item_id = this.#previous;
    const content = [{ type: "input_audio", transcript: null }];
    const item = { id, object: "realtime.item", type: "message", status: "completed", role: "user", content };
    await this.#send({ type: "input_audio_buffer.committed", item_id: id, previous_item_id });
    await this.#send({ type: "conversation.item.added", item, previous_item_id });
    if (this.older) await this.#send({ type: "conversation.item.created", item, previous_item_id });
    this.#previous = id;
    this.count++;
  }

  /**
   * Tells more of a text that may still change: what was the same in three results, but for the last word. What was told
   * is never taken back: where the text has become another, nothing more is told until the end.
   */
  async partial(item: Item, text: string, stable: number): Promise<void> {
    const same = text.slice(0, stable);
    const settled = same.slice(0, commonLength(item.same, same));
    item.same = same;
    await this.#delta(item, settled.replace(LAST_WORD, ""));
  }

  /** Tells more of a text that will not change any more. */
  heard(item: Item, segments: readonly Segment[]): Promise<void> {
    return this.#delta(item, textOf(segments));
  }

  /** Tells the text at last. */
  async complete(item: Item, segments: readonly Segment[], seconds: number, logprobs: boolean): Promise<void> {
    const transcript = textOf(segments);
    await this.#delta(item, transcript);
    const usage = { type: "duration", seconds: Math.round(seconds * 1000) / 1000 };
    await this.#transcription("completed", item, {
      transcript,
      ...(logprobs ? { logprobs: logprobsOf(segments) } : {}),
      ...speakerOf(segments),
      usage,
    });
  }

  async fail(item: Item, { body }: HttpError): Promise<void> {
    await this.#transcription("failed", item, { error: body.error });
  }

  async #delta(item: Item, text: string): Promise<void> {
    if (text.length <= item.sent.length || !text.startsWith(item.sent)) return;
    const delta = text.slice(item.sent.length);
    item.sent = text;
    await this.#transcription("delta", item, { delta });
  }

  async #transcription(name: string, { id }: Item, about: object): Promise<void> {
    await this.#send({
      type: `conversation.item.input_audio_transcription.${name}`,
      item_id: id,
      content_index: 0,
      ...about,
    });
  }
}
