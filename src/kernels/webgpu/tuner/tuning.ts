import { CLOCKS, type Clock } from "../timestamps.ts";
import { type Times, TUNED_ROWS } from "./times.ts";

const FORMAT = 1;

/** What was found out about kernels on a device: what is written down, and read again. */
export interface Tuning {
  /** What the adapter and its driver call themselves. */
  readonly adapter: string;
  /** Of this program. */
  readonly version: string;
  /** The day of the last measurement: 2026-11-21. */
  readonly date: string;
  readonly clock: Clock;
  /** By what was timed: "linear f16 1536x512". */
  readonly times: ReadonlyMap<string, Times>;
}

export function writeTuning({ times, ...about }: Tuning): object {
  return { format: FORMAT, ...about, rows: TUNED_ROWS, times: Object.fromEntries(times) };
}

/** A tuning that was written for this adapter by this version; undefined for anything else. */
export function readTuning(value: unknown, adapter: string, version: string): Tuning | undefined {
  if (!isObject(value) || value.format !== FORMAT || value.adapter !== adapter || value.version !== version) return;
  const { date, rows, times } = value;
  const clock = CLOCKS.find((name) => name === value.clock);
  if (!clock || typeof date !== "string" || !isObject(times)) return;
  if (JSON.stringify(rows) !== JSON.stringify(TUNED_ROWS)) return;
  const entries = Object.entries(times);
  if (!entries.every((entry): entry is [string, Times] => isTimes(entry[1]))) return;
  return { adapter, version, date, clock, times: new Map(entries) };
}

function isTimes(value: unknown): value is Times {
  const isTime = (us: unknown) => typeof us === "number" && us > 0 && us < 1e9;
  const isList = (us: unknown) => Array.isArray(us) && us.length <= TUNED_ROWS.length && us.every(isTime);
  return isObject(value) && Object.values(value).every(isList);
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
