import { afterAll, describe, expect, test } from "vitest";
import { SenseVoiceError } from "../../src/error.ts";
import { webgpuBackend } from "../../src/kernels/webgpu/backend.ts";
import type { Gpu } from "../../src/kernels/webgpu/gpu.ts";
import { kernelFor } from "../../src/kernels/webgpu/linear/kernel.ts";
import { linearKind, linearOperation } from "../../src/kernels/webgpu/tuner/linear.ts";
import {
  knownRows,
  ranking,
  type Stopwatch,
  TUNED_ROWS,
  timeCandidates,
} from "../../src/kernels/webgpu/tuner/times.ts";
import { Tuner, type TunerOptions } from "../../src/kernels/webgpu/tuner/tuner.ts";
import { readTuning, writeTuning } from "../../src/kernels/webgpu/tuner/tuning.ts";
import { f32ToF16 } from "../../src/tensor/f16.ts";
import type { HostTensor } from "../../src/tensor/host.ts";
import { describeGpu, hasGpu, testGpu } from "../support/gpu.ts";
import { randomizer } from "../support/random.ts";

/** Time that goes by as kernels "run": `usOf` tells how long one takes. */
function fakeTime(usOf: (name: string, rows: number) => number) {
  let ms = 0;
  let us = 0;
  const run = (name: string, rows: number) => {
    us += usOf(name, rows);
  };
  const stopwatch: Stopwatch = {
    leastUs: 100,
    measure: async (record) => {
      us = 0;
      record();
      ms += us / 1000;
      return us;
    },
  };
  return { run, stopwatch, now: () => ms };
}

describe("times", () => {
  const timed = (usOf: (name: string, rows: number) => number, limitMs = 1e9) => {
    const { run, stopwatch, now } = fakeTime(usOf);
    const candidates = ["small", "large"].map((name) => ({ name, run: (rows: number) => run(name, rows) }));
    return timeCandidates(candidates, TUNED_ROWS, stopwatch, () => limitMs - now());
  };

  test("are of one run, by candidate and rows", async () => {
    const times = await timed((name, rows) => (name === "small" ? rows : 100 + rows / 2));
    expect(times).toEqual({ small: TUNED_ROWS, large: TUNED_ROWS.map((rows) => 100 + rows / 2) });
  });

  test("between two numbers of rows lie on a line, past the last they grow in proportion", async () => {
    const times = await timed((name, rows) => (name === "small" ? rows : 100 + rows / 2));
    expect(ranking(times, 20)).toEqual([
      ["small", 20],
      ["large", 110],
    ]);
    expect(ranking(times, 100)[0]).toEqual(["small", 100]);
    expect(ranking(times, 300)[0]).toEqual(["large", 250]);
    expect(ranking(times, 2 * 5472)[0]).toEqual(["large", 2 * (100 + 5472 / 2)]);
    expect(ranking(times, 1)[0][0]).toBe("small");
    expect(ranking({ small: [], large: [] }, 100)).toEqual([]);
  });

  test("of a candidate that is far behind are not taken any further", async () => {
    const times = await timed((name, rows) => (name === "small" ? rows : 20 * rows));
    expect(times).toEqual({ small: TUNED_ROWS, large: [400] });
    expect(ranking(times, 500).map(([name]) => name)).toEqual(["small"]);
  });

  test("are left out from where time ran out, for all candidates alike; nothing is begun that would take longer", async () => {
    let ms = 0;
    const times = await timed((name, rows) => {
      const us = rows * (name === "small" ? 100 : 130);
      ms += us / 1000;
      return us;
    }, 150);
    expect(times).toEqual({ small: [2000, 5400, 17100], large: [2600, 7020, 22230] });
    expect(ms).toBeLessThan(150);
  });

  test("of a clock that shows nothing are not zero", async () => {
    expect(Math.min(...Object.values(await timed(() => 0)).flat())).toBeGreaterThan(0);
  });
});

describe("a tuning that was written", () => {
  const times = new Map([["linear f16 64x64", { plain: [1.5, 2], tile: [3] }]]);
  const tuning = { adapter: "acme", version: "1", date: "2026-01-02", clock: "timestamps", times } as const;
  const written = JSON.parse(JSON.stringify(writeTuning(tuning)));

  test("is read again", () => expect(readTuning(written, "acme", "1")).toEqual(tuning));

  test.each<[string, unknown]>([
    ["nothing", undefined],
    ["a list", []],
    ["another format", { ...written, format: 2 }],
    ["another adapter or driver", { ...written, adapter: "acme 2" }],
    ["another version", { ...written, version: "2" }],
    ["another clock", { ...written, clock: "sun" }],
    ["no date", { ...written, date: 1 }],
    ["other rows", { ...written, rows: [1, 2, 3] }],
    ["no times", { ...written, times: null }],
    ["times that are no numbers", { ...written, times: { a: { plain: ["1"] } } }],
    ["negative times", { ...written, times: { a: { plain: [-1] } } }],
    ["too many times", { ...written, times: { a: { plain: [1, 1, 1, 1, 1, 1, 1] } } }],
  ])("is not taken if it is %s", (_, value) => expect(readTuning(value, "acme", "1")).toBeUndefined());
});

const gpu = hasGpu ? await testGpu() : undefined;

describeGpu("the tuner", () => {
  afterAll(() => gpu?.close());
  const weight = (n: number, k = 64): HostTensor => {
    const { data } = randomizer(n)([n, k], 0.1);
    return { dtype: "f16", shape: [n, k], data: f32ToF16(data as Float32Array) };
  };

  const layer = (n: number) => linearOperation(gpu as Gpu, weight(n));

  /** A device like this one, said to be hardware, on which kernels take as long as is told, and those on matrices do not compile. */
  function fakeGpu(usOf: (name: string, rows: number) => number, options: Partial<TunerOptions> = {}) {
    const device = gpu as Gpu;
    device.traits = { ...device.traits, software: false, proven: [] };
    const { run, stopwatch, now } = fakeTime(usOf);
    const ran = new Set<string>();
    device.prepare = async (record) => {
      const { dispatch } = device;
      const names: string[] = [];
      device.dispatch = ({ kernel }) => void names.push(kernel.name);
      try {
        await record();
      } finally {
        device.dispatch = dispatch;
      }
      if (names.some((name) => name.includes("matrix"))) throw new SenseVoiceError("[webgpu] kernel matrix, line 1");
    };
    const measure: Stopwatch["measure"] = async (record) => {
      const { dispatch } = device;
      device.dispatch = ({ kernel, params: [rows] }) => {
        const name = kernel.name.replace("linear ", "");
        ran.add(name);
        run(name, rows);
      };
      try {
        return await stopwatch.measure(record);
      } finally {
        device.dispatch = dispatch;
      }
    };
    const times = new Map();
    const tuner = new Tuner(device, times, {
      ...{ force: false, kinds: 1, limitMs: 2500, now },
      ...{ onStart: async () => true, onEnd: async () => {} },
      ...options,
      stopwatch: { ...stopwatch, measure },
    });
    const chosen = (of: HostTensor) => {
      const uploaded = webgpuBackend(device, { times }).uploadLinear(of);
      const names = TUNED_ROWS.map((rows) => kernelFor(uploaded, rows).name);
      device.release(uploaded);
      return names;
    };
    return { device, times, tuner, chosen, ran, now };
  }

  const byRule = ["tile 32x32", "tile 32x32", "tile 32x32", "tile 32x32", "tile 32x32", "tile 64x64"];

  test("takes the fastest kernel for so many rows, and by rule where nothing was timed", async () => {
    const { tuner, chosen, times } = fakeGpu((name, rows) => {
      if (name === "plain") return 50 * rows;
      return name === "tile 64x64" ? 30 + rows / 100 : rows;
    });
    expect(chosen(weight(64))).toEqual(byRule);
    await tuner.tune(layer(64));
    expect(chosen(weight(64))).toEqual(["tile 32x32", ...Array(5).fill("tile 64x64")]);
    expect([...times.keys()]).toEqual(["linear f16 64x64"]);
    expect(chosen(weight(96))).toEqual(byRule);
  });

  test("takes the layout whose kernels are the fastest over all rows", async () => {
    const { tuner, chosen } = fakeGpu((name, rows) => (name === "plain" ? rows : 2 * rows));
    await tuner.tune(layer(64));
    expect(chosen(weight(64))).toEqual(Array(6).fill("plain"));
  });

  test("times each kind of layer once, and what is known not at all, unless it is forced to", async () => {
    const usOf = (_: string, rows: number) => rows;
    const first = fakeGpu(usOf);
    await first.tuner.tune(layer(64));
    expect([...first.ran].sort()).toEqual(["plain", "tile 32x32", "tile 64x64"]);
    first.ran.clear();
    await first.tuner.tune(layer(64));
    expect(first.ran.size).toBe(0);
    for (const force of [false, true]) {
      const second = fakeGpu(usOf, { force });
      second.times.set("linear f16 64x64", first.times.get("linear f16 64x64"));
      await second.tuner.tune(layer(64));
      expect(second.ran.size > 0).toBe(force);
    }
  });

  test("times anew what was found out about other kernels than there are", async () => {
    const { tuner, times, ran, chosen } = fakeGpu((_, rows) => rows);
    times.set("linear f16 64x64", { plain: TUNED_ROWS, "tile 32x32": TUNED_ROWS, gone: TUNED_ROWS });
    expect(chosen(weight(64))).toEqual(byRule);
    await tuner.tune(layer(64));
    expect(ran.has("tile 64x64")).toBe(true);
  });

  test("stops in time where a kernel is slow, and what is left is chosen by rule", async () => {
    const { tuner, chosen, times, now } = fakeGpu((name, rows) => rows * (name === "tile 64x64" ? 400 : 500), {
      limitMs: 500,
    });
    await tuner.tune(layer(64));
    expect(now()).toBeLessThan(500);
    expect(knownRows(times.get("linear f16 64x64"))).toBe(3);
    expect(chosen(weight(64))).toEqual(["tile 64x64", "tile 64x64", "tile 64x64", ...byRule.slice(3)]);
  });

  test("shares its time out among the kinds of layers that are to come", async () => {
    const { tuner, times, now } = fakeGpu((_, rows) => rows * 1300, { limitMs: 1000, kinds: 4 });
    const spent: number[] = [];
    for (const n of [32, 64, 96, 128, 160]) {
      await tuner.tune(layer(n));
      spent.push(now());
    }
    expect(now()).toBeLessThan(1000 + 26); // the measurement under way at the end
    expect(spent[0]).toBeLessThan(3 * 26 + 1000 / 4); // the first run of each of three kernels beside its share
    expect([...times.values()].slice(0, 4).map(knownRows)).toEqual([1, 1, 1, 1]);
  });

  test("does not count the first run of a kernel, in which a driver may still compile", async () => {
    const ran = new Set<string>();
    const slowAtFirst = (name: string, rows: number) => (ran.has(name) ? rows : ran.add(name) && 5e5);
    const { tuner, times } = fakeGpu(slowAtFirst, { kinds: 4 });
    await tuner.tune(layer(64));
    expect(times.get("linear f16 64x64")).toEqual({
      plain: TUNED_ROWS,
      "tile 32x32": TUNED_ROWS,
      "tile 64x64": TUNED_ROWS,
    });
  });

  test("writes down what it begins before it does", async () => {
    const seen: unknown[] = [];
    const { tuner, times } = fakeGpu((_, rows) => rows, {
      onStart: async () => seen.push(times.get("linear f16 64x64")) > 0,
      onEnd: async () => void seen.push(times.get("linear f16 64x64")),
    });
    await tuner.tune(layer(64));
    expect(seen[0]).toEqual({ plain: [], "tile 32x32": [], "tile 64x64": [] });
    expect(seen[1]).toEqual({ plain: TUNED_ROWS, "tile 32x32": TUNED_ROWS, "tile 64x64": TUNED_ROWS });
  });

  test("leaves out a kernel that does not compile", async () => {
    const { device, tuner, times } = fakeGpu((_, rows) => rows);
    const { traits } = device;
    device.traits = {
      ...traits,
      f16: true,
      f16Matrix: { m: 16, n: 16, k: 16 },
      workgroupBytes: 49152,
      proven: ["f16"],
    };
    await tuner.tune(layer(64));
    const found = times.get(linearKind([64, 64], { ...formOfF16, k: 64 }));
    expect(Object.keys(found)).toContain("matrix 64x64");
    expect(found["matrix 64x64"]).toEqual([]);
    expect(found["tile 32x32"]).toEqual(TUNED_ROWS);
    device.traits = traits;
  });
});

const formOfF16 = { values: "f16", bits: 16, groupSize: 64, zeros: false, int8: false } as const;
