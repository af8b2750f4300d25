import { SenseVoiceError } from "./error.ts";

/** Where to compute; `"auto"` takes a hardware WebGPU adapter if there is one, else the CPU. */
export const DEVICES = ["auto", "webgpu", "cpu", "reference"] as const;
export type Device = (typeof DEVICES)[number];

/**
 * How speech is found: by FSMN-VAD, which is a small model of its own; by SenseVoice itself, where it hears nothing
 * for long; by loudness; or not at all, then the sound is cut into pieces of equal length.
 */
export const VADS = ["fsmn", "model", "energy", "none"] as const;
export type Vad = (typeof VADS)[number];

/** What linear weights can be turned into as they are loaded: floats, or few bits by rule. */
export const WEIGHT_TYPES = ["f32", "f16", "int8", "int4"] as const;
export type WeightType = (typeof WEIGHT_TYPES)[number];

/**
 * Whether kernels are timed when a model is loaded, so that the fastest are taken: never; what is not known yet; or all
 * anew. Never on a GPU in software.
 */
export const TUNES = ["off", "auto", "force"] as const;
export type Tune = (typeof TUNES)[number];

/** Where it stays which kernels are the fastest. */
export interface TuningStore {
  /** Of the program, and whatever else the results depend on. */
  readonly version: string;
  /** The value that was written under a name; undefined if there is none. */
  read(name: string): Promise<unknown>;
  /** Writes a value of JSON, whole or not at all. */
  write(name: string, value: object): Promise<void>;
}

/** Throws unless an option is one of the values allowed. */
export function checkChoice(name: string, value: unknown, allowed: readonly unknown[]): void {
  if (allowed.includes(value)) return;
  const list = allowed.filter((option) => option !== undefined).join(", ");
  throw new SenseVoiceError(`[engine] ${name}: expected one of ${list}, got ${show(value)}`);
}

export function checkNumber(name: string, value: unknown, least: number, most: number): void {
  if (typeof value === "number" && value >= least && value <= most) return;
  throw new SenseVoiceError(`[engine] ${name}: expected a number from ${least} to ${most}, got ${show(value)}`);
}

export function checkSignal(signal: unknown): void {
  if (signal === undefined || signal instanceof AbortSignal) return;
  throw new SenseVoiceError(`[engine] signal: expected an AbortSignal, got ${show(signal)}`);
}

export function expectText(name: string, value: unknown): asserts value is string {
  if (typeof value === "string") return;
  throw new SenseVoiceError(`[engine] ${name}: expected a text, got ${show(value)}`);
}

export function expectObject(name: string, value: unknown): void {
  if (typeof value === "object" && value !== null) return;
  throw new SenseVoiceError(`[engine] ${name}: expected an object, got ${show(value)}`);
}

export function show(value: unknown): string {
  return typeof value === "object" && value !== null
    ? Object.prototype.toString.call(value).slice(8, -1)
    : String(JSON.stringify(value) ?? value);
}
