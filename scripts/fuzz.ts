/**
 * Feeds damaged input to everything that reads some: `npm run fuzz -- [--seconds N] [--cases N] [--seed S] [--target NAME]…`.
 * A case must succeed or throw a SenseVoiceError of one line, within 2 s and 500 MB. What fails is written to
 * `fuzz-findings/TARGET/`; moved to `test/fuzz/corpus/TARGET/` it is a test for good.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type CaseId, minimise } from "./fuzz/case.ts";
import { signature } from "./fuzz/judge.ts";
import { LIMIT_MB, LIMIT_MS, Runner } from "./fuzz/runner.ts";
import type { Target } from "./fuzz/target.ts";
import { TARGETS } from "./fuzz/targets.ts";
import type { Reply } from "./fuzz/worker.ts";

/** Failing inputs of one cause that are kept. */
const KEPT = 2;

interface Tally {
  readonly target: string;
  cases: number;
  accepted: number;
  refused: number;
  findings: number;
  /** Over a limit, but not when tried again: the machine was busy. */
  once: number;
  slowestMs: number;
  peakMb: number;
}

const { values: options } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    cases: { type: "string" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 32)) },
    target: { type: "string", multiple: true, default: [] },
    out: { type: "string", default: "fuzz-findings" },
  },
});
const names = TARGETS.map(({ name }) => name);
const unknown = options.target.find((name) => !names.includes(name));
const numbers = { seconds: options.seconds, cases: options.cases ?? "1", seed: options.seed };
const wrong = Object.entries(numbers).find(([, text]) => !/^\d+$/.test(text));
if (unknown !== undefined || wrong) {
  const expected = wrong ? `--${wrong[0]}: expected a whole number` : `--target: expected one of ${names.join(", ")}`;
  console.error(`error: ${expected}, got ${wrong?.[1] ?? unknown}`);
  process.exit(2);
}

const targets = TARGETS.filter(({ name }) => options.target.length === 0 || options.target.includes(name));
const scratch = mkdtempSync(join(tmpdir(), "sensevoice-fuzz-"));
console.log(`seed ${options.seed}`);
try {
  // A command takes its time to start: it has a process of its own beside the others.
  const lanes = [targets.filter(({ limitMs }) => !limitMs), targets.filter(({ limitMs }) => limitMs)];
  const tallies = (await Promise.all(lanes.map((lane, i) => fuzzLane(lane, join(scratch, String(i)))))).flat();
  console.table(
    tallies.map((tally) => ({
      ...tally,
      slowestMs: Math.round(tally.slowestMs),
      peakMb: Math.round(tally.peakMb),
    })),
  );
  const findings = tallies.reduce((sum, tally) => sum + tally.findings, 0);
  console.log(findings ? `${findings} findings; inputs are in ${options.out}/` : "no findings");
  process.exitCode = findings ? 1 : 0;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

/** Targets one after another, each for its share of the time. */
async function fuzzLane(lane: readonly Target[], dir: string): Promise<Tally[]> {
  const runner = new Runner(dir);
  const tallies: Tally[] = [];
  try {
    for (const target of lane) {
      tallies.push(await fuzzTarget(runner, target, (Number(options.seconds) * 1000) / lane.length));
    }
  } finally {
    await runner.close();
  }
  return tallies;
}

async function fuzzTarget(runner: Runner, target: Target, ms: number): Promise<Tally> {
  const { name, limitMs = LIMIT_MS } = target;
  const tally: Tally = {
    target: name,
    cases: 0,
    accepted: 0,
    refused: 0,
    findings: 0,
    once: 0,
    slowestMs: 0,
    peakMb: 0,
  };
  const seen = new Map<string, number>();
  await runner.prepare(name);
  let end = performance.now() + ms;
  const more = () => (options.cases ? tally.cases < Number(options.cases) : performance.now() < end);
  while (more()) {
    const id: CaseId = { target: name, seed: options.seed, number: tally.cases++ };
    const reply = withMemory(await runner.run({ do: "run", id }, name, limitMs));
    if (reply.kind !== "finding") {
      tally[reply.kind]++;
      tally.slowestMs = Math.max(tally.slowestMs, reply.ms);
      tally.peakMb = Math.max(tally.peakMb, reply.mb);
      continue;
    }
    if (reply.message.startsWith("not caught")) await runner.close(); // it may have left files open
    const key = signature(name, reply);
    const count = seen.get(key) ?? 0;
    const start = performance.now();
    const isThere = count >= KEPT || (await keep(runner, target, id, reply));
    end += performance.now() - start;
    if (isThere) seen.set(key, count + 1);
    tally[isThere ? "findings" : "once"]++;
  }
  for (const [key, count] of seen) console.log(`${count} × ${key}`);
  return tally;
}

/** Tries a finding again with fewer edits and writes its input; false if it does not happen again. */
async function keep(runner: Runner, { name, limitMs = LIMIT_MS }: Target, id: CaseId, first: Reply): Promise<boolean> {
  const rerun = async (keep?: readonly number[]) => {
    return withMemory(await runner.run({ do: "run", id: { ...id, keep } }, name, limitMs));
  };
  await runner.close(); // a fresh process: what earlier cases left behind does not count
  const again = await rerun();
  if (again.kind !== "finding" && /^over /.test(first.message)) return false; // the machine was busy
  const key = signature(name, again);
  const edits = Math.max(first.edits, again.edits, 8);
  const kept =
    again.kind === "finding"
      ? await minimise(edits, async (keep) => signature(name, await rerun(keep)) === key)
      : undefined;
  const { message: path } = await runner.run(
    { do: "write", id: { ...id, keep: kept }, folder: join(options.out, name) },
    name,
  );
  await runner.close();
  const unsure = again.kind === "finding" ? "" : " (not again in a fresh process)";
  console.log(`${name} ${id.number}${unsure}: ${shown(first)}\n  ${path}`);
  return true;
}

function withMemory(reply: Reply): Reply {
  if (reply.kind === "finding" || reply.mb <= LIMIT_MB) return reply;
  return { ...reply, kind: "finding", message: `over ${LIMIT_MB} MB` };
}

function shown({ message, where }: Reply): string {
  return `${where} ${JSON.stringify(message.slice(0, 300))}`;
}
