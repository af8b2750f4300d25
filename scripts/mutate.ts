/**
 * Mutation testing: puts one small fault at a time into src/ and asks whether a test notices.
 * `npm run mutate -- [--count N] [--seed S] [--room NAME]… [--files TEXT]… [--tests N] [--gpu]`.
 *
 * Mutants are picked by chance. Each is tried in a copy of the tree, with the test files that import the file, the
 * nearest first, `--tests` of them (8). Mutants that no test can notice stand in scripts/mutate/equivalent.json with
 * their reasons, and do not count.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createRandom } from "./fuzz/random.ts";
import { Copy, type TestRun } from "./mutate/copy.ts";
import { createReader, distancesFrom, testsOf } from "./mutate/graph.ts";
import {
  type Equivalent,
  isEquivalent,
  lineOf,
  type Mutant,
  mutantsOf,
  mutate,
  pickMutants,
} from "./mutate/mutants.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  model: ["src/model/"],
  audio: ["src/audio/"],
  quant: ["src/quant/"],
  weights: ["src/weights/", "src/convert/"],
  tensor: ["src/tensor/"],
  kernels: ["src/kernels/"],
};
/** AssemblyScript is compiled, and WGSL runs where there is a GPU. */
const NEVER = /\/assembly\/|\.d\.ts$/;
const NEEDS_GPU = /webgpu/i;
/** Tests of the whole: minutes long, or of the package that npm makes. */
const TOO_SLOW = /^test\/(?:eval|engine|package)\.test\.ts$/;
/** What a run of tests may take: so much, and so many times what it takes without a fault. */
const LIMIT = { ms: 15_000, times: 4 };
/** A test file that takes longer is not asked. */
const LONGEST_MS = 180_000;

const { values: options } = parseArgs({
  options: {
    count: { type: "string", default: "100" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 32)) },
    room: { type: "string", multiple: true, default: [] },
    files: { type: "string", multiple: true, default: [] },
    tests: { type: "string", default: "8" },
    gpu: { type: "boolean", default: false },
  },
});
const unknown = options.room.find((name) => !Object.hasOwn(ROOMS, name));
if (unknown !== undefined) {
  console.error(`error: --room: expected one of ${Object.keys(ROOMS).join(", ")}, got ${unknown}`);
  process.exit(2);
}

const rooms = options.room.length > 0 ? options.room : Object.keys(ROOMS);
const folders = rooms.flatMap((name) => ROOMS[name]);
const list = (folder: string, end: string) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
    .filter((name) => name.endsWith(end) && (options.gpu || !NEEDS_GPU.test(name)));
const sources = list("src", ".ts").filter(
  (file) =>
    !NEVER.test(file) &&
    folders.some((folder) => file.startsWith(folder)) &&
    (options.files.length === 0 || options.files.some((part) => file.includes(part))),
);
const read = createReader(ROOT);
const reached = new Map(
  list("test", ".test.ts")
    .filter((test) => !TOO_SLOW.test(test))
    .map((test) => [test, distancesFrom(test, read)]),
);
const equivalents: Equivalent[] = JSON.parse(readFileSync(join(ROOT, "scripts/mutate/equivalent.json"), "utf8"));
const all = sources.flatMap((file) => mutantsOf(file, read(file)!));
const possible = all.filter((mutant) => !isEquivalent(read(mutant.file)!, mutant, equivalents));
const picked = pickMutants(createRandom(options.seed), possible, Number(options.count));
const nearest = new Map(sources.map((file) => [file, testsOf(file, reached).slice(0, Number(options.tests))]));
console.log(`seed ${options.seed}: ${picked.length} of ${possible.length} mutants in ${sources.length} files`);

const scratch = mkdtempSync(join(tmpdir(), "sensevoice-mutate-"));
process.on("SIGINT", () => process.exit(130));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));
const copies = cpus()
  .slice(0, 2)
  .map((_, i) => new Copy(ROOT, join(scratch, String(i))));

// First without a fault: what fails or takes long then is of no use.
const durations = new Map<string, number>();
await share([...new Set(picked.flatMap(({ file }) => nearest.get(file)!))], async (copy, test) => {
  const { outcome, ms } = await copy.run([test], LONGEST_MS);
  if (outcome === "passed") durations.set(test, ms);
  else console.log(`${test} is left out: it ${outcome === "slow" ? "takes too long" : "fails as it is"}`);
});

let [done, survivors] = [0, 0];
await share(picked, async (copy, mutant) => {
  const tests = nearest.get(mutant.file)!.filter((test) => durations.has(test));
  const noticed = await tryMutant(copy, mutant, tests);
  if (!noticed) {
    survivors++;
    const { line, mutated } = lineOf(read(mutant.file)!, mutant);
    console.log(`\n${mutant.file}:${mutant.line}  not noticed by ${tests.join(" ") || "any test: none imports it"}`);
    console.log(`- ${line}\n+ ${mutated}\n`);
  }
  if (++done % 10 === 0) console.log(`${done} tried, ${survivors} not noticed`);
});

const score = picked.length === 0 ? 100 : (100 * (picked.length - survivors)) / picked.length;
console.log(`\n${picked.length - survivors} of ${picked.length} noticed (${score.toFixed(1)} %)`);

/** The quick tests in one process, then the slow ones one by one: most faults are found at once. */
async function tryMutant(copy: Copy, mutant: Mutant, tests: readonly string[]): Promise<boolean> {
  const source = read(mutant.file)!;
  copy.write(mutant.file, mutate(source, mutant));
  try {
    const ms = (test: string) => durations.get(test)!;
    const quick = tests.filter((test) => ms(test) < 5000);
    const slow = tests.filter((test) => ms(test) >= 5000).sort((a, b) => ms(a) - ms(b));
    for (const group of [quick, ...slow.map((test) => [test])].filter((group) => group.length > 0)) {
      const usual = group.reduce((sum, test) => sum + ms(test), 0);
      const run: TestRun = await copy.run(group, LIMIT.ms + LIMIT.times * usual);
      if (run.outcome !== "passed") return true;
    }
    return false;
  } finally {
    copy.write(mutant.file, source);
  }
}

/** Does the jobs in the copies, as each becomes free. */
async function share<T>(jobs: readonly T[], job: (copy: Copy, item: T) => Promise<void>): Promise<void> {
  const queue = [...jobs];
  await Promise.all(
    copies.map(async (copy) => {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) await job(copy, item);
    }),
  );
}
