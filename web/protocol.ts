import type { KeptModel } from "../src/browser.ts";
import type { Device, Hotword, LiveResult, Progress, RunOptions, Segment } from "../src/index.ts";

/** What the page and its worker say to each other. Sound is decoded and heard in the worker, so that the page never stalls. */

/** A sound: a file, or what the browser decoded of one. */
export type Sound = Blob | DecodedSound;

export interface DecodedSound {
  readonly channels: readonly Float32Array<ArrayBuffer>[];
  readonly sampleRate: number;
}

export interface ModelChoice {
  /** "tiny", the address of a model folder, or the name under which one is kept. */
  readonly model: string;
  readonly device: Device;
  /** The address of a speaker model, if it is not the model's own. */
  readonly speakerModel?: string;
}

/** What is asked of a recognition. */
export interface Ask extends Pick<RunOptions, "language" | "itn" | "timestamps"> {
  readonly speakers?: true;
  readonly hotwords?: Hotword[];
}

export type Loading = Progress;

/** An engine that is ready. */
export interface Ready {
  readonly model: string;
  readonly device: "webgpu" | "cpu" | "reference" | "service";
  /** What the device calls itself. */
  readonly description: string;
  /** Milliseconds that loading took. */
  readonly loadMs: number;
}

/** What is known of a sound while it is heard. */
export interface Heard {
  /** Loudness of the next stretches of 20 ms, from 0 to 255. */
  readonly peaks?: Uint8Array<ArrayBuffer>;
  /** How long all of it is, as far as that can be told. Seconds. */
  readonly duration?: number;
  readonly segment?: Segment;
  /** Seconds that are done. */
  readonly done?: number;
}

export interface Abilities {
  /** What WebGPU's adapter calls itself, if there is one. */
  readonly adapter?: string;
  /** Whether that is a GPU in software. */
  readonly software: boolean;
  /** Whether the browser knows WebGPU at all. */
  readonly webgpu: boolean;
  /** Threads that the CPU device has. */
  readonly threads: number;
  readonly isolated: boolean;
  /** Whether models can be kept. */
  readonly storage: boolean;
}

/** Each call: what is asked, what is told meanwhile, what is answered. */
export interface Calls {
  abilities: { ask: undefined; tell: never; answer: Abilities };
  load: { ask: ModelChoice; tell: Loading; answer: Ready };
  transcribe: { ask: { sound: Sound; name: string; options: Ask }; tell: Heard; answer: { duration: number } };
  /** Peaks alone, for a sound that is heard elsewhere. */
  look: { ask: { sound: Sound; name: string }; tell: Heard; answer: { duration: number } };
  /** A sound as a wav file, for browsers that cannot play it. */
  playable: { ask: { sound: Sound; name: string }; tell: never; answer: Blob };
  listen: { ask: Ask; tell: LiveResult; answer: undefined };
  /** Whether there is a speaker model to go by. */
  speakers: { ask: ModelChoice; tell: never; answer: boolean };
  models: { ask: undefined; tell: never; answer: KeptModel[] };
  remove: { ask: string; tell: never; answer: undefined };
}
export type CallName = keyof Calls;

export type ToWorker =
  | { readonly [K in CallName]: { readonly id: number; readonly call: K; readonly ask: Calls[K]["ask"] } }[CallName]
  | { readonly id: number; readonly cancel: true }
  /** Samples for `listen`; null at their end. */
  | { readonly id: number; readonly pcm: Float32Array<ArrayBuffer> | null };

export type FromWorker =
  | { readonly id: number; readonly tell: unknown }
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly error: Failure };

/** An error on its way out of the worker. */
export interface Failure {
  readonly name: string;
  readonly message: string;
}
