import { isTypedArray, typeName } from "../audio/pcm.ts";
import type { SoundInput } from "../audio/pieces.ts";
import { piecesOf, type SoundSource } from "../audio/pieces.ts";
import { SenseVoiceError } from "../error.ts";
import { type Channel, type LentIterator, Transferred } from "./channel.ts";

/** A sound as it is sent to a Worker: what can be cloned, or the numbers of an iterator. */
export type SentSound = { readonly whole: SoundInput } | { readonly pieces: LentIterator };

/**
 * An address becomes absolute, a Blob is passed as it is, bytes and samples are copied and the copy is handed over,
 * pieces are sent as they are asked for.
 */
export function sendSound(channel: Channel, source: SoundInput): { sound: SentSound; buffers: Transferable[] } {
  if (typeof source === "string" || source instanceof URL) {
    return { sound: { whole: absoluteAddress(source) }, buffers: [] };
  }
  const type = typeName(source);
  if (type === "Blob" || type === "File") return { sound: { whole: source }, buffers: [] };
  if (type === "ArrayBuffer") {
    const copy = (source as ArrayBuffer).slice(0);
    return { sound: { whole: copy }, buffers: [copy] };
  }
  if (isTypedArray(source, "Uint8Array") || isTypedArray(source, "Float32Array")) {
    const copy = (source as Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer>).slice();
    return { sound: { whole: copy }, buffers: [copy.buffer] };
  }
  const pieces = piecesOf(source as SoundSource, "audio");
  return { sound: { pieces: channel.lendIterator(ownPieces(pieces)) }, buffers: [] };
}

/** What a Worker was sent. */
export function receiveSound(channel: Channel, sound: SentSound): SoundInput {
  return "whole" in sound ? sound.whole : channel.iterate<Uint8Array>(sound.pieces);
}

/** An address may be relative to the page. */
export function absoluteAddress(address: string | URL, base: string | undefined = globalThis.location?.href): string {
  const url = URL.parse ? URL.parse(address, base) : new URL(address, base);
  if (url) return url.href;
  throw new SenseVoiceError(`[engine] address: expected one that is whole or relative to the page, got ${address}`);
}

/** Each piece copied, the copy handed over: an array may be a view of a buffer that is in use. */
function ownPieces(pieces: AsyncGenerator<unknown>): AsyncIterator<unknown> {
  return {
    async next() {
      const step = await pieces.next();
      if (step.done || !(isTypedArray(step.value, "Float32Array") || isTypedArray(step.value, "Uint8Array"))) {
        return step;
      }
      const copy = (step.value as Uint8Array<ArrayBuffer>).slice();
      return new Transferred({ done: false, value: copy }, [copy.buffer]) as unknown as IteratorResult<unknown>;
    },
    return: () => pieces.return(undefined),
  };
}
