import { debug } from "../debug.ts";
import { readPackageFile } from "../packageFile.ts";
import { type FbankConfig, fbank, fbankTables, frameSizes } from "./fbank.ts";

/** `fbank` with a configuration. */
export type Fbank = (pcm: Float32Array) => Float32Array;

/** The only length of FFT that assembly/fft.ts has: that of windows of 25 ms at 16 kHz. */
const FFT_SIZE = 512;
/** Frames that are made in one call: what they need lies in the second cache. */
const FRAMES = 64;
/** Where the module's own tables end. */
const FREE = 65536;

const opened = new WeakMap<FbankConfig, Promise<Fbank>>();
let compiled: Promise<WebAssembly.Module | undefined> | undefined;

/**
 * `fbank` as WebAssembly with SIMD, in f64 as well, two frames at a time: six times as fast. A frame's numbers do not
 * depend on where the sound is cut. Where there is no such module for the configuration or in this runtime, it is
 * `fbank` itself.
 */
export function openFbank(config: FbankConfig): Promise<Fbank> {
  let fast = opened.get(config);
  if (!fast) {
    fast = open(config);
    opened.set(config, fast);
  }
  return fast;
}

async function open(config: FbankConfig): Promise<Fbank> {
  const { mels } = config;
  const { window, shift } = frameSizes(config);
  const plain: Fbank = (pcm) => fbank(pcm, config);
  const tables = fbankTables(window, config);
  compiled ??= compile();
  const module = tables.fftSize === FFT_SIZE ? await compiled : undefined;
  if (!module) return plain;

  const { exports } = await WebAssembly.instantiate(module);
  const { memory, fbank: run, ...places } = exports as unknown as FbankModule;
  const samples = (FRAMES - 1) * shift + window;
  const filterWords = tables.filters.reduce((sum, { weights }) => sum + 2 * (1 + weights.length), 0);
  const emphasised = FREE;
  const filters = emphasised + samples * 8;
  const input = filters + filterWords * 4;
  const output = input + samples * 4;
  memory.grow(Math.ceil((output + FRAMES * mels * 4) / 65536));
  const { buffer } = memory;

  const write = (at: number, numbers: readonly number[]) => new Float64Array(buffer, at).set(numbers);
  const halfScale = tables.scale / 2; // the module's bins are twice as large
  write(
    places.window.value,
    Array.from(tables.window, (w) => w * halfScale),
  );
  write(places.passTwiddles.value, passTwiddles());
  const ks = Array.from({ length: 129 }, (_, k) => k);
  write(
    places.realTwiddles.value,
    ks.flatMap((k) => unit(k / FFT_SIZE)),
  );
  new Uint32Array(buffer, places.places.value).set(binPlaces());
  let at = filters;
  for (const { firstBin, weights } of tables.filters) {
    new Uint32Array(buffer, at).set([firstBin, weights.length]);
    new Float64Array(buffer, at + 8).set(weights);
    at += 8 + weights.byteLength;
  }
  const pcmOfCall = new Float32Array(buffer, input, samples);

  return (pcm) => {
    if (pcm.length < window) return plain(pcm);
    const frames = 1 + Math.trunc((pcm.length - window) / shift);
    const out = new Float32Array(frames * mels);
    for (let first = 0; first < frames; first += FRAMES) {
      const count = Math.min(FRAMES, frames - first);
      const part = pcm.subarray(first * shift, (first + count - 1) * shift + window);
      pcmOfCall.set(part);
      run(input, part.length, emphasised, window, shift, count, filters, mels, output);
      out.set(new Float32Array(buffer, output, count * mels), first * mels);
    }
    return out;
  };
}

/** Exports of assembly/index.ts: places are byte addresses. */
interface FbankModule {
  readonly memory: WebAssembly.Memory;
  readonly fbank: (...args: number[]) => void;
  readonly window: WebAssembly.Global;
  readonly passTwiddles: WebAssembly.Global;
  readonly realTwiddles: WebAssembly.Global;
  readonly places: WebAssembly.Global;
}

async function compile(): Promise<WebAssembly.Module | undefined> {
  try {
    const bytes = await readPackageFile(new URL("./fbank.wasm", import.meta.url));
    if (bytes) return await WebAssembly.compile(bytes);
  } catch {
    // no SIMD, or a page that allows no WebAssembly
  }
  debug(2, () => "[features] no fbank.wasm that this runtime can run: features are made by JavaScript");
  return undefined;
}

/** e^(−2πi·turns) as [re, im]. */
function unit(turns: number): number[] {
  return [Math.cos(2 * Math.PI * turns), -Math.sin(2 * Math.PI * turns)];
}

/** Of the passes of length L = 256, 64, 16, 4: for each j < L/4 the factors W_Lʲ, W_L²ʲ, W_L³ʲ. */
function passTwiddles(): number[] {
  return [256, 64, 16, 4].flatMap((length) => {
    const js = Array.from({ length: length / 4 }, (_, j) => j);
    return js.flatMap((j) => [1, 2, 3].flatMap((m) => unit((j * m) / length)));
  });
}

/** Byte offset of each bin of 256, and of bin 256, which is bin 0: its four digits to the base 4 in reverse. */
function binPlaces(): number[] {
  const digit = (k: number, i: number) => (k >> (2 * i)) & 3;
  return Array.from({ length: 257 }, (_, k) => {
    return 32 * (64 * digit(k, 0) + 16 * digit(k, 1) + 4 * digit(k, 2) + digit(k, 3));
  });
}
