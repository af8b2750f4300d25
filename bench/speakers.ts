/**
 * What telling speakers apart costs beside recognition: processor time and wall time of the same sound with and without it, and
 * resident memory at each quarter of the sound. Speech is clips of test/eval with pauses, again and again.
 *
 *     npx tsx bench/speakers.ts --model DIR --speaker DIR [--seconds 3600] [--vad-model DIR] [--threads N] [--rounds 1]
 *
 * How many windows are heard depends on how often neighbours differ: they are made to be alike everywhere (`alike`, one voice) or
 * nowhere (`all differ`, the most that there can be). A share is of the processor time of recognition without word times, which
 * speakers need; `words` has that of recognition with them.
 */
import { parseArgs } from "node:util";
import { Campplus } from "../src/model/campplus/network.ts";
import { createEngine } from "../src/node.ts";
import { readClips, speech } from "./speech.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "3600" },
    model: { type: "string", default: "tiny" },
    speaker: { type: "string" },
    "vad-model": { type: "string" },
    threads: { type: "string" },
    weights: { type: "string" },
    rounds: { type: "string", default: "1" },
  },
});
const seconds = Number(values.seconds);
const clips = await readClips();
const engine = await createEngine({
  model: values.model,
  speakerModel: values.speaker,
  vadModel: values["vad-model"],
  device: "cpu",
  weights: values.weights as "int8",
  threads: values.threads === undefined ? undefined : Number(values.threads),
});

/** What stands in for an embedding: neighbours are alike, or differ. */
let voice: (window: number) => number = () => 0;
let windows = 0;
const embed = Campplus.prototype.embed;
Campplus.prototype.embed = async function (chunks, signal) {
  const embeddings = await embed.call(this, chunks, signal);
  return embeddings.map(({ length }) => {
    const direction = new Float32Array(length);
    direction[voice(windows++)] = 1;
    return direction;
  });
};

interface Figures {
  cpuSeconds: number;
  wallSeconds: number;
  windows: number;
  /** MiB at each quarter. */
  resident: number[];
}

async function measure(options: Parameters<typeof engine.transcribe>[1], length = seconds): Promise<Figures> {
  windows = 0;
  const resident: number[] = [];
  const onProgress = (done: number) => {
    if (done >= ((resident.length + 1) * length) / 4) resident.push(Math.round(process.memoryUsage.rss() / 2 ** 20));
  };
  const usage = process.cpuUsage();
  const start = performance.now();
  for await (const _ of engine.transcribe(speech(clips, length), { ...options, onProgress }));
  const { user, system } = process.cpuUsage(usage);
  return { cpuSeconds: (user + system) / 1e6, wallSeconds: (performance.now() - start) / 1000, windows, resident };
}

const MODES = {
  recognition: { options: {}, voice: () => 0 },
  words: { options: { timestamps: true }, voice: () => 0 },
  alike: { options: { speakers: true }, voice: () => 0 },
  "all differ": { options: { speakers: true }, voice: (window: number) => window % 2 },
} as const;
await measure({ speakers: true }, Math.min(seconds, 30)); // loads the model, and lets V8 compile
const best = new Map<string, Figures>();
for (let round = 0; round < Number(values.rounds); round++) {
  for (const [name, mode] of Object.entries(MODES)) {
    voice = mode.voice;
    const figures = await measure(mode.options);
    if (!(figures.cpuSeconds >= (best.get(name)?.cpuSeconds ?? Number.POSITIVE_INFINITY))) best.set(name, figures);
  }
}
const of = (name: keyof typeof MODES) => best.get(name) as Figures;
const percent = (x: number) => `${(100 * x).toFixed(1)} %`;
const alone = of("recognition");
console.log(`${engine.deviceDescription}, ${engine.weights}, ${process.version}, ${seconds} s of sound`);
for (const [name, { cpuSeconds, wallSeconds, windows, resident }] of best) {
  const more = (base: Figures) => percent(cpuSeconds / base.cpuSeconds - 1);
  const shares = windows > 0 ? `, ${more(alone)} more than recognition, ${more(of("words"))} more than with words` : "";
  const each = windows > 0 ? `, ${((1000 * (cpuSeconds - of("words").cpuSeconds)) / windows).toFixed(2)} ms each` : "";
  console.log(
    `${name}: ${cpuSeconds.toFixed(2)} s of processor time${shares}; wall ${wallSeconds.toFixed(2)} s, ${windows} windows${each}, ${resident.join(", ")} MiB`,
  );
}
await engine.close();
