import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createEngine, readAudio } from "../../src/node.ts";
import { recordingOf } from "../support/recording.ts";
import { wavOf16 } from "../support/wav.ts";
import { buildSite, openBrowser, openPage, removeFolder, root, serveSite } from "./support.ts";

let site: string;
let chromium: Awaited<ReturnType<typeof openBrowser>>;
/** With the headers that threads need, and without; both have a recording of 3 sounds, and of many. */
let servers: Awaited<ReturnType<typeof serveSite>>[];
let recording: Uint8Array;
let long: Uint8Array;

beforeAll(async () => {
  [site, chromium] = [await buildSite(), await openBrowser()];
  recording = wavOf16((await recordingOf(["en.wav", "zh.wav", "zh-happy.wav"], 2)).pcm);
  long = wavOf16(
    (
      await recordingOf(
        Array.from({ length: 24 }, (_, i) => ["en.wav", "zh.wav"][i % 2]),
        2,
      )
    ).pcm,
  );
  const folders = [site, root];
  const answer: Parameters<typeof serveSite>[0]["answer"] = (path, _, response) => {
    if (path !== "/recording.wav" && path !== "/long.wav") return false;
    response.end(path === "/long.wav" ? long : recording);
    return true;
  };
  servers = [await serveSite({ folders, answer }), await serveSite({ folders, answer, isolated: false })];
});

afterAll(async () => {
  if (typeof chromium !== "string") await chromium.close();
  for (const server of servers) await server.close();
  removeFolder(site);
});

/** A test in a page whose `engine` is one in a Worker. */
function inPage(name: string, run: (page: Page) => Promise<void>, server = 0): void {
  test(name, async (context) => {
    if (typeof chromium === "string") return context.skip(`Chromium: ${chromium}`);
    const page = await openPage(chromium.browser, servers[server].address);
    await page.evaluate(async () => {
      globalThis.engine = await remote.createEngine({
        model: "tiny",
        device: "cpu",
        threads: 2,
        weights: "f16",
        keep: false,
      });
    });
    await run(page);
    await page.close();
  });
}

declare global {
  var engine: import("../../src/workerEntry.ts").RemoteEngine;
}

inPage("all of the engine's interface answers as the engine in Node does", async (page) => {
  const got = await page.evaluate(async () => {
    const all = async <T>(items: AsyncIterable<T>) => {
      const list = [];
      for await (const item of items) list.push(item);
      return list;
    };
    const blob = await (await fetch("/recording.wav")).blob();
    const pcm = await engine.readAudio(blob);
    const zh = await engine.readAudio("/samples/zh.wav");
    const progress: number[] = [];
    const onProgress = (seconds: number) => void progress.push(seconds);
    const bytes = new Uint8Array(await blob.arrayBuffer());
    const stream = engine.stream({ vad: "energy" });
    const live = all(stream);
    for (let at = 0; at < pcm.length; at += 8000) await stream.write(pcm.subarray(at, at + 8000));
    stream.end();
    return {
      facts: [engine.config.name, engine.device, engine.weights, engine.memory > 1e6],
      description: engine.deviceDescription,
      samples: pcm.length,
      run: await engine.run(zh, { timestamps: true, language: "zh" }),
      usable: zh.length,
      batch: (await engine.runBatch([zh, pcm.subarray(0, 90_000)])).map(({ tokens }) => tokens),
      none: await engine.runBatch([]),
      blob: await all(engine.transcribe(blob, { onProgress })),
      progress,
      bytes: await all(engine.transcribe(bytes)),
      bytesKept: bytes.length,
      address: await all(engine.transcribe("/recording.wav")),
      pieces: await all(engine.transcribe(blob.stream())),
      samplesOfPieces: await all(engine.transcribe([pcm.subarray(0, 100_000), pcm.subarray(100_000)])),
      spans: await all(engine.detectSpeech(blob)),
      live: (await live).filter(({ final }) => final).map(({ text }) => text),
    };
  });

  await using node = await createEngine({ model: "tiny", device: "cpu", threads: 2, weights: "f16" });
  const all = async <T>(items: AsyncIterable<T>) => {
    const list = [];
    for await (const item of items) list.push(item);
    return list;
  };
  const zh = await readAudio(join(root, "samples/zh.wav"));
  const { timings, ...expected } = await node.run(zh, { timestamps: true, language: "zh" });
  const { timings: _, ...heard } = got.run;
  expect(heard).toEqual(expected);
  expect(timings.total).toBeGreaterThan(0);
  expect(got.usable).toBe(zh.length);
  expect(got.facts).toEqual(["tiny", "cpu", "f16", true]);
  expect(got.description).toContain("2 threads");
  const segments = await all(node.transcribe(recording));
  expect(segments.length).toBeGreaterThan(1);
  const texts = (list: readonly { text: string; start: number; end: number }[]) =>
    list.map(({ text, start, end }) => [text, start, end]);
  for (const list of [got.blob, got.bytes, got.address, got.pieces, got.samplesOfPieces]) {
    expect(texts(list)).toEqual(texts(segments));
  }
  expect(got.bytesKept).toBe(recording.length);
  expect(got.progress.length).toBeGreaterThan(0);
  expect(got.spans).toEqual(await all(node.detectSpeech(recording)));
  expect(got.none).toEqual([]);
  expect(got.batch[0]).toEqual(expected.tokens);
  const stream = node.stream({ vad: "energy" });
  const pcm = (await all(node.transcribe(recording))) && (await readPcm());
  for (let at = 0; at < pcm.length; at += 8000) void stream.write(pcm.subarray(at, at + 8000));
  stream.end();
  expect(got.live).toEqual((await all(stream)).filter(({ final }) => final).map(({ text }) => text));
});

/** The recording's samples as a file of 16 bits has them. */
async function readPcm(): Promise<Float32Array> {
  const view = new Int16Array(recording.buffer.slice(recording.byteOffset + 44));
  return Float32Array.from(view, (x) => x / 32_768);
}

inPage("errors are SenseVoiceErrors in the page too, of one line", async (page) => {
  const messages = await page.evaluate(async () => {
    const of = async (run: () => unknown) => {
      try {
        await run();
        return "no error";
      } catch (error) {
        return `${error instanceof remote.SenseVoiceError} ${(error as Error).message}`;
      }
    };
    const first = (items: AsyncIterable<unknown>) => items[Symbol.asyncIterator]().next();
    return [
      await of(() => engine.run(new Float32Array(0))),
      await of(() => engine.run(new Float32Array([Number.NaN]))),
      await of(() => engine.run(new Float32Array(9000), { language: "xx" as "zh" })),
      await of(() => engine.run(new Float32Array(9000), { extra: () => {} } as object)),
      await of(() => first(engine.transcribe(new Blob(["no sound at all"])))),
      await of(() => first(engine.transcribe("/nothing.wav"))),
      await of(() => first(engine.transcribe(5 as unknown as string))),
      await of(() => engine.readAudio(new Blob([]))),
      await of(() => remote.createEngine({ model: "/nowhere", device: "cpu" })),
      await of(() => remote.createEngine({ model: "tiny", device: "tpu" as "cpu" })),
    ];
  });
  const expected = [
    /^true audio: expected sound, got 0 samples$/,
    /^true audio: expected finite samples, got NaN at sample 0$/,
    /^true \[engine\] language: expected/,
    /^true \[worker\] options: expected what can be sent to a Worker: /,
    /^true audio: /,
    /^true http:\/\/localhost:\d+\/nothing\.wav: expected a sound file, got HTTP status 404$/,
    /^true audio: expected bytes, samples, or a stream of either, got Number$/,
    /^true audio: /,
    /^true \[weights\] http:\/\/localhost:\d+\/nowhere\/config\.json: expected a file, got HTTP 404$/,
    /^true \[engine\] device: expected one of auto, webgpu, cpu, reference, got "tpu"$/,
  ];
  expect(messages).toHaveLength(expected.length);
  for (const [i, pattern] of expected.entries()) expect(messages[i]).toMatch(pattern);
});

inPage("a signal ends a run, a recording and loading with its own reason", async (page) => {
  const reasons = await page.evaluate(async () => {
    const reason = { mine: true };
    const outcome = async (start: (signal: AbortSignal) => Promise<unknown>) => {
      const controller = new AbortController();
      const work = start(controller.signal).then(String, (error: unknown) => error === reason);
      setTimeout(() => controller.abort(reason), 30);
      return work;
    };
    const drain = async (items: AsyncIterable<unknown>) => {
      for await (const _ of items);
    };
    const blob = await (await fetch("/long.wav")).blob();
    const pcm = await engine.readAudio(blob);
    return [
      await outcome((signal) => engine.run(pcm, { signal })),
      await outcome((signal) => drain(engine.transcribe(blob, { signal }))),
      await outcome((signal) => drain(engine.detectSpeech(blob, { signal }))),
      await outcome((signal) => drain(engine.stream({ signal }))),
      await outcome((signal) => remote.createEngine({ model: "tiny", keep: false, device: "cpu", signal })),
      await outcome(async () => engine.run(pcm, { signal: AbortSignal.abort(reason) })),
      await outcome(() => remote.createEngine({ model: "tiny", signal: AbortSignal.abort(reason) })),
      (await engine.run(pcm.subarray(0, 90_000))).text.length > 0,
    ];
  });
  expect(reasons).toEqual(Array(8).fill(true));
  const programs = () => page.workers().filter((worker) => worker.url().endsWith("/workerProgram.js"));
  await expect.poll(programs, { timeout: 20_000 }).toHaveLength(1); // none is left of those that were not created
});

/** How many engines' Workers live: each holds a lock until it ends. */
function locksHeld(page: Page): Promise<number> {
  return page.evaluate(async () => (await navigator.locks.query()).held?.length ?? 0);
}

inPage("a Worker that dies rejects what is under way with one line; so does close", async (page) => {
  await page.evaluate(async () => {
    const pcm = await engine.readAudio("/long.wav");
    const message = (work: Promise<unknown>) => work.then(String, (error: unknown) => String(error));
    globalThis.outcome = Promise.all([message(engine.run(pcm)), message(engine.transcribe("/long.wav").next())]);
  });
  const programs = page.workers().filter((worker) => worker.url().endsWith("/workerProgram.js"));
  expect(programs).toHaveLength(1);
  expect(await locksHeld(page)).toBe(1);
  await programs[0].evaluate(() => void setTimeout(() => self.close())); // once this is answered
  const died = "SenseVoiceError: [worker] the engine's Worker died (it ended): create a new engine";
  expect(await page.evaluate(() => globalThis.outcome)).toEqual([died, died]);
  expect(await page.evaluate(() => engine.run(new Float32Array(9000)).catch(String))).toBe(died);
  const closed = await page.evaluate(async () => {
    const other = await remote.createEngine({ model: "tiny", device: "cpu", keep: false });
    const work = other.run(new Float32Array(160_000)).catch(String);
    await other.close();
    return [await work, await other.run(new Float32Array(9000)).catch(String)];
  });
  const line = "SenseVoiceError: [engine] the engine is closed: create a new one";
  expect(closed).toEqual([line, line]);
  // page.workers() at times keeps one that closed itself, or its threads, which end with it.
  await expect.poll(() => locksHeld(page), { timeout: 20_000 }).toBe(0);
});

declare global {
  var outcome: Promise<string[]>;
}

inPage("the page's longest task while a Worker loads and transcribes is 50 ms", async (page) => {
  const { tasks, control, segments } = await page.evaluate(async () => {
    const tasks: number[] = [];
    const observer = new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) tasks.push(duration);
    });
    observer.observe({ type: "longtask" });
    const turn = () => new Promise((resolve) => setTimeout(resolve, 200));
    const blob = await (await fetch("/long.wav")).blob();
    await turn();
    tasks.length = 0;
    const engine = await remote.createEngine({ model: "tiny", device: "cpu", keep: true });
    let segments = 0;
    for await (const _ of engine.transcribe(blob)) segments++;
    await engine.close();
    await turn();
    const measured = [...tasks];
    const start = performance.now();
    while (performance.now() - start < 120);
    await turn();
    return { tasks: measured, control: tasks.length - measured.length, segments };
  });
  expect(segments).toBeGreaterThan(5);
  expect(control).toBe(1); // a task of 120 ms is seen
  expect(tasks).toEqual([]);
});

inPage(
  "without cross-origin isolation the engine takes one thread by itself, and hears the same",
  async (page) => {
    const [isolated, description, text] = await page.evaluate(async () => {
      const { text } = await engine.run(await engine.readAudio("/samples/zh.wav"));
      return [crossOriginIsolated, engine.deviceDescription, text];
    });
    expect(isolated).toBe(false);
    expect(description).toMatch(/, 1 thread$/);
    expect(text).toBe("开饭时间上午九点至下午五点");
  },
  1,
);
