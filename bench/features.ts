import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Bench } from "tinybench";
import { openFbank } from "../src/audio/fastFbank.ts";
import { fbank } from "../src/audio/fbank.ts";
import { extractFeatures } from "../src/audio/features.ts";
import { embedPrompts } from "../src/model/sensevoice/prompt.ts";
import type { Recognizer } from "../src/model/sensevoice/recognizer.ts";
import { createTokenizer } from "../src/model/sensevoice/tokenizer.ts";
import { readAudio } from "../src/node.ts";
import { recognise } from "../src/speech/recognise.ts";
import { findModel } from "../src/weights/home.ts";
import { relativeError, TOLERANCE } from "../test/support/tolerances.ts";

const SAMPLES = 11 * 16000;
const CONFIG = { sampleRate: 16000, mels: 80, frameLengthMs: 25, frameShiftMs: 10, lfrM: 7, lfrN: 6 };
const WIDTH = 560;

/**
 * What the caller's thread does for a clip of 11 s but record: `npm run bench -- features [--tokenizer FILE]`. Checked,
 * then timed: features, the encoder's input, and from the best tokens to the text.
 */
export async function benchFeatures(args: readonly string[]): Promise<void> {
  const sound = await readAudio(new URL("../samples/en.wav", import.meta.url).pathname);
  const pcm = Float32Array.from({ length: SAMPLES }, (_, i) => sound[i % sound.length]);
  const fast = await openFbank(CONFIG);
  const error = relativeError(fast(pcm), fbank(pcm, CONFIG), 1);
  if (!(error < TOLERANCE.f32)) throw new Error(`fbank in WebAssembly is off by ${error}`);
  const cmvn = { shift: new Float32Array(WIDTH), scale: new Float32Array(WIDTH).fill(1) };
  const features = await extractFeatures(pcm, CONFIG, cmvn);
  const prompt = { language: "auto", itn: false, features } as const;
  const table = new Float32Array(16 * WIDTH);

  const given = args.indexOf("--tokenizer");
  const tokenizer = createTokenizer(
    readFileSync(given < 0 ? join(findModel("tiny"), "tokenizer.model") : args[given + 1]),
  );
  const tags = ["en", "NEUTRAL", "Speech", "woitn"].map((name) => tokenizer.tags.get(name) ?? 0);
  const said = tokenizer.encode("the tea is on the table and the train comes at ten past nine so there is time");
  const ids = new Float32Array(features.rows + 4);
  ids.set(tags);
  said.forEach((token, i) => {
    ids[4 + Math.floor((i * features.rows) / said.length)] = token;
  });
  const heard = {
    ...{ ids, logProbs: new Float32Array(ids.length).fill(-0.01), top: new Float32Array(2 * ids.length) },
    logProbsOf: async () => new Float32Array(),
  };
  const model: Recognizer = {
    backend: { name: "reference", description: "", memory: () => 0, close: () => {} },
    recognize: async () => ({ clips: [heard], release: () => {} }),
  };
  const decode = () => recognise([features], { model, tokenizer }, {});
  const { tokens } = (await decode()).utterances[0];
  if (tokens.join() !== [...tags, ...said].join()) throw new Error("other tokens came out than went in");

  const bench = new Bench({ time: 1000, warmupTime: 500 })
    .add("fbank, plain", () => void fbank(pcm, CONFIG))
    .add("fbank, WebAssembly", () => void fast(pcm))
    .add("features", async () => void (await extractFeatures(pcm, CONFIG, cmvn)))
    .add("encoder's input", async () => {
      await embedPrompts([prompt], table, { inputSize: WIDTH, outputSize: 512 });
    })
    .add("tokens to text", async () => void (await decode()));
  await bench.run();
  for (const { name, result } of bench.tasks) {
    if (!("latency" in result)) throw new Error(`${name}: ${result.state}`);
    const { p50, min } = result.latency;
    console.log(`${name.padEnd(20)} ${p50.toFixed(3)} ms in the median, ${min.toFixed(3)} at best`);
  }
}
