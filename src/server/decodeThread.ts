/** A thread that decodes uploads: see decoding.ts. */
import { open, readFile } from "node:fs/promises";
import { type MessagePort, parentPort } from "node:worker_threads";
import type { Fallback } from "../audio/decode.ts";
import { decodeWithFfmpeg } from "../audio/ffmpeg.ts";
import { streamAudio } from "../audio/stream.ts";
import { reasonOf, SenseVoiceError } from "../error.ts";
import { type Growth, SMALL } from "./spool.ts";

/** What a thread is asked: to send the samples of a file, or of bytes, through a port. */
export interface DecodeTask {
  readonly path?: string;
  readonly bytes?: Uint8Array;
  /** What it is called in messages. */
  readonly name: string;
  readonly maxSeconds: number;
  readonly port: MessagePort;
}

/** What the port takes. */
export type DecodeRequest = { readonly growth: Growth } | { readonly taken: true };
/** What the port gives: samples, then why there are no more. `refused` is for who sent the sound to read. */
export type DecodeReply =
  | { readonly pcm: Float32Array }
  | { readonly end: true }
  | { readonly refused: string }
  | { readonly failed: string };

/** Samples in a message, and messages on their way: 4 s, and half a minute. */
const MESSAGE = 2 ** 16;
const IN_FLIGHT = 8;
const CHUNK = 2 ** 16;

parentPort?.on("message", (task: DecodeTask) => void decode(task));

async function decode({ path = "", bytes, name, maxSeconds, port }: DecodeTask): Promise<void> {
  const reply = (message: DecodeReply) =>
    port.postMessage(message, "pcm" in message ? [message.pcm.buffer as ArrayBuffer] : []);
  let growth: Growth = { size: 0, ended: false };
  let [free, closed] = [IN_FLIGHT, false];
  let wake = () => {};
  const changed = () =>
    new Promise<void>((resolve) => {
      wake = resolve;
    });
  port.on("message", (request: DecodeRequest) => {
    if ("growth" in request) growth = request.growth;
    else free++;
    wake();
  });
  port.on("close", () => {
    closed = true;
    wake();
  });

  /** All of a small file: its end tells how long the sound is. What is larger, piece by piece while it comes. */
  async function content(): Promise<Uint8Array | AsyncIterable<Uint8Array>> {
    while (!growth.ended && growth.size <= SMALL && !closed) await changed();
    return growth.size <= SMALL && !closed ? readFile(path) : pieces();
  }

  async function* pieces(): AsyncGenerator<Uint8Array> {
    const file = await open(path);
    const chunk = new Uint8Array(CHUNK);
    try {
      for (let at = 0; !closed; ) {
        const { bytesRead } = await file.read(chunk, 0, Math.min(CHUNK, growth.size - at), at);
        if (bytesRead > 0) yield chunk.subarray(0, bytesRead);
        else if (growth.ended && at >= growth.size) return;
        else if (at >= growth.size) await changed();
        at += bytesRead;
      }
      throw new Error("nobody wants it any more");
    } finally {
      await file.close();
    }
  }

  try {
    // mp4 may have to be read from its end: once it has come whole, ffmpeg opens the file itself.
    const fallback: Fallback = (file, container) => decodeWithFfmpeg(file, container, bytes ? undefined : path);
    for await (const pcm of inMessages(streamAudio(bytes ?? (await content()), name, fallback, maxSeconds))) {
      while (free === 0 && !closed) await changed();
      if (closed) return;
      free--;
      reply({ pcm });
    }
    reply({ end: true });
  } catch (error) {
    if (error instanceof SenseVoiceError) reply({ refused: error.message });
    else reply({ failed: reasonOf(error) });
  }
}

/** Small pieces are put together: a message costs more than they do. */
async function* inMessages(pieces: AsyncIterable<Float32Array>): AsyncGenerator<Float32Array> {
  let message = new Float32Array(MESSAGE);
  let filled = 0;
  for await (const pcm of pieces) {
    for (let at = 0; at < pcm.length; ) {
      const part = pcm.subarray(at, at + MESSAGE - filled);
      message.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < MESSAGE) continue;
      yield message;
      message = new Float32Array(MESSAGE);
      filled = 0;
    }
  }
  if (filled > 0) yield message.slice(0, filled);
}
