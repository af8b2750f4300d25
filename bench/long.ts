/**
 * Long and live sound: how fast, how soon, in how much memory. Speech is clips of test/eval with pauses, again and again.
 *
 *     npx tsx bench/long.ts [--seconds 600] [--model tiny] [--vad-model DIR] [--device cpu] [--threads N] [--file FILE]
 *     npx tsx bench/long.ts --live [--seconds 60] …
 *
 * Prints one object: wall time against the sum of the encoder's times, voice activity's share of processor time, when the first
 * segment came, growth of resident memory, the longest that the event loop was held (this thread's own time). With
 * `--live` sound comes as fast as it is spoken, 100 ms at a time; a partial result's delay counts from the end of the
 * sound that it is of, a final one's from when voice activity tells that the segment is over.
 */
import { parseArgs } from "node:util";
import { wavHeader } from "../src/audio/wav.ts";
import { createEngine, type Device } from "../src/node.ts";
import { watchEventLoop } from "../test/support/eventLoop.ts";
import { readClips, speech } from "./speech.ts";

const RATE = 16_000;
const { values } = parseArgs({
  options: {
    seconds: { type: "string" },
    model: { type: "string", default: "tiny" },
    "vad-model": { type: "string" },
    device: { type: "string", default: "cpu" },
    threads: { type: "string" },
    weights: { type: "string" },
    file: { type: "string" },
    live: { type: "boolean", default: false },
  },
});

const clips = await readClips();
const samples = (seconds: number) => speech(clips, seconds);

/** Clips and pauses of 0.3 to 2 s, as 16-bit wav of unknown length, in pieces of 64 KiB. */
async function* wav(seconds: number): AsyncGenerator<Uint8Array> {
  yield wavHeader({ encoding: "s16le", rate: RATE, channels: 1 });
  for await (const pcm of samples(seconds)) {
    yield new Uint8Array(Int16Array.from(pcm, (x) => Math.round(x * 32767)).buffer);
  }
}

const engine = await createEngine({
  model: values.model,
  vadModel: values["vad-model"],
  device: values.device as Device,
  weights: values.weights as "int8",
  threads: values.threads === undefined ? undefined : Number(values.threads),
});
await engine.run(clips[0]);

function cpuSeconds(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1e6;
}

async function long(seconds: number) {
  // What the encoder takes is told by each batch.
  let encode = 0;
  const runBatch = engine.runBatch.bind(engine);
  engine.runBatch = async (...args) => {
    const transcripts = await runBatch(...args);
    encode += transcripts[0]?.timings.encode ?? 0;
    return transcripts;
  };
  const source = () => values.file ?? wav(seconds);
  let [first, segments, heard, rss] = [0, 0, 0, 0];
  const before = process.memoryUsage.rss();
  const usage = process.cpuUsage();
  const start = performance.now();
  const { longest } = await watchEventLoop(async () => {
    const onProgress = (done: number) => {
      heard = done;
    };
    for await (const _ of engine.transcribe(source(), { onProgress })) {
      first ||= performance.now() - start;
      segments++;
      rss = Math.max(rss, process.memoryUsage.rss());
    }
  });
  const wall = performance.now() - start;
  const cpu = cpuSeconds(usage);
  // Processor time of voice activity: with it, less without it.
  const alone = async (vad?: "none") => {
    if (values.file) return 0;
    const since = process.cpuUsage();
    for await (const _ of engine.detectSpeech(source(), { vad, maxSegmentSeconds: 30 }));
    return cpuSeconds(since);
  };
  const vadCpu = (await alone()) - (await alone("none"));
  return {
    seconds: heard,
    segments,
    wallMs: Math.round(wall),
    encodeMs: Math.round(encode),
    wallPerEncode: Number((wall / encode).toFixed(3)),
    timesRealTime: Math.round((heard * 1000) / wall),
    vadShareOfCpu: values.file ? undefined : Number((vadCpu / cpu).toFixed(4)),
    firstSegmentMs: Math.round(first),
    residentGrowthMb: Math.round((rss - before) / 2 ** 20),
    longestOnEventLoopMs: Math.round(longest),
  };
}

async function live(seconds: number) {
  const stream = engine.stream();
  let start = 0;
  const feed = async () => {
    let at = 0;
    start = performance.now();
    for await (const piece of samples(seconds)) {
      for (let i = 0; i < piece.length; i += 1600) {
        at += Math.min(1600, piece.length - i);
        const wait = start + (at * 1000) / RATE - performance.now();
        if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
        void stream.write(piece.subarray(i, i + 1600));
      }
    }
    stream.end();
  };
  let asked = 0; // of a final result: right after voice activity told that the segment is over
  const runBatch = engine.runBatch.bind(engine);
  engine.runBatch = (...args) => {
    asked = performance.now() - start;
    return runBatch(...args);
  };
  const feeding = feed();
  const partial: number[] = [];
  const final: number[] = [];
  for await (const result of stream) {
    const now = performance.now() - start;
    if (result.final) final.push(now - asked);
    else partial.push(now - result.end * 1000);
  }
  await feeding;
  const summary = (delays: number[]) => {
    const sorted = delays.map(Math.round).sort((a, b) => a - b);
    return { count: sorted.length, medianMs: sorted[sorted.length >> 1], maxMs: sorted.at(-1) };
  };
  return { seconds, partial: summary(partial), final: summary(final) };
}

const seconds = Number(values.seconds ?? (values.live ? 60 : 600));
const figures = values.live ? await live(seconds) : await long(seconds);
const { device, deviceDescription, weights, config } = engine;
console.log(JSON.stringify({ model: config.name, device, deviceDescription, weights, ...figures }, null, 1));
await engine.close();
