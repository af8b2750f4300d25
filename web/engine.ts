import type { LiveResult } from "../src/index.ts";
import type { Ask, Heard, Loading, ModelChoice, Ready, Sound } from "./protocol.ts";
import { Remote } from "./remote.ts";

/** Whatever hears: the engine in this browser, or the service that the page comes from. */
export interface Recogniser {
  /** Makes it ready; at once if it is. */
  load(choice: ModelChoice, tell: (loading: Loading) => void, signal: AbortSignal): Promise<Ready>;
  /** @returns seconds of sound */
  transcribe(input: Input, tell: (heard: Heard) => void, signal: AbortSignal): Promise<{ readonly duration: number }>;
  listen(ask: Ask, tell: (result: LiveResult) => void): Listening;
}

export interface Input {
  readonly sound: Sound;
  readonly name: string;
  readonly options: Ask;
}

/** Live sound on its way. */
export interface Listening {
  /** Takes samples at 16 kHz, which are not the caller's any more. */
  write(pcm: Float32Array<ArrayBuffer>): void;
  /** What is open becomes final. */
  end(): void;
  /** Resolves once all was heard. */
  readonly done: Promise<unknown>;
}

/** The worker does what is done in this browser in any case: to decode, to look for devices, to keep models. */
export const remote = new Remote(() => new Worker(new URL("./worker.ts", import.meta.url), { type: "module" }));

/** The engine in this browser. */
export const ownEngine: Recogniser = {
  load: (choice, tell, signal) => remote.call("load", choice, { tell, signal }),
  transcribe: (input, tell, signal) => remote.call("transcribe", { ...input }, { tell, signal }),
  listen(ask, tell) {
    let write!: (pcm: Float32Array<ArrayBuffer> | null) => void;
    const done = remote.call("listen", ask, {
      tell,
      send: (post) => {
        write = post;
      },
    });
    return { write, end: () => write(null), done };
  },
};
