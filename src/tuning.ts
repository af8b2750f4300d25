import { debug } from "./debug.ts";
import { reasonOf, SenseVoiceError } from "./error.ts";
import type { Gpu } from "./kernels/webgpu/gpu.ts";
import { clockOf, measureOn } from "./kernels/webgpu/timestamps.ts";
import type { Times } from "./kernels/webgpu/tuner/times.ts";
import { Tuner } from "./kernels/webgpu/tuner/tuner.ts";
import { readTuning, writeTuning } from "./kernels/webgpu/tuner/tuning.ts";
import { checkChoice, TUNES, type Tune, type TuningStore } from "./options.ts";
import type { Progress } from "./weights/source.ts";

/** Microseconds that a clock can tell apart from nothing: our own sees a round trip to the device too. */
const LEAST_US = { timestamps: 300, "wall time": 1500 };

export interface TuningOptions {
  readonly tune: Tune;
  readonly store?: TuningStore;
  /** Milliseconds that timing may take; a measurement that is under way is finished. */
  readonly limitMs: number;
  /** Kinds of layers that there will be. */
  readonly kinds: number;
  readonly onProgress?: (progress: Progress) => void;
}

/** The file of an adapter's tuning; its name has the driver in it, where that is told. */
export function tuningName(adapter: string): string {
  return `${adapter.replace(/[^\w.]+/g, "-").slice(0, 120)}.json`;
}

/** `tune`, unless given $SENSEVOICE_TUNE. @throws SenseVoiceError if it is none of TUNES */
export function tuneOf(given: unknown): Tune {
  if (given !== undefined) checkChoice("tune", given, TUNES);
  const variable = (typeof process === "undefined" ? "" : process.env.SENSEVOICE_TUNE) || "auto";
  const found = TUNES.find((name) => name === (given ?? variable));
  if (found) return found;
  throw new SenseVoiceError(`SENSEVOICE_TUNE: expected one of ${TUNES.join(", ")}, got ${JSON.stringify(variable)}`);
}

/**
 * What times kernels as a model's weights come, and puts what it finds into `times`. Undefined where nothing is timed: on
 * devices in software, and, unless it is forced, where the result cannot stay.
 */
export async function openTuner(
  gpu: Gpu,
  times: Map<string, Times>,
  options: TuningOptions,
): Promise<Tuner | undefined> {
  const { tune, store, limitMs, kinds, onProgress } = options;
  if (tune === "off" || gpu.traits.software || (tune === "auto" && !store)) return undefined;
  const name = tuningName(gpu.name);
  const version = store?.version ?? "";
  const known = readTuning(await store?.read(name), gpu.name, version);
  for (const [kind, found] of known?.times ?? []) times.set(kind, found);
  const clock = clockOf(gpu);
  const save = async () => {
    const date = new Date().toISOString().slice(0, 10);
    await store?.write(name, writeTuning({ adapter: gpu.name, version, date, clock, times }));
  };
  return new Tuner(gpu, times, {
    ...{ kinds, limitMs, force: tune === "force" },
    stopwatch: { measure: measureOn(gpu), leastUs: LEAST_US[clock] },
    onStart: async (spentMs) => {
      try {
        await save();
      } catch (error) {
        if (tune === "force") throw error;
        debug(2, () => `[tune] kernels are chosen by rule: ${reasonOf(error)}`);
        return false;
      }
      onProgress?.({ task: "tune", done: spentMs, total: limitMs });
      return true;
    },
    onEnd: save,
  });
}
