/// <reference lib="esnext.disposable" preserve="true" />
import { checkPcm, MAX_SECONDS } from "../audio/pcm.ts";
import type { SoundInput } from "../audio/pieces.ts";
import type { Engine } from "../engine.ts";
import { SenseVoiceError } from "../error.ts";
import { checkSignal, expectObject } from "../options.ts";
import { untilAborted } from "../pause.ts";
import { SpeechStream } from "../speech/live.ts";
import type { Span } from "../speech/merge.ts";
import type { BatchOptions, DetectOptions, LiveOptions, RunOptions, TranscribeOptions } from "../speech/options.ts";
import type { Segment } from "../speech/segment.ts";
import type { SpokenTurn } from "../speech/speakerOptions.ts";
import type { Transcript } from "../speech/transcript.ts";
import type { Channel, LentIterator } from "./channel.ts";
import { sendSound } from "./sound.ts";

/** What a page knows of the engine in its Worker. */
export interface EngineFacts extends Pick<Engine, "config" | "weights" | "device" | "deviceDescription" | "memory"> {}

interface PageOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: never) => void;
}

/** An engine in a Worker: the same interface as Engine, and the same answers. Close it when done. */
export class RemoteEngine implements Pick<Engine, keyof Engine> {
  readonly config: Engine["config"];
  readonly weights: string;
  readonly device: Engine["device"];
  readonly deviceDescription: string;
  readonly #channel: Channel;
  readonly #stop: (reason: SenseVoiceError) => void;
  #memory: number;

  /** @internal Use createEngine of sensevoice/worker. */
  constructor(channel: Channel, facts: EngineFacts, stop: (reason: SenseVoiceError) => void) {
    this.config = facts.config;
    this.weights = facts.weights;
    this.device = facts.device;
    this.deviceDescription = facts.deviceDescription;
    this.#memory = facts.memory;
    this.#channel = channel;
    this.#stop = stop;
  }

  /** Bytes of device memory held when the last run ended. */
  get memory(): number {
    return this.#memory;
  }

  /** See Engine.run. The samples are copied before the call returns, and the copy is handed over. */
  async run(pcm: Float32Array, options: RunOptions = {}): Promise<Transcript> {
    checkPcm(pcm);
    return (await this.runBatch([pcm], options))[0];
  }

  /** See Engine.runBatch. */
  async runBatch(clips: readonly Float32Array[], options: BatchOptions = {}): Promise<Transcript[]> {
    if (!Array.isArray(clips)) throw new SenseVoiceError("[engine] clips: expected an array");
    for (const pcm of clips) checkPcm(pcm);
    const copies = clips.map((pcm: Float32Array) => new Float32Array(pcm));
    const buffers = copies.map(({ buffer }) => buffer);
    return this.#withOptions(options, async (sent) => {
      const call = this.#channel.call<{ transcripts: Transcript[]; memory: number }>(
        "runBatch",
        [copies, sent],
        buffers,
      );
      const { transcripts, memory } = await untilAborted(call, options.signal);
      this.#memory = memory;
      return transcripts;
    });
  }

  /**
   * See Engine.transcribe. A Blob is passed as it is, bytes and samples are copied, a stream's pieces are sent as they
   * are asked for. Options that are not as asked are an error of the first step, not of the call.
   */
  transcribe(source: SoundInput, options: TranscribeOptions = {}): AsyncGenerator<Segment, SpokenTurn[] | undefined> {
    return this.#iterate("transcribe", options, source);
  }

  /** See Engine.detectSpeech, and `transcribe`. */
  detectSpeech(source: SoundInput, options: DetectOptions = {}): AsyncGenerator<Span> {
    return this.#iterate("detectSpeech", options, source);
  }

  /** See Engine.embedVoice, and `transcribe`. */
  async embedVoice(source: SoundInput, options: DetectOptions = {}): Promise<Float32Array> {
    return this.#withOptions(options, async (sent) => {
      const { sound, buffers } = sendSound(this.#channel, source);
      return untilAborted(this.#channel.call<Float32Array>("embedVoice", [sound, sent], buffers), options.signal);
    });
  }

  /** See Engine.stream. Options that are not as asked are an error of the first result. */
  stream(options: LiveOptions = {}): SpeechStream {
    expectObject("options", options);
    return new SpeechStream((sound, onHeard) => this.#iterate("stream", options, heard(sound, onHeard)));
  }

  /** See readAudio of "sensevoice": decoded in the Worker, the samples are handed over. */
  async readAudio(source: SoundInput, name?: string, maxSeconds: number = MAX_SECONDS): Promise<Float32Array> {
    const { sound, buffers } = sendSound(this.#channel, source);
    return this.#channel.call("readAudio", [sound, name, maxSeconds], buffers);
  }

  /** Ends the Worker. Runs under way are rejected. */
  async close(): Promise<void> {
    this.#stop(new SenseVoiceError("[engine] the engine is closed: create a new one"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async *#iterate<T>(method: string, options: PageOptions, source: SoundInput): AsyncGenerator<T> {
    const { sent, done } = sendOptions(this.#channel, options);
    try {
      const { sound, buffers } = sendSound(this.#channel, source);
      const iterator = await this.#channel.call<LentIterator>(method, [sound, sent], buffers);
      return yield* this.#channel.iterate<T>(iterator, options.signal);
    } finally {
      done();
    }
  }

  async #withOptions<R>(options: PageOptions, use: (sent: object) => Promise<R>): Promise<R> {
    const { sent, done } = sendOptions(this.#channel, options);
    return use(sent).finally(done);
  }
}

/** Options as they can be sent: functions lent, a signal as a number by which the other side can be told. */
export function sendOptions(channel: Channel, options: PageOptions): { sent: object; done: () => void } {
  expectObject("options", options);
  const { signal, onProgress, ...rest } = options;
  checkSignal(signal);
  signal?.throwIfAborted();
  const progress = onProgress && channel.lend(onProgress);
  const id = signal && channel.lend(() => {});
  const abort = () => void channel.call("abort", [id]).catch(() => {});
  signal?.addEventListener("abort", abort, { once: true });
  const done = () => {
    signal?.removeEventListener("abort", abort);
    if (progress !== undefined) channel.takeBack(progress);
    if (id !== undefined) channel.takeBack(id);
  };
  return { sent: { ...rest, signal: id, onProgress: progress }, done };
}

/** Live sound: a piece is heard once the Worker asks for the next, when less than 10 s wait there. */
async function* heard(
  sound: AsyncIterable<Float32Array>,
  onHeard: (samples: number) => void,
): AsyncGenerator<Float32Array> {
  for await (const pcm of sound) {
    const { length } = pcm;
    yield pcm;
    onHeard(length);
  }
}
