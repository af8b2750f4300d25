/** Runs cases in a process of its own, which may be killed at any time. Spoken to by runner.ts. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { type Case, type CaseId, inputName, makeCase, parseInputName } from "./case.ts";
import { judgeError, type Outcome } from "./judge.ts";
import { peakMb, resetPeak, residentMb } from "./memory.ts";
import type { Seed } from "./seeds.ts";
import type { Target } from "./target.ts";

export type Request =
  | { readonly do: "prepare"; readonly target: string }
  | { readonly do: "run"; readonly id: CaseId }
  /** Writes the input of a case into a folder, under inputName. */
  | { readonly do: "write"; readonly id: CaseId; readonly folder: string }
  /** Runs an input that was written before. */
  | { readonly do: "replay"; readonly target: string; readonly path: string };

export interface Reply extends Outcome {
  readonly ms: number;
  /** Megabytes that the process grew by. */
  readonly mb: number;
  /** Edits that the case has. */
  readonly edits: number;
}

const dir = process.env.FUZZ_DIR!;
const { TARGETS }: { TARGETS: readonly Target[] } = await import(process.env.FUZZ_TARGETS ?? "./targets.ts");
mkdirSync(dir, { recursive: true });

interface Prepared {
  readonly target: Target;
  readonly seeds: readonly Seed[];
  /** What reading each seed gives, unless it is refused. */
  readonly values: ReadonlyMap<string, string>;
}
const prepared = new Map<string, Prepared>();

async function prepare(name: string): Promise<Prepared> {
  const known = prepared.get(name);
  if (known) return known;
  const target = TARGETS.find((target) => target.name === name);
  if (!target) throw new Error(`there is no target ${name}`);
  const seeds = await target.seeds(dir);
  const values = new Map<string, string>();
  // Reading a seed also warms up what the first case would be slow with; for a command it would take too long.
  for (const seed of target.limitMs ? [] : seeds) {
    const value = await target.run(seed.bytes, seed, dir).catch((error: unknown) => {
      if (judgeError(error).kind === "finding") throw error;
    });
    if (value !== undefined) values.set(seed.name, value);
  }
  const result = { target, seeds, values };
  prepared.set(name, result);
  return result;
}

/** Tells of errors that nobody caught. A case whose promise hangs on one would never end. */
let onUncaught: (error: unknown) => void = () => {};
process.on("uncaughtException", (error) => onUncaught(error));
process.on("unhandledRejection", (error) => onUncaught(error));

/** What is printed while a case runs; nothing should be. */
let printed = "";
for (const stream of [process.stdout, process.stderr]) {
  stream.write = ((text: string | Uint8Array) => {
    printed += text;
    return true;
  }) as typeof stream.write;
}

async function judge(run: () => Promise<string>, isRight: (value: string) => boolean): Promise<Outcome> {
  printed = "";
  const uncaught = new Promise<Outcome>((resolve) => {
    onUncaught = (error) => {
      const { message, where } = judgeError(error);
      resolve({ kind: "finding", message: `not caught: ${message}`, where });
    };
  });
  const ended = run().then(
    (value): Outcome => {
      if (isRight(value)) return { kind: "accepted", message: "", where: "" };
      return { kind: "finding", message: "accepted, and read as something else", where: "" };
    },
    (error: unknown) => judgeError(error),
  );
  // One turn more, for a rejection that nobody waits for.
  const settled = ended.then((outcome) => new Promise<Outcome>((resolve) => setImmediate(resolve, outcome)));
  const outcome = await Promise.race([uncaught, settled]);
  if (outcome.kind === "finding" || printed === "") return outcome;
  return { kind: "finding", message: `printed: ${printed.slice(0, 200)}`, where: "" };
}

async function answer(request: Request): Promise<Reply> {
  const nothing = { kind: "accepted", message: "", where: "", ms: 0, mb: 0, edits: 0 } as const;
  const name = request.do === "prepare" || request.do === "replay" ? request.target : request.id.target;
  const { target, seeds, values } = await prepare(name);
  if (request.do === "prepare") return nothing;

  let input: Pick<Case, "bytes" | "edits"> & { seed: Seed | undefined; same: boolean };
  if (request.do === "replay") {
    const { seed: seedName, same } = parseInputName(basename(request.path));
    const seed = seeds.find(({ name }) => name === seedName);
    input = { seed, same, edits: [], bytes: new Uint8Array(readFileSync(request.path)) };
  } else {
    const made = makeCase(target, seeds, request.id);
    if (request.do === "write") {
      mkdirSync(request.folder, { recursive: true });
      const path = join(request.folder, inputName(made, target, request.id));
      writeFileSync(path, made.bytes);
      return { ...nothing, message: path };
    }
    input = { ...made, same: target.checked?.(made.seed, made.fixed) ?? false };
  }
  if (residentMb("self") > 400) globalThis.gc?.();
  resetPeak();
  const before = residentMb("self");
  const start = performance.now();
  const { seed, bytes, same } = input;
  const expected = same && seed ? values.get(seed.name) : undefined;
  const agrees = target.agrees ?? ((expected: string, got: string) => expected === got);
  const isRight = (value: string) => expected === undefined || agrees(expected, value);
  const outcome = await judge(() => target.run(bytes, seed, dir), isRight);
  const ms = performance.now() - start;
  return {
    ...outcome,
    message: outcome.message.slice(0, 2000),
    ms,
    mb: peakMb() - before,
    edits: input.edits.length,
  };
}

process.on("message", async (request: Request) => {
  try {
    process.send?.(await answer(request));
  } catch (error) {
    process.send?.({
      kind: "finding",
      message: `the harness failed: ${(error as Error).stack}`,
      where: "",
      ms: 0,
      mb: 0,
      edits: 0,
    });
  }
});
process.on("disconnect", () => process.exit());
process.send?.("ready");
