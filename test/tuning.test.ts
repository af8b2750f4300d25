import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { readTuning } from "../src/kernels/webgpu/tuner/tuning.ts";
import { createEngine, type EngineOptions, type Progress } from "../src/node.ts";
import { tuneOf, tuningName } from "../src/tuning.ts";
import { tuningStorage } from "../src/weights/browserStorage.ts";
import { version } from "../src/weights/home.ts";
import { temporaryFolder } from "./convert/folder.ts";
import { describeGpu } from "./support/gpu.ts";

afterAll(() => vi.unstubAllEnvs());

describe("tune", () => {
  test("is what was given, else $SENSEVOICE_TUNE, else auto", () => {
    vi.stubEnv("SENSEVOICE_TUNE", "");
    expect([tuneOf(undefined), tuneOf("force")]).toEqual(["auto", "force"]);
    vi.stubEnv("SENSEVOICE_TUNE", "off");
    expect([tuneOf(undefined), tuneOf("force")]).toEqual(["off", "force"]);
  });

  test("is refused in one line if it is something else", async () => {
    vi.stubEnv("SENSEVOICE_TUNE", "never");
    expect(() => tuneOf(undefined)).toThrow(/^SENSEVOICE_TUNE: expected one of off, auto, force, got "never"$/);
    vi.stubEnv("SENSEVOICE_TUNE", "");
    const options = (given: object) => ({ model: "tiny", device: "reference", ...given }) as EngineOptions;
    await expect(createEngine(options({ tune: true }))).rejects.toThrow(
      /^\[engine\] tune: expected one of off, auto, force, got true$/,
    );
    await expect(createEngine(options({ tuneSeconds: -1 }))).rejects.toThrow(
      /^\[engine\] tuneSeconds: expected a number/,
    );
    await expect(createEngine(options({ profile: 1 }))).rejects.toThrow(
      /^\[engine\] profile: expected one of true, false/,
    );
  });
});

test("a browser keeps results beside its models, and takes what is damaged for nothing", async () => {
  const written = new Map<string, string>();
  const root = {
    getFileHandle: async (name: string) => ({
      getFile: async () => ({ text: async () => written.get(name) ?? Promise.reject(new Error("none")) }),
      createWritable: async () => {
        let text = "";
        return {
          write: async (part: string) => {
            text += part;
          },
          close: async () => void written.set(name, text),
        };
      },
    }),
  } as unknown as FileSystemDirectoryHandle;
  vi.stubGlobal("navigator", { userAgent: "browser 1" });
  const store = tuningStorage(root);
  vi.unstubAllGlobals();
  expect(await store.read("a.json")).toBeUndefined();
  await store.write("a.json", { a: 1 });
  expect(await store.read("a.json")).toEqual({ a: 1 });
  written.set("tuning-a.json", "{");
  expect(await store.read("a.json")).toBeUndefined();
  expect(store.version).toBe("browser 1");
});

describeGpu("loading a model on a GPU", () => {
  let dawn: GPU; // crashes if it is collected before its devices
  let description = "driver 1";
  /** The adapter of these tests, said to be hardware; nothing is compiled or computed on it. */
  const requestAdapter = async () => {
    const real = await dawn.requestAdapter();
    const info = { vendor: "acme", architecture: "gpu", device: "card", description, isFallbackAdapter: false };
    const { features, limits } = real!;
    return { info, features, limits, requestDevice: (wanted: GPUDeviceDescriptor) => real!.requestDevice(wanted) };
  };
  const importAll = async () => ({
    ...(await import("../src/node.ts")),
    ...(await import("../src/cli/info.ts")),
    ...(await import("../src/cli/tune.ts")),
    ...(await import("../src/kernels/webgpu/gpu.ts")),
    ...(await import("../src/engine.ts")),
  });
  let ours: Awaited<ReturnType<typeof importAll>>;
  beforeAll(async () => {
    vi.resetModules(); // they remember the adapter that they found first
    ours = await importAll();
    dawn = (await import("webgpu")).create([]) as GPU;
  });
  let home = "";
  let timed = 0;
  beforeEach(() => {
    description = "driver 1";
    timed = 0;
    home = temporaryFolder();
    vi.stubEnv("SENSEVOICE_HOME", home);
    vi.stubEnv("SENSEVOICE_TUNE", "");
    vi.stubGlobal("navigator", { ...globalThis.navigator, gpu: { requestAdapter, wgslLanguageFeatures: new Set() } });
    vi.spyOn(ours.Gpu.prototype, "prepare").mockResolvedValue();
    vi.spyOn(ours.Engine.prototype, "run").mockResolvedValue(undefined as never); // those that warm it up
    vi.spyOn(ours.Gpu.prototype, "dispatch").mockImplementation(() => {
      timed++;
    });
    return () => {
      vi.restoreAllMocks();
      vi.unstubAllGlobals();
    };
  });

  const load = async (options: EngineOptions = {}): Promise<Progress[]> => {
    const progress: Progress[] = [];
    const onProgress = (step: Progress) => void progress.push(step);
    const engine = await ours.createEngine({ model: "tiny", device: "webgpu", onProgress, ...options });
    await engine.close();
    return progress.filter(({ task }) => task === "tune");
  };
  const adapter = () => `acme gpu card ${description}`;
  const path = () => join(home, "tuning", tuningName(adapter()));
  const written = () => JSON.parse(readFileSync(path(), "utf8"));
  const tuning = () => readTuning(written(), adapter(), version());

  test("times the kernels of each kind of layer once, and says so", async () => {
    const steps = await load();
    expect(steps.length).toBe(tuning()?.times.size);
    expect(steps[0]).toEqual({ task: "tune", done: 0, total: 2500 });
    expect(steps.every(({ done }, i) => i === 0 || done > steps[i - 1].done)).toBe(true);
    expect(timed).toBeGreaterThan(0);
    for (const [kind, times] of tuning()?.times ?? []) {
      expect(kind).toMatch(/^linear f16 \d+x\d+$/);
      expect(Object.keys(times)).toEqual(["plain", "tile 32x32", "tile 64x64"]);
      expect(Math.min(...Object.values(times).map(({ length }) => length))).toBeGreaterThan(0);
    }
    const { mtimeMs } = statSync(path());
    timed = 0;
    expect(await load()).toEqual([]);
    expect([timed, statSync(path()).mtimeMs]).toEqual([0, mtimeMs]);
    expect((await load({ tune: "force" })).length).toBe(steps.length);
  });

  test.each<[string, () => void]>([
    ["torn", () => writeFileSync(path(), readFileSync(path(), "utf8").slice(0, -100))],
    ["of another version", () => writeFileSync(path(), JSON.stringify({ ...written(), version: "0.0.1" }))],
  ])("makes a file that is %s anew", async (_, spoil) => {
    await load();
    const kinds = [...(tuning()?.times.keys() ?? [])];
    spoil();
    expect((await load()).length).toBe(kinds.length);
    expect([...(tuning()?.times.keys() ?? [])]).toEqual(kinds);
  });

  test("times anew for another driver, and keeps what was found out for the first", async () => {
    await load();
    description = "driver 2";
    expect((await load()).length).toBeGreaterThan(0);
    expect(readdirSync(join(home, "tuning")).length).toBe(2);
    description = "driver 1";
    expect(await load()).toEqual([]);
  });

  test("keeps what is known of other models", async () => {
    await load({ weights: "f32" });
    const kinds = tuning()?.times.size ?? 0;
    await load();
    expect(tuning()?.times.size).toBeGreaterThan(kinds);
    expect(await load({ weights: "f32" })).toEqual([]);
  });

  test("times nothing that is switched off, and goes by rule where the results cannot be kept", async () => {
    expect(await load({ tune: "off" })).toEqual([]);
    vi.stubEnv("SENSEVOICE_TUNE", "off");
    expect(await load()).toEqual([]);
    expect(existsSync(join(home, "tuning"))).toBe(false);
    vi.stubEnv("SENSEVOICE_TUNE", "");
    writeFileSync(join(home, "tuning"), "");
    expect(await load()).toEqual([]);
    expect(timed).toBe(0);
    await expect(load({ tune: "force" })).rejects.toThrow(/^\[weights\] \S+tuning/);
  });

  test("stops when the time that it may take is over", async () => {
    expect(await load({ tuneSeconds: 0 })).toEqual([]);
    expect(existsSync(join(home, "tuning"))).toBe(false);
  });

  test("times nothing on a GPU in software", async () => {
    description = "SwiftShader driver";
    expect(await load({ tune: "force" })).toEqual([]);
    expect([timed, existsSync(join(home, "tuning"))]).toEqual([0, false]);
    await expect(ours.tune({ model: "tiny" })).rejects.toThrow(
      /^\[tune\] expected a GPU .*, got acme gpu card SwiftShader driver, which is software: its kernels are chosen by rule$/,
    );
  });

  test("sensevoice tune prints the fastest kernels, info what was chosen", async () => {
    const printed: string[] = [];
    vi.spyOn(console, "log").mockImplementation((text) => void printed.push(text));
    const note = vi.spyOn(process.stderr, "write").mockReturnValue(true);
    const info = async (...args: string[]) => {
      await ours.infoCommand().parseAsync(args, { from: "user" });
      return printed.splice(0).join("\n");
    };
    expect(await info()).toMatch(/^kernels +chosen by rule$/m);
    expect(JSON.parse(await info("--format", "json")).adapter.kernels).toBeNull();

    const table = (await ours.tune({ model: "tiny" })).split("\n");
    expect(note.mock.calls.join()).toContain(`note: timed by timestamps on acme gpu card driver 1; kept in ${home}`);
    expect(table[0]).toMatch(/^layer +kernel +next best +rows +µs +GFLOP\/s +next µs$/);
    const kernel = "(?:plain|tile \\d+x\\d+)";
    // Nothing is computed here, so times are noise: at times all kernels but one are given up.
    const line = new RegExp(`^linear f16 \\d+x\\d+ +${kernel}(?: +${kernel})? +\\d+ +[\\d.]+ +\\d+(?: +[\\d.]+)?$`);
    for (const text of table.slice(1)) expect(text).toMatch(line);
    expect(table.length - 1).toBeGreaterThan(tuning()!.times.size);

    const { date, clock, fastest } = JSON.parse(await info("--format", "json")).adapter.kernels;
    expect({ date, clock }).toEqual({ date: tuning()?.date, clock: "timestamps" });
    expect(Object.keys(fastest)).toEqual([...tuning()!.times.keys()]);
    const text = await info();
    expect(text).toMatch(/^kernels +timed on \d{4}-\d\d-\d\d by timestamps$/m);
    expect(text).toMatch(new RegExp(`^ +linear f16 \\d+x\\d+: ${kernel}`, "m"));
  });
});
