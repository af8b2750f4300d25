/** Rows that kernels are timed at: clips of 1, 3, 10 and 30 s, and batches of 8 and 32 clips of 10 s. */
export const TUNED_ROWS: readonly number[] = [20, 54, 171, 504, 1368, 5472];

/** Microseconds of each candidate, by name, at the first so many of TUNED_ROWS. */
export type Times = Readonly<Record<string, readonly number[]>>;

/** One of several ways to compute the same. */
export interface Candidate {
  readonly name: string;
  /** Records it once, for so many rows. */
  readonly run: (rows: number) => void;
}

/** Tells how long things take. */
export interface Stopwatch {
  /** Microseconds that the device takes for what `record` records. */
  readonly measure: (record: () => void) => Promise<number>;
  /** Microseconds that it can tell apart from nothing. */
  readonly leastUs: number;
}

/** A candidate that took so many times as long as the best is not timed with more rows. */
const HOPELESS = 8;
const MAX_REPEATS = 128;
const MEASUREMENTS = 3;

/**
 * Times candidates with more and more rows. Where time runs out, the numbers of rows at which not all were timed are left
 * out.
 *
 * @param rowCounts the first of TUNED_ROWS
 * @param leftMs milliseconds that may still be spent
 */
export async function timeCandidates(
  candidates: readonly Candidate[],
  rowCounts: readonly number[],
  stopwatch: Stopwatch,
  leftMs: () => number,
): Promise<Times> {
  const times = new Map(candidates.map(({ name }) => [name, [] as number[]]));
  let running = [...candidates];
  for (const [i, rows] of rowCounts.entries()) {
    const found: [candidate: Candidate, us: number][] = [];
    for (const candidate of running) {
      const before = times.get(candidate.name)?.at(-1) ?? 0;
      const us = (before * rows) / (rowCounts[i - 1] ?? rows);
      if (leftMs() <= (isLong(us, stopwatch) ? us : MEASUREMENTS * us) / 1000) return Object.fromEntries(times);
      found.push([candidate, await timeOne(() => candidate.run(rows), stopwatch)]);
    }
    const best = Math.min(...found.map(([, us]) => us));
    for (const [{ name }, us] of found) times.get(name)?.push(us);
    running = found.filter(([, us]) => us <= HOPELESS * best).map(([candidate]) => candidate);
  }
  return Object.fromEntries(times);
}

/** Whether one run tells enough. */
function isLong(us: number, { leastUs }: Stopwatch): boolean {
  return us > MAX_REPEATS * leastUs;
}

/** The best of a few measurements, each of enough runs one after another. */
async function timeOne(run: () => void, stopwatch: Stopwatch): Promise<number> {
  const { measure, leastUs } = stopwatch;
  const measured = (repeats: number) =>
    measure(() => {
      for (let i = 0; i < repeats; i++) run();
    });
  let repeats = 1;
  let us = await measured(1);
  if (isLong(us, stopwatch)) return us;
  while (us < leastUs && repeats < MAX_REPEATS) {
    repeats = Math.min(MAX_REPEATS, Math.max(2 * repeats, Math.ceil((repeats * leastUs) / us)));
    us = await measured(repeats);
  }
  for (let i = 1; i < MEASUREMENTS; i++) us = Math.min(us, await measured(repeats));
  return Math.max(us / repeats, 1e-3);
}

/** Were these the candidates? */
export function isAbout(times: Times, names: readonly string[]): boolean {
  return names.length === Object.keys(times).length && names.every((name) => Object.hasOwn(times, name));
}

/** Of how many of TUNED_ROWS something is known. */
export function knownRows(times: Times): number {
  return Math.max(0, ...Object.values(times).map(({ length }) => length));
}

/**
 * Microseconds of each candidate for so many rows, the fastest first: on a line between the two numbers of rows around
 * it, in proportion past the last. Candidates that were given up before are not among them.
 */
export function ranking(times: Times, rows: number): [name: string, us: number][] {
  const known = knownRows(times);
  if (known === 0) return [];
  const above = TUNED_ROWS.findIndex((count) => count >= rows);
  const at = above < 0 ? known - 1 : Math.min(above, known - 1);
  const [from, to] = [TUNED_ROWS[at - 1] ?? 0, TUNED_ROWS[at]];
  return Object.entries(times)
    .filter(([, us]) => us.length > at)
    .map(([name, us]): [string, number] => {
      if (rows > to) return [name, (us[at] * rows) / to];
      const low = us[at - 1] ?? us[at];
      return [name, low + ((us[at] - low) * Math.max(0, rows - from)) / (to - from)];
    })
    .sort(([, a], [, b]) => a - b);
}
