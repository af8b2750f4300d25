import { describe, expect, test } from "vitest";
import { createCutter } from "../../src/speech/cut.ts";
import { listen, SpeechStream } from "../../src/speech/live.ts";
import { createSplitter } from "../../src/speech/merge.ts";
import type { Hear } from "../../src/speech/transcribe.ts";
import { all, clock, hearEnds, pieces, speechAt } from "./support.ts";

/** Sound that comes in a piece at a time, each after whatever the last one started. */
async function* live(pcm: Float32Array, ms: number) {
  for await (const piece of pieces(pcm, ms * 16)) {
    yield piece;
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
}

const start = (sound: AsyncIterable<Float32Array>, hear: Hear = hearEnds, signal?: AbortSignal) => {
  const spans = [
    [500, 2000],
    [2500, 2800],
  ] as const;
  return listen(sound, createCutter(speechAt(spans, 200), createSplitter()), hear, { partialMs: 400, signal });
};

test("an open segment is heard again after every 400 ms, then once and for all", async () => {
  const results = await all(start(live(clock(3500), 100)));
  expect(results.map(({ start, end, final, text }) => [start, end, final, text])).toEqual([
    [0.5, 0.9, false, "500-899"],
    [0.5, 1.3, false, "500-1299"],
    [0.5, 1.7, false, "500-1699"],
    [0.5, 2.1, false, "500-2099"],
    [0.5, 2, true, "500-1999"],
    [2.5, 2.9, false, "2500-2899"],
    [2.5, 2.8, true, "2500-2799"],
  ]);
});

test("what two results have in common is stable, in whole characters", async () => {
  const texts = ["", "天气", "天气很😀", "天气很😊热", "天气很热"];
  let count = 0;
  const hear: Hear = async (clips) =>
    (await hearEnds(clips)).map((heard) => ({ ...heard, text: texts[count++] ?? "" }));
  const results = await all(start(live(clock(2300), 100), hear));
  expect(results.slice(0, 5).map(({ text, stable }) => text.slice(0, stable))).toEqual([
    "",
    "",
    "天气",
    "天气很",
    "天气很热",
  ]);
});

test("while the device is busy sound gathers, and is taken at once", async () => {
  let calls = 0;
  const slow: Hear = async (clips) => {
    calls++;
    await new Promise((resolve) => setTimeout(resolve, 300));
    return hearEnds(clips);
  };
  const results = await all(start(live(clock(3500), 100), slow));
  expect(results.filter(({ final }) => final).map(({ text }) => text)).toEqual(["500-1999", "2500-2799"]);
  expect(calls).toBeLessThan(4);
});

test("a clip is heard at a time, however much has come", async () => {
  const sizes: number[] = [];
  const hear: Hear = (clips) => {
    sizes.push(clips.length);
    return hearEnds(clips);
  };
  const spans = Array.from({ length: 30 }, (_, i) => [i * 1000, i * 1000 + 900] as const);
  const cutter = createCutter(speechAt(spans), createSplitter());
  const results = await all(listen(pieces(clock(30_000), 320), cutter, hear, { partialMs: 60_000 }));
  expect(results).toHaveLength(30);
  expect(Math.max(...sizes)).toBe(1);
});

test("aborted, it rejects at once", async () => {
  async function* hanging() {
    yield clock(100);
    await new Promise(() => {});
  }
  const controller = new AbortController();
  const heard = all(start(hanging(), hearEnds, controller.signal));
  setTimeout(() => controller.abort(new Error("enough")), 5);
  await expect(heard).rejects.toThrow("enough");
});

test("an error of the source comes after what was heard", async () => {
  async function* damaged() {
    yield clock(3500);
    throw new Error("unplugged");
  }
  const texts: string[] = [];
  const read = async () => {
    for await (const { text } of start(damaged())) texts.push(text);
  };
  await expect(read()).rejects.toThrow("unplugged");
  expect(texts).toContain("2500-2799");
});

test("a stream takes pieces of any length, copies them, and ends", async () => {
  const cutter = createCutter(speechAt([[500, 2000]]), createSplitter());
  const stream = new SpeechStream((sound) => listen(sound, cutter, hearEnds, { partialMs: 60_000 }));
  const sound = clock(3000);
  const piece = new Float32Array(1234);
  for (let at = 0; at < sound.length; at += piece.length) {
    const part = sound.subarray(at, at + piece.length);
    piece.set(part);
    void stream.write(piece.subarray(0, part.length));
    piece.fill(-1);
  }
  stream.end();
  stream.end();
  expect((await all(stream)).map(({ text }) => text)).toEqual(["500-1999"]);
  expect(() => stream.write(piece)).toThrow("[stream] write: the stream has ended; create a new one");
});

test("when nobody reads any more, what is written is dropped", async () => {
  const cutter = createCutter(speechAt([[0, 100]]), createSplitter());
  const stream = new SpeechStream((sound) => listen(sound, cutter, hearEnds, { partialMs: 60_000 }));
  void stream.write(clock(500));
  for await (const _ of stream) break;
  void stream.write(clock(100));
  stream.end();
  expect(() => stream.write(clock(1))).toThrow("the stream has ended");
});

describe("a writer that is faster than the sound is heard", () => {
  const spans = Array.from({ length: 40 }, (_, i) => [i * 2000 + 200, i * 2000 + 1700] as const);

  /** Sends 80 s in pieces of 0.1 s to a slow device. @returns the final texts, and the most seconds that waited. */
  async function send(write: (stream: SpeechStream, pcm: Float32Array) => unknown) {
    let [heard, most] = [0, 0];
    const slow: Hear = async (clips) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      return hearEnds(clips);
    };
    const cutter = createCutter(speechAt(spans), createSplitter());
    const stream = new SpeechStream((sound, onHeard) => {
      const count = (samples: number) => {
        heard += samples;
        onHeard(samples);
      };
      return listen(sound, cutter, slow, { partialMs: 60_000, onHeard: count });
    });
    const results = all(stream);
    let sent = 0;
    for await (const pcm of pieces(clock(80_000), 1600)) {
      sent += pcm.length;
      most = Math.max(most, (sent - heard) / 16_000);
      await write(stream, pcm);
    }
    stream.end();
    return { most, texts: (await results).filter(({ final }) => final).map(({ text }) => text) };
  }

  test("waits while 10 s of sound do, so that memory is bounded", async () => {
    const { most, texts } = await send((stream, pcm) => stream.write(pcm));
    expect(most).toBeGreaterThan(9);
    expect(most).toBeLessThan(10.2);
    expect(texts).toEqual(spans.map(([start, end]) => `${start}-${end - 1}`));
  });

  test("need not wait, and loses nothing by it", async () => {
    const { most, texts } = await send((stream, pcm) => void stream.write(pcm));
    expect(most).toBeGreaterThan(20);
    expect(texts).toEqual(spans.map(([start, end]) => `${start}-${end - 1}`));
  });

  test("does not wait for less", async () => {
    const stream = new SpeechStream((sound) => start(sound));
    for (let i = 0; i < 99; i++) await stream.write(clock(100));
    let resolved = false;
    const last = stream.write(clock(100)).then(() => {
      resolved = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(resolved).toBe(false); // nobody reads yet
    stream.end();
    const results = all(stream);
    await last;
    await results;
  });

  test.each<[string, Hear, (stream: SpeechStream) => Promise<unknown>]>([
    [
      "have left",
      hearEnds,
      async (stream) => {
        for await (const _ of stream) break;
      },
    ],
    [
      "have failed",
      async () => Promise.reject(new Error("the device is lost")),
      (stream) => expect(all(stream)).rejects.toThrow("the device is lost"),
    ],
  ])("goes on once the results %s", async (_, hear, read) => {
    const stream = new SpeechStream((sound, onHeard) => {
      const cutter = createCutter(speechAt([[0, 100]]), createSplitter());
      return listen(sound, cutter, hear, { partialMs: 60_000, onHeard });
    });
    const writes = Array.from({ length: 3 }, () => stream.write(clock(9000)));
    await read(stream);
    await Promise.all(writes);
    for (let i = 0; i < 20; i++) await stream.write(clock(1000));
    stream.end();
  });
});

test("a stream takes samples and nothing else", () => {
  const stream = new SpeechStream(() =>
    listen(pieces(clock(1), 1), createCutter(speechAt([]), createSplitter()), hearEnds, { partialMs: 400 }),
  );
  expect(() => stream.write([0] as never)).toThrow(
    "[stream] write: expected each piece of the stream in a Float32Array, got Array",
  );
  expect(() => stream.write(Float32Array.of(0, NaN))).toThrow(
    "[stream] write: expected finite samples, got NaN at sample 1",
  );
});
