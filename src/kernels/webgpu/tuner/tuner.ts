import { debug } from "../../../debug.ts";
import { reasonOf } from "../../../error.ts";
import type { Gpu } from "../gpu.ts";
import { type Candidate, isAbout, type Stopwatch, type Times, timeCandidates } from "./times.ts";

/** Something that several kernels can compute. */
export interface Operation {
  /** What it is called in tables and files. */
  readonly kind: string;
  /** Names of the kernels. */
  readonly names: readonly string[];
  /** The first of TUNED_ROWS. */
  readonly rowCounts: readonly number[];
  /** Makes on the device what the kernels need; release it when done. */
  readonly open: () => { readonly candidates: readonly Candidate[]; readonly release: () => void };
}

export interface TunerOptions {
  /** Whether what is known is timed anew. */
  readonly force: boolean;
  /** How many operations there will be, to share the time out. */
  readonly kinds: number;
  /** Milliseconds that all of it may take. */
  readonly limitMs: number;
  readonly stopwatch: Stopwatch;
  /** Called before an operation is timed, when `times` has it without numbers; false if it is not to be. */
  readonly onStart: (spentMs: number) => Promise<boolean>;
  readonly onEnd: () => Promise<void>;
  readonly now?: () => number;
}

/** Finds out which kernels are the fastest on a device. */
export class Tuner {
  readonly #gpu: Gpu;
  readonly #times: Map<string, Times>;
  readonly #options: TunerOptions;
  readonly #seen = new Set<string>();
  /** Milliseconds that it took so far. */
  spentMs = 0;

  /** @param times what is known by the name of what was timed; `tune` adds to it */
  constructor(gpu: Gpu, times: Map<string, Times>, options: TunerOptions) {
    this.#gpu = gpu;
    this.#times = times;
    this.#options = options;
  }

  /** Times the kernels of an operation, unless they are known or there is no time left. */
  async tune(operation: Operation): Promise<void> {
    const { force, limitMs, onStart, onEnd, now = () => performance.now() } = this.#options;
    const { kind, names } = operation;
    if (this.#seen.has(kind)) return;
    this.#seen.add(kind);
    const known = this.#times.get(kind);
    if (names.length < 2 || (known && isAbout(known, names) && !force) || this.spentMs >= limitMs) return;
    // Written down first: a kernel that takes the driver down with it is not tried a second time.
    this.#times.set(kind, untimed(names));
    if (!(await onStart(this.spentMs))) return;
    const start = now();
    try {
      this.#times.set(kind, await this.#time(operation, () => limitMs - this.spentMs - (now() - start)));
    } catch (error) {
      debug(2, () => `[tune] ${kind}: ${reasonOf(error)}`);
    }
    this.spentMs += now() - start;
    await onEnd();
  }

  async #time({ names, rowCounts, open }: Operation, leftMs: () => number): Promise<Times> {
    const { kinds, stopwatch } = this.#options;
    const { candidates, release } = open();
    try {
      const able = await this.#compiled(candidates, rowCounts[0]);
      for (const { run } of able) {
        if (leftMs() > 0) await stopwatch.measure(() => run(rowCounts[0])); // drivers may compile until a kernel has run
      }
      // Those to come get as much of what is left. Some of the kernels that were compiled are theirs too.
      const rest = leftMs() * (1 - 1 / Math.max(1, kinds - this.#seen.size + 1));
      const times = await timeCandidates(able, rowCounts, stopwatch, () => leftMs() - rest);
      return { ...untimed(names), ...times };
    } finally {
      release();
    }
  }

  /** The candidates that compile: all side by side, or, if one does not, each on its own. */
  async #compiled(candidates: readonly Candidate[], rows: number): Promise<readonly Candidate[]> {
    const prepare = async (some: readonly Candidate[]) => {
      await this.#gpu.prepare(async () => {
        for (const { run } of some) run(rows);
      });
      return some;
    };
    return prepare(candidates).catch(async () => {
      const able: Candidate[] = [];
      for (const candidate of candidates) able.push(...(await prepare([candidate]).catch(() => [])));
      return able;
    });
  }
}

function untimed(names: readonly string[]): Times {
  return Object.fromEntries(names.map((name) => [name, []]));
}
