import { SenseVoiceError } from "../error.ts";
import { createPause } from "../pause.ts";
import { isTypedArray, typeName } from "./pcm.ts";

/** What a parser yields when it needs more bytes than are held; told apart by identity. */
export const MORE: Uint8Array = new Uint8Array(0);

/** Bytes that are held at most: far more than a header, a tag, a page or a frame should take. */
export const MAX_HELD = 2 ** 26;

/** Bytes that are kept at most so that another reader can begin anew. */
const MAX_KEPT = 2 ** 24;

/** A file as it comes; `size` is its length where that is known before. */
export type ByteStream = AsyncIterable<Uint8Array> & { readonly size?: number };

/** Bytes that are taken in at a time. */
const SLICE = 2 ** 16;

/**
 * The bytes of a file as they come. Those from a parser's place on are held, the others let go; as long as nothing is
 * settled, all are held, so that another reader can begin anew. Bytes in memory have ended before they begin.
 *
 * Parsers are synchronous: they yield MORE, and whoever runs them awaits `fill`.
 */
export class Input {
  /** The parser's place in the file. It may be set beyond what is held. */
  at = 0;
  /** Bytes that have come in. */
  length = 0;
  /** Length of the file, Infinity as long as it is not known. */
  size = Number.POSITIVE_INFINITY;
  ended = false;
  /** Whether the source has been asked for bytes and has not answered, or has thrown. */
  pending = false;
  /** Is shown all bytes from now on, then undefined at the end of the file. */
  watch?: (bytes: Uint8Array | undefined) => void;
  readonly #name: string;
  readonly #source?: AsyncIterator<Uint8Array>;
  readonly #pause = createPause();
  #chunk = MORE;
  /** Bytes from #base on. None is ever overwritten: what was made of them stays good. */
  #buffer = MORE;
  #base = 0;
  #settled = false;

  constructor(source?: Uint8Array | ByteStream, name = "audio") {
    this.#name = name;
    if (isTypedArray(source, "Uint8Array")) {
      const { buffer, byteOffset, length } = source as Uint8Array;
      this.#buffer = new Uint8Array(buffer, byteOffset, length); // of this realm, as decoders want it
      this.length = length;
      this.end();
    } else if (source) {
      const stream = source as ByteStream;
      if (!stream[Symbol.asyncIterator]) {
        throw new SenseVoiceError(`${name}: expected the bytes of a sound file in a Uint8Array, or a stream of them`);
      }
      this.#source = stream[Symbol.asyncIterator]();
      this.size = stream.size ?? this.size;
    }
  }

  /** What is held from the parser's place on. */
  get held(): Uint8Array {
    return this.#buffer.subarray(Math.min(this.at, this.length) - this.#base, this.length - this.#base);
  }

  /** What is held from the parser's place on, for a parser: `count` bytes or more, fewer only where the file ends. */
  *peek(count: number): Generator<Uint8Array, Uint8Array> {
    while (!this.ended && this.length - this.at < count) yield MORE;
    return this.held;
  }

  /** Waits for bytes, or for the end. */
  async fill(): Promise<void> {
    if (this.length - this.at > MAX_HELD) {
      throw new SenseVoiceError(`${this.#name}: expected a header, tag or frame of at most ${MAX_HELD} bytes`);
    }
    await this.#pause();
    if (this.#chunk.length === 0) {
      this.pending = true;
      const step = await this.#source?.next();
      this.pending = false;
      if (!step || step.done) return this.end();
      checkPiece(step.value, "Uint8Array", this.#name);
      this.#chunk = step.value;
    }
    this.push(this.#chunk.subarray(0, SLICE));
    this.#chunk = this.#chunk.subarray(SLICE);
  }

  /** Takes in bytes; they are copied. */
  push(bytes: Uint8Array): void {
    const start = this.#settled ? Math.min(this.at, this.length) : this.#base;
    const needed = this.length - start + bytes.length;
    if (this.length - this.#base + bytes.length > this.#buffer.length) {
      const buffer = new Uint8Array(Math.max(2 * needed, SLICE));
      buffer.set(this.#buffer.subarray(start - this.#base, this.length - this.#base));
      [this.#buffer, this.#base] = [buffer, start];
    }
    this.#buffer.set(bytes, this.length - this.#base);
    this.length += bytes.length;
    if (needed > MAX_KEPT) this.settle();
    this.watch?.(bytes);
  }

  end(): void {
    this.ended = true;
    this.size = this.length;
    this.watch?.(undefined);
  }

  /** From now on the file is not begun anew. */
  settle(): void {
    this.#settled = true;
  }

  /** The whole file from its first byte on, as it comes; undefined where that has been let go. */
  replay(): AsyncGenerator<Uint8Array> | undefined {
    this.at = 0;
    return this.#base === 0 ? this.#rest() : undefined;
  }

  async *#rest(): AsyncGenerator<Uint8Array> {
    this.settle();
    while (this.held.length > 0 || !this.ended) {
      const { held } = this;
      this.at = this.length;
      if (held.length > 0) yield held;
      else await this.fill();
    }
  }

  /** Closes the source. What it is still asked for is not waited for: it may never come. */
  async close(): Promise<void> {
    const closed = this.ended ? undefined : this.#source?.return?.();
    if (this.pending) closed?.catch(() => {});
    else await closed;
  }
}

/** Throws `name: …` unless a piece of a stream is a typed array of this name, of any realm. */
export function checkPiece(piece: unknown, type: "Float32Array" | "Uint8Array", name: string): void {
  if (isTypedArray(piece, type)) return;
  throw new SenseVoiceError(`${name}: expected each piece of the stream in a ${type}, got ${typeName(piece)}`);
}
