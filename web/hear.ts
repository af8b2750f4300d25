import { concat, type DecodedAudio, SAMPLE_RATE } from "../src/audio/pcm.ts";
import { streamAudio, streamDecoded } from "../src/audio/stream.ts";
import type { Engine, TranscribeOptions } from "../src/browser.ts";
import { createPause } from "../src/pause.ts";
import { continued, takeBeginning, wholeSegment } from "../src/speech/beginning.ts";
import type { Heard, Sound } from "./protocol.ts";

/** Samples of a peak: 20 ms. */
const PEAK = SAMPLE_RATE / 50;
/** Peaks that are told at a time: 2 s. */
const PEAKS_AT_ONCE = 100;

/** A sound as the model wants it, whose peaks and length are told as it is decoded. */
export async function* decode(
  sound: Sound,
  name: string,
  tell: (heard: Heard) => void,
): AsyncGenerator<Float32Array, number> {
  let read = 0;
  const size = sound instanceof Blob ? sound.size : 0;
  const pcms =
    sound instanceof Blob
      ? streamAudio(
          Object.assign(
            bytesOf(sound, (bytes) => (read += bytes)),
            { size },
          ),
          name,
        )
      : streamDecoded(piecesOf(sound), name);
  const peaks = new PeakMeter(tell);
  let samples = 0;
  for await (const pcm of pcms) {
    samples += pcm.length;
    const duration =
      sound instanceof Blob
        ? (samples / SAMPLE_RATE) * (size / Math.max(1, read))
        : sound.channels[0].length / sound.sampleRate;
    peaks.add(pcm, duration);
    yield pcm;
  }
  const duration = samples / SAMPLE_RATE;
  peaks.end(duration);
  return duration;
}

/**
 * The segments of a sound, told as they come. A short one is one segment, as on the command line; a longer one is cut
 * where nobody speaks, at each pause, so that each segment has its own emotion; so is any whose speakers are asked for.
 *
 * @returns seconds of sound
 */
export async function hear(
  engine: Engine,
  pcms: AsyncGenerator<Float32Array>,
  options: TranscribeOptions,
  tell: (heard: Heard) => void,
): Promise<void> {
  try {
    const beginning = options.speakers ? { pieces: [], more: true } : await takeBeginning(pcms);
    if (!beginning.more) {
      const pcm = await concat(beginning.pieces, createPause());
      const heard = await engine.run(pcm, options);
      return tell({ segment: wholeSegment(heard), done: heard.duration });
    }
    const onProgress = (done: number) => tell({ done });
    const segments = engine.transcribe(continued(beginning, pcms), { mergeSeconds: 0, ...options, onProgress });
    for await (const segment of segments) tell({ segment });
  } finally {
    pcms.return(0).catch(() => {}); // not waited for: it may hang
  }
}

async function* bytesOf(blob: Blob, onRead: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  const reader = blob.stream().getReader();
  try {
    for (let step = await reader.read(); !step.done; step = await reader.read()) {
      onRead(step.value.length);
      yield step.value;
    }
  } finally {
    await reader.cancel();
  }
}

/** Pieces of a sound that is there as a whole, each with arrays of its own. */
async function* piecesOf({ channels, sampleRate }: Exclude<Sound, Blob>): AsyncGenerator<DecodedAudio> {
  const step = 8192;
  for (let at = 0; at < channels[0].length; at += step) {
    yield { channels: channels.map((channel) => channel.slice(at, at + step)), sampleRate, total: channels[0].length };
  }
}

/** The largest magnitude of each 20 ms. */
class PeakMeter {
  readonly #tell: (heard: Heard) => void;
  #peaks = new Uint8Array(PEAKS_AT_ONCE);
  #count = 0;
  #peak = 0;
  #samples = 0;

  constructor(tell: (heard: Heard) => void) {
    this.#tell = tell;
  }

  add(pcm: Float32Array, duration: number): void {
    for (const x of pcm) {
      const size = Math.abs(x);
      if (size > this.#peak) this.#peak = size;
      if (++this.#samples === PEAK) this.#push();
    }
    if (this.#count >= PEAKS_AT_ONCE / 2) this.#flush(duration);
  }

  end(duration: number): void {
    if (this.#samples > 0) this.#push();
    this.#flush(duration);
  }

  #push(): void {
    if (this.#count === this.#peaks.length) {
      const longer = new Uint8Array(2 * this.#count);
      longer.set(this.#peaks);
      this.#peaks = longer;
    }
    this.#peaks[this.#count++] = Math.min(255, Math.round(this.#peak * 255));
    this.#peak = 0;
    this.#samples = 0;
  }

  #flush(duration: number): void {
    this.#tell({ peaks: this.#peaks.slice(0, this.#count), duration });
    this.#count = 0;
  }
}
