import { spawn } from "node:child_process";
import { appendFileSync, existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { type Job, openJob } from "../../src/quant/job.ts";
import type { QuantizedTensor } from "../../src/tensor/quantized.ts";
import { temporaryFolder } from "../convert/folder.ts";
import { randomQuantized } from "../support/quantized.ts";

const about = { policy: "int4" };
const tensor = (seed: number): QuantizedTensor =>
  randomQuantized(seed, [5, 64], { bits: 4, scale: 32, tables: "matrix", activation: "dynamic" });

/** A job with two losses, errors and two tensors, left as an interruption leaves it. */
async function interrupted(target: string): Promise<string> {
  const job = await openJob(target, about, false);
  job.addLoss("a", 0.25);
  job.addErrors("a", [1, 0.5]);
  await job.addTensor("a", tensor(1));
  await job.addTensor("b", tensor(2));
  await job.close();
  const [folder] = readdirSync(join(target, "..")).filter((name) => name.includes(basename(target)));
  return join(target, "..", folder);
}

async function resumed<T>(target: string, use: (job: Job) => Promise<T> | T, what: unknown = about): Promise<T> {
  const job = await openJob(target, what, true);
  try {
    return await use(job);
  } finally {
    await job.close();
  }
}

test("what was computed is there when the job is resumed, and nothing once it is removed or begun anew", async () => {
  const target = join(temporaryFolder(), "model");
  const folder = await interrupted(target);
  await resumed(target, async (job) => {
    expect([...job.losses, ...job.errors]).toEqual([
      ["a", 0.25],
      ["a", [1, 0.5]],
    ]);
    expect([...job.done]).toEqual(["a", "b"]);
    expect(await job.tensor("a")).toEqual(tensor(1));
    await job.addTensor("c", tensor(3));
  });
  await resumed(target, async (job) => expect(await job.tensor("c")).toEqual(tensor(3)));
  const anew = await openJob(target, about, false);
  expect([anew.losses.size, anew.errors.size, anew.done.size]).toEqual([0, 0, 0]);
  anew.remove();
  await anew.close();
  expect(existsSync(folder)).toBe(false);
});

test("a line that was cut off, bytes that are not there or are others: that result is made again", async () => {
  const target = join(temporaryFolder(), "model");
  const folder = await interrupted(target);
  const [journal, data] = [join(folder, "journal.jsonl"), join(folder, "tensors.bin")];
  appendFileSync(journal, '\n{"name":"c","loss":0.');
  const size = readFileSync(data).length;
  truncateSync(data, size - 1);
  await resumed(target, async (job) => {
    expect([...job.losses.keys(), ...job.done]).toEqual(["a", "a"]);
    job.addLoss("c", 1);
    await job.addTensor("b", tensor(2));
  });
  await resumed(target, async (job) => {
    expect([...job.losses.keys(), ...job.done]).toEqual(["a", "c", "a", "b"]);
    expect(await job.tensor("b")).toEqual(tensor(2));
  });
  const bytes = readFileSync(data);
  bytes[3] ^= 1;
  writeFileSync(data, bytes);
  await resumed(target, (job) => expect([...job.done]).toEqual(["b"]));
  // Without its first line nobody knows what it is about.
  writeFileSync(journal, readFileSync(journal, "utf8").slice(5));
  await resumed(target, (job) => expect([job.losses.size, job.done.size]).toEqual([0, 0]));
});

test("what was begun from something else is refused, and stays", async () => {
  const target = join(temporaryFolder(), "model");
  await interrupted(target);
  await expect(openJob(target, { policy: "lut4" }, true)).rejects.toThrow(
    `[quant] --resume: ${target} was begun from another model, other sound or settings: leave --resume out to begin anew`,
  );
  await resumed(target, (job) => expect(job.done.size).toBe(2));
});

test("two processes do not share a job", async () => {
  const target = join(temporaryFolder(), "model");
  const folder = await interrupted(target);
  const other = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60000)"]);
  writeFileSync(join(folder, "pid"), `${other.pid}`);
  for (const resume of [true, false]) {
    await expect(openJob(target, about, resume)).rejects.toThrow(
      `[quant] ${target}: process ${other.pid} is quantising to this folder`,
    );
  }
  await new Promise((resolve) => other.on("exit", resolve).kill());
  await resumed(target, (job) => expect(job.done.size).toBe(2));
});

test("a place that cannot be written is an error of one line", async () => {
  const file = join(temporaryFolder(), "file");
  writeFileSync(file, "");
  await expect(openJob(join(file, "model"), about, false)).rejects.toThrow(
    /^\[weights\] .*ENOTDIR|^\[weights\] .*EEXIST/,
  );
});
