import { applyEdits, type Edit, randomEdits } from "./edits.ts";
import { createRandom } from "./random.ts";
import type { Seed } from "./seeds.ts";
import type { Target } from "./target.ts";

/** Case `number` of a run; with `keep`, only these of its edits. */
export interface CaseId {
  readonly target: string;
  readonly seed: string;
  readonly number: number;
  readonly keep?: readonly number[];
}

export interface Case {
  readonly seed: Seed;
  readonly edits: readonly Edit[];
  /** Whether checksums were made right after the edits. */
  readonly fixed: boolean;
  readonly bytes: Uint8Array;
}

/** The case of this number: it depends on nothing else but the run's seed and the target. */
export function makeCase(target: Target, seeds: readonly Seed[], { seed, number, keep }: CaseId): Case {
  const random = createRandom(seed, target.name, number);
  const chosen = random.pick(seeds);
  const other = random.pick(seeds);
  const fixed = target.fix !== undefined && random.oneIn(2);
  const all = randomEdits(random, chosen.bytes, other.bytes, chosen.format);
  const edits = keep ? all.filter((_, i) => keep.includes(i)) : all;
  const edited = applyEdits(chosen.bytes, edits);
  return { seed: chosen, edits: all, fixed, bytes: fixed && target.fix ? target.fix(edited) : edited };
}

/** The file name of a failing input: which seed it was made of, whether it must be read as that one, and its number. */
export function inputName({ seed, fixed }: Case, target: Target, { seed: run, number }: CaseId): string {
  const mode = target.checked?.(seed, fixed) ? "same" : "any";
  return `${run}.${number}.${mode}.${seed.name}`;
}

/** What inputName said. */
export function parseInputName(name: string): { seed: string; same: boolean } {
  const [, mode, seed] = /^[^.]*\.\d+\.(same|any)\.(.*)$/.exec(name) ?? [];
  if (seed === undefined) throw new Error(`${name}: expected RUN.NUMBER.same|any.SEED`);
  return { seed, same: mode === "same" };
}

/** The fewest of `count` edits that still fail, tried greedily: halves first, then one by one. */
export async function minimise(
  count: number,
  fails: (keep: readonly number[]) => Promise<boolean>,
  tries = 12,
): Promise<readonly number[]> {
  let keep: readonly number[] = Array.from({ length: count }, (_, i) => i);
  for (let size = Math.ceil(count / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < keep.length && keep.length > 1; ) {
      if (tries-- <= 0) return keep;
      const fewer = keep.filter((_, i) => i < at || i >= at + size);
      if (fewer.length > 0 && (await fails(fewer))) keep = fewer;
      else at += size;
    }
  }
  return keep;
}
