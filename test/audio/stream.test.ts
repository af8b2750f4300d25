import { describe, expect, test } from "vitest";
import type { DecodedAudio } from "../../src/audio/pcm.ts";
import { joinAudio, streamAudio } from "../../src/audio/stream.ts";
import { readAudio } from "../../src/node.ts";
import { chunk, concat, fixture, floats, format, opusFile, riff, streamWhole } from "./support.ts";

describe("streamAudio", () => {
  test("is the mean of the channels", async () => {
    const channels = [Float32Array.of(1, 0.5), Float32Array.of(0, 0.5), Float32Array.of(-0.25, 0.5)];
    expect([...(await streamWhole([{ channels, sampleRate: 16000 }]))]).toEqual([0.25, 0.5]);
  });

  test("is at 16 kHz", async () => {
    expect(await streamWhole([{ channels: [new Float32Array(44100)], sampleRate: 44100 }])).toHaveLength(16000);
  });

  test("refuses sound without samples", async () => {
    await expect(streamWhole([], "x.wav")).rejects.toThrow("x.wav: expected sound, got 0");
  });

  test.each([0, 999, 4e9, Number.NaN])("refuses a rate of %f", async (sampleRate) => {
    await expect(streamWhole([{ channels: [new Float32Array(9)], sampleRate }], "x.wav")).rejects.toThrow(
      `x.wav: expected a sample rate of 1000 to 768000 Hz, got ${sampleRate}`,
    );
  });

  test("is whole where the rate changes, as in a chained file", async () => {
    const noise = (length: number) => Float32Array.from({ length }, (_, i) => ((i * i * 31) % 251) / 251 - 0.5);
    const parts = [8000, 44100].map((sampleRate) => ({ channels: [noise(sampleRate / 4)], sampleRate }));
    const [first, second] = await Promise.all(
      parts.map(({ channels, sampleRate }) => streamWhole([{ channels: [channels[0].slice()], sampleRate }])),
    );
    expect([first.length, second.length]).toEqual([4000, 4000]);
    expect(await streamWhole(parts)).toEqual(floats([first, second]));
  });

  test("counts samples over all pieces", async () => {
    const piece = (...samples: number[]) => ({ channels: [Float32Array.from(samples)], sampleRate: 16000 });
    await expect(streamWhole([piece(0, 0), piece(0, Number.NaN)], "x.wav")).rejects.toThrow(
      "x.wav: expected finite samples, got NaN at sample 3",
    );
  });
});

describe("sound beyond the limit", () => {
  const silence = { channels: [new Float32Array(16000)], sampleRate: 16000 };
  const error = "x: expected at most 2 seconds of sound, got 3 or more: cut it into shorter files first";

  test("is refused, sound that just fits is not", async () => {
    await expect(streamWhole([silence, silence, silence], "x", 2)).rejects.toThrow(error);
    expect(await streamWhole([silence, silence], "x", 2)).toHaveLength(32000);
  });

  test("is refused before it is decoded where the file tells its length", async () => {
    await expect(streamWhole([{ ...silence, total: 32001 }], "x", 2)).rejects.toThrow(error);
  });

  test("is not decoded any further, and the decoder is given back", async () => {
    let [pieces, open] = [0, true];
    async function* endless(): AsyncGenerator<DecodedAudio, undefined> {
      try {
        for (; ; pieces++) yield { channels: [new Float32Array(16000)], sampleRate: 16000 };
      } finally {
        open = false;
      }
    }
    await expect(joinAudio(streamAudio(Uint8Array.of(0), "x", endless, 2))).rejects.toThrow(error);
    expect([pieces, open]).toEqual([2, false]);
  });

  test("of a wav, a flac and an ogg is told from their headers", async () => {
    const wav = riff([chunk("fmt ", format(1, 1, 8000, 16)), chunk("data", new Uint8Array(48002))]);
    await expect(readAudio(wav, "x", 3)).rejects.toThrow("x: expected at most 3 seconds of sound, got 4 or more");
    for (const file of ["clip.flac", "clip-flac.ogg", "clip.ogg", "clip.opus"]) {
      await expect(readAudio(fixture(file), "x", 0.25)).rejects.toThrow(
        /^x: expected at most 0\.25 seconds .* got 1 or/,
      );
    }
  });
});

/** Runs `work` and tells how often the event loop had a turn meanwhile, and how much memory was taken at most. */
async function watch(work: () => Promise<unknown>) {
  const start = process.memoryUsage().rss;
  let [turns, rss, running] = [0, start, true];
  const turn = () => {
    turns++;
    rss = Math.max(rss, process.memoryUsage().rss);
    if (running) setImmediate(turn);
  };
  setImmediate(turn);
  const begin = performance.now();
  await work();
  running = false;
  return { turns, megabytes: (rss - start) / 1e6, milliseconds: performance.now() - begin };
}

describe("two hours of silence in 250 KB", () => {
  /** 60 ms of SILK without a single byte of code: a decoder plays silence. */
  const packet = Uint8Array.of(0x18);
  const hours = (positions: boolean) => opusFile(packet, 120_000, 2880, positions);

  test("are refused at once", async () => {
    const { milliseconds, megabytes } = await watch(async () => {
      await expect(readAudio(hours(true), "long.opus")).rejects.toThrow(
        "long.opus: expected at most 1800 seconds of sound, got 7185 or more: cut it into shorter files first",
      );
    });
    expect(milliseconds).toBeLessThan(3000);
    expect(megabytes).toBeLessThan(400);
  });

  test("are refused at the limit where they do not tell their length; the event loop goes on", async () => {
    const { turns, megabytes } = await watch(async () => {
      await expect(readAudio(hours(false), "long.opus", 600)).rejects.toThrow("at most 600 seconds of sound, got 601");
    });
    expect(turns).toBeGreaterThan(100);
    expect(megabytes).toBeLessThan(400);
  }, 60_000);

  test("come as a stream of small pieces", async () => {
    let [seconds, largest] = [0, 0];
    for await (const piece of streamAudio(hours(true))) {
      seconds += piece.length / 16000;
      largest = Math.max(largest, piece.length);
      if (seconds > 60) break;
    }
    expect(seconds).toBeLessThan(61);
    expect(largest).toBeLessThan(8192);
  });
});

test("long sound leaves the event loop its turns", async () => {
  const wav = riff([chunk("fmt ", format(1, 2, 44100, 16)), chunk("data", new Uint8Array(4 * 44100 * 30))]);
  const mp3 = concat(Array<Uint8Array>(30).fill(fixture("clip-44k-stereo.mp3")));
  for (const file of [wav, mp3]) {
    const { turns } = await watch(async () => {
      expect((await readAudio(file)).length).toBeGreaterThan(29 * 16000);
    });
    expect(turns).toBeGreaterThan(10);
  }
});
