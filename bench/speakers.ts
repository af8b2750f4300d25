/**
 * What telling speakers apart costs beside recognition: processor time and wall time of the same sound with and without it, and
 * resident memory at each quarter of the sound. Speech is clips of test/eval with pauses, again and again.
 *
 *     npx tsx bench/speakers.ts --model DIR --speaker DIR [--seconds 3600] [--vad-model DIR] [--threads N] [--rounds 1]
 *
 * How many windows are heard depends on how often neighbours differ: they are made to be alike everywhere (`alike`, one voice) or
 * nowhere (`all differ`). A share is the median of those of the rounds, in each of which the modes take turns: a machine is not
 * equally fast all the time. Speakers need word times; `words` is recognition with them.
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
const rounds: Record<string, Figures>[] = [];
for (let round = 0; round < Number(values.rounds); round++) {
  const figures: Record<string, Figures> = {};
  for (const [name, mode] of Object.entries(MODES)) {
    voice = mode.voice;
    figures[name] = await measure(mode.options);
  }
  rounds.push(figures);
}

/** What comes between of the rounds' numbers, and how far they reach. */
function median(of: (round: Record<string, Figures>) => number, text: (x: number) => string): string {
  const sorted = rounds.map(of).sort((a, b) => a - b);
  const middle = (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
  return sorted.length === 1
    ? text(middle)
    : `${text(middle)} (${text(sorted[0])} to ${text(sorted[sorted.length - 1])})`;
}
const percent = (x: number) => `${(100 * x).toFixed(1)} %`;
const inSeconds = (x: number) => `${x.toFixed(2)} s`;
console.log(
  `${engine.deviceDescription}, ${engine.weights}, ${process.version}, ${seconds} s of sound, ${rounds.length} rounds`,
);
for (const name of Object.keys(MODES)) {
  const { windows, resident } = rounds[rounds.length - 1][name];
  const more = (base: string) => median((round) => round[name].cpuSeconds / round[base].cpuSeconds - 1, percent);
  const parts = [
    `${median((round) => round[name].cpuSeconds, inSeconds)} of processor time`,
    `wall ${median((round) => round[name].wallSeconds, inSeconds)}`,
    `${resident.join(", ")} MiB`,
  ];
  if (name !== "recognition") parts.push(`${more("recognition")} more than recognition`);
  if (windows > 0) {
    const each = (round: Record<string, Figures>) => (round[name].cpuSeconds - round.words.cpuSeconds) / windows;
    parts.push(`${more("words")} more than with words`);
    parts.push(`${windows} windows, ${median(each, (x) => `${(1000 * x).toFixed(2)} ms`)} each`);
  }
  console.log(`${name}: ${parts.join(", ")}`);
}
await engine.close();
