/**
 * Times calibration: `tsx bench/calibrate.ts MODEL --scheme int4-gptq`, or `--scheme mixed --budget 4.5`. MODEL is a model
 * folder in f32 or f16 (scripts/random-weights.ts makes one of the full size). It hears clips of 4 s cut from
 * test/calibration, 64 unless told otherwise; prints seconds by phase, of the clock and of the CPU, and the largest
 * resident size.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError } from "commander";
import { readDataset } from "../src/eval/dataset.ts";
import { readAudio } from "../src/node.ts";
import { quantizeFolder } from "../src/quant/quantizeFolder.ts";
import { parseScheme } from "../src/quant/scheme.ts";
import type { CalibrationClip } from "../src/quant/study.ts";

const SAMPLE_RATE = 16000;
const positive = (text: string): number => {
  if (!(Number(text) > 0)) throw new InvalidArgumentError("expected a number above 0");
  return Number(text);
};
const program = new Command("calibrate")
  .argument("<model>", "model folder in f32 or f16")
  .option("--scheme <scheme>", "a preset, or mixed", "int4-gptq")
  .option("--budget <bits>", "bits a weight of mixed", positive, 4.5)
  .option("--clips <count>", "clips to hear", positive, 64)
  .option("--seconds <s>", "length of a clip", positive, 4)
  .option("--out <dir>", "keep the model folder there")
  .parse();
const options = program.opts<{ scheme: string; budget: number; clips: number; seconds: number; out?: string }>();
const [model] = program.args;

const folder = options.out === undefined ? mkdtempSync(join(tmpdir(), "calibrate-")) : undefined;
const target = options.out ?? join(folder ?? "", "model");
const policy =
  options.scheme === "mixed"
    ? { name: `mixed-${options.budget}`, bitsPerWeight: options.budget }
    : { name: options.scheme, scheme: parseScheme(options.scheme), layers: {} };
const clips = await cutClips(options.clips, options.seconds);

interface Phase {
  readonly name: string;
  seconds: number;
  cpu: number;
}
const phases: Phase[] = [];
let before = now();
/** What has passed since the last call belongs to this phase. */
const count = (name: string) => {
  const after = now();
  if (phases.at(-1)?.name !== name) phases.push({ name, seconds: 0, cpu: 0 });
  const phase = phases[phases.length - 1];
  phase.seconds += after.seconds - before.seconds;
  phase.cpu += after.cpu - before.cpu;
  before = after;
};
try {
  await quantizeFolder(model, target, { policy, clips, onProgress: ({ task }) => count(task) });
  count("write");
} finally {
  if (folder) rmSync(folder, { recursive: true });
}
const total = { name: "all", seconds: 0, cpu: 0 };
for (const phase of phases) {
  total.seconds += phase.seconds;
  total.cpu += phase.cpu;
}
console.log(`${options.scheme}, ${clips.length} clips of ${options.seconds} s`);
for (const { name, seconds, cpu } of [...phases, total]) {
  console.log(`${name.padEnd(10)} ${seconds.toFixed(1).padStart(8)} s  ${cpu.toFixed(1).padStart(8)} s of CPU`);
}
console.log(`largest resident size ${(process.resourceUsage().maxRSS / 1e6).toFixed(2)} GB`);

function now(): { seconds: number; cpu: number } {
  const { user, system } = process.cpuUsage();
  return { seconds: performance.now() / 1000, cpu: (user + system) / 1e6 };
}

/** Clips of one length: the calibration sound from end to end, as often as it takes. */
async function cutClips(wanted: number, seconds: number): Promise<CalibrationClip[]> {
  const manifest = fileURLToPath(new URL("../test/calibration/calibration.jsonl", import.meta.url));
  const length = Math.round(seconds * SAMPLE_RATE);
  const sounds: Float32Array[] = [];
  for (const { source } of await readDataset(manifest)) sounds.push(await readAudio(source));
  const all = new Float32Array(sounds.reduce((sum, pcm) => sum + pcm.length, 0));
  sounds.reduce((at, pcm) => {
    all.set(pcm, at);
    return at + pcm.length;
  }, 0);
  return Array.from({ length: wanted }, (_, i) => {
    const pcm = Float32Array.from({ length }, (_, j) => all[(i * length + j) % all.length]);
    return { pcm, itn: i % 2 === 1 };
  });
}
