import type { Engine } from "../engine.ts";
import { SenseVoiceError } from "../error.ts";
import { Channel, type Port, Transferred } from "./channel.ts";
import type { EngineFacts } from "./remoteEngine.ts";
import { receiveSound, type SentSound } from "./sound.ts";

/** Options as `sendOptions` has made them. */
interface SentOptions {
  readonly signal?: number;
  readonly onProgress?: number;
}

/** How the Worker makes what the page asks for. */
export interface Maker {
  createEngine(options: object, base: string): Promise<Engine>;
  readAudio(source: ReturnType<typeof receiveSound>, name?: string, maxSeconds?: number): Promise<Float32Array>;
}

/** What a Worker answers to the RemoteEngine in its page. */
export function serveEngine(port: Port, { createEngine, readAudio }: Maker): Channel {
  let engine: Engine | undefined;
  const aborts = new Map<number, AbortController>();

  const withOptions = ({ signal, onProgress, ...rest }: SentOptions) => {
    const controller = signal === undefined ? undefined : new AbortController();
    if (signal !== undefined && controller) aborts.set(signal, controller);
    const tell = (value: unknown) => void channel.call(onProgress as number, [value]).catch(() => {});
    return {
      options: { ...rest, signal: controller?.signal, onProgress: onProgress === undefined ? undefined : tell },
      done: () => void (signal !== undefined && aborts.delete(signal)),
    };
  };
  const loaded = () => {
    if (engine) return engine;
    throw new SenseVoiceError("[engine] the engine is closed: create a new one");
  };
  const lend = async (sent: SentOptions, start: (engine: Engine, options: object) => AsyncIterator<unknown>) => {
    const { options, done } = withOptions(sent);
    try {
      return channel.lendIterator(start(loaded(), options), done);
    } catch (error) {
      done();
      throw error;
    }
  };

  const channel: Channel = new Channel(port, {
    async create(sent: SentOptions, base: string): Promise<EngineFacts> {
      const { options, done } = withOptions(sent);
      engine = await createEngine(options, base).finally(done);
      const { config, weights, device, deviceDescription, memory } = engine;
      return { config, weights, device, deviceDescription, memory };
    },
    async runBatch(clips: Float32Array[], sent: SentOptions) {
      const { options, done } = withOptions(sent);
      const transcripts = await loaded().runBatch(clips, options).finally(done);
      return { transcripts, memory: loaded().memory };
    },
    transcribe: (sound: SentSound, sent: SentOptions) =>
      lend(sent, (engine, options) => engine.transcribe(receiveSound(channel, sound), options)),
    detectSpeech: (sound: SentSound, sent: SentOptions) =>
      lend(sent, (engine, options) => engine.detectSpeech(receiveSound(channel, sound), options)),
    embedVoice: (sound: SentSound, sent: SentOptions) => {
      const { options, done } = withOptions(sent);
      return loaded().embedVoice(receiveSound(channel, sound), options).finally(done);
    },
    stream: (sound: SentSound, sent: SentOptions) =>
      lend(sent, (engine, options) => {
        const stream = engine.stream(options);
        const feed = async () => {
          for await (const pcm of receiveSound(channel, sound) as AsyncIterable<Float32Array>) await stream.write(pcm);
        };
        void feed()
          .finally(() => stream.end())
          .catch(() => {});
        return stream[Symbol.asyncIterator]();
      }),
    async readAudio(sound: SentSound, name?: string, maxSeconds?: number) {
      const pcm = await readAudio(receiveSound(channel, sound), name, maxSeconds);
      return new Transferred(pcm, [pcm.buffer as ArrayBuffer]);
    },
    abort: (signal: number) => aborts.get(signal)?.abort(),
    /** Holds a lock as long as this Worker lives: the page gets it when the Worker is gone, however that came. */
    live: (lock: string) =>
      new Promise<void>((resolve) => {
        if (!navigator.locks) return resolve();
        void navigator.locks.request(lock, () => {
          resolve();
          return new Promise(() => {});
        });
      }),
  });
  return channel;
}
