import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { randomModelTensors } from "../scripts/random-weights.ts";
import { streamInput } from "../src/audio/read.ts";
import { Engine } from "../src/engine.ts";
import { webgpuBackend } from "../src/kernels/webgpu/backend.ts";
import type { Gpu, GpuTensor } from "../src/kernels/webgpu/gpu.ts";
import type { ModelConfig } from "../src/model/sensevoice/config.ts";
import { prepareLayer, SenseVoice } from "../src/model/sensevoice/network.ts";
import { createTokenizer } from "../src/model/sensevoice/tokenizer.ts";
import { loadWeights } from "../src/model/sensevoice/weights.ts";
import { createEngine, type Progress, readAudio, SenseVoiceError, type Transcript } from "../src/node.ts";
import { findModel } from "../src/weights/home.ts";
import { watchEventLoop } from "./support/eventLoop.ts";
import { describeGpu, testGpu } from "./support/gpu.ts";
import { openModelFolder } from "./support/model.ts";

const sample = (name: string) => readAudio(new URL(`../samples/${name}`, import.meta.url).pathname);
const withoutTimings = ({ timings, ...rest }: Transcript) => rest;

describe("engine", () => {
  let engine: Engine;
  let happy: Float32Array;
  beforeAll(async () => {
    engine = await createEngine({ model: "tiny", device: "cpu" });
    happy = await sample("zh-happy.wav");
  });
  afterAll(() => engine.close());

  test("a transcript has all its parts", async () => {
    const result = await engine.run(happy, { timestamps: true });
    expect(withoutTimings(result)).toMatchObject({
      text: "祝你生日快乐😊",
      raw: "<|zh|><|HAPPY|><|Speech|><|woitn|>祝你生日快乐",
      tokens: [970, 980, 976, 993, 969, 558, 576, 366, 557, 658],
      language: "zh",
      emotion: "happy",
      events: ["speech"],
      duration: happy.length / 16000,
    });
    expect(result.words?.map(({ word }) => word).join("")).toBe("祝你生日快乐");
    for (const { start, end, confidence } of result.words ?? []) {
      expect(end).toBeGreaterThan(start);
      expect(confidence).toBeGreaterThan(0);
      expect(confidence).toBeLessThanOrEqual(1);
    }
    const { features, encode, decode, total } = result.timings;
    expect(features + encode + decode).toBeCloseTo(total, 6);
    expect((await engine.run(happy)).words).toBeNull();
  });

  test("a signal that is none is refused", async () => {
    await expect(createEngine({ model: "tiny", signal: 5 as never })).rejects.toThrow(
      "[engine] signal: expected an AbortSignal, got 5",
    );
  });

  test("the device is named as it is asked for", async () => {
    expect(engine.device).toBe("cpu");
    await using again = await createEngine({ model: "tiny", device: engine.device });
    expect(again.device).toBe("cpu");
  });

  test("a batch, and runs that overlap, give what each clip gives alone", async () => {
    const clips = [happy.subarray(0, 9000), await sample("yue.wav"), happy];
    const alone = [];
    for (const clip of clips) alone.push(withoutTimings(await engine.run(clip, { timestamps: true })));
    expect((await engine.runBatch(clips, { timestamps: true })).map(withoutTimings)).toEqual(alone);
    const overlapping = await Promise.all(clips.map((clip) => engine.run(clip, { timestamps: true })));
    expect(overlapping.map(withoutTimings)).toEqual(alone);
    expect(await engine.runBatch([])).toEqual([]);
  });

  test("the caller's event loop goes on, from the first run on, with word times", async () => {
    const pcm = new Float32Array(60 * 16000).map((_, i) => happy[i % happy.length]);
    await using fresh = await createEngine({ model: "tiny", device: "cpu" });
    const longest: number[] = [];
    for (let i = 0; i < 3; i++) {
      longest.push((await watchEventLoop(() => fresh.run(pcm, { timestamps: true }))).longest);
    }
    expect(longest[0]).toBeLessThan(40); // V8 still interprets and compiles
    expect(Math.min(...longest.slice(1))).toBeLessThan(12);
  });

  test("samples are taken when the call is made: what happens to the array later changes nothing", async () => {
    const expected = withoutTimings(await engine.run(happy));
    const clip = happy.slice();
    const filled = engine.run(clip);
    clip.fill(0);
    expect(withoutTimings(await filled)).toEqual(expected);
    const moved = happy.slice();
    const running = engine.run(moved);
    structuredClone(moved, { transfer: [moved.buffer] });
    expect(withoutTimings(await running)).toEqual(expected);
    await expect(engine.run(moved)).rejects.toThrow("expected sound, got 0 samples");
  });

  test("ITN is asked for; the unknown emotion can be banned", async () => {
    expect((await engine.run(happy, { itn: true })).raw).toContain("<|withitn|>");
    const applause = await sample("applause.wav");
    expect((await engine.run(applause)).raw).toContain("<|EMO_UNKNOWN|>");
    expect((await engine.run(applause, { banUnknownEmotion: true })).raw).not.toContain("<|EMO_UNKNOWN|>");
  });

  test("sound as short as it can be has a result", async () => {
    for (const samples of [1, 160, 400, 401]) {
      const { raw, words } = await engine.run(happy.subarray(0, samples), { timestamps: true });
      expect(raw).toMatch(/^<\|/);
      expect(words).toEqual(expect.any(Array));
    }
  });

  test("wrong input is refused in one line", async () => {
    const wrong: [() => Promise<unknown>, string][] = [
      [() => engine.run(new Float32Array(0)), "expected sound, got 0 samples"],
      [() => engine.run(Float32Array.of(0, Number.NaN)), "got NaN at sample 1"],
      [() => engine.run([0, 1] as unknown as Float32Array), "expected samples in a Float32Array"],
      [() => engine.run(new Float32Array(16000 * 1801)), "expected at most 1800 seconds, got 1801"],
      [() => engine.run(happy, { language: "fr" as "en" }), "[engine] language: expected one of auto, zh, en"],
      [() => createEngine({ device: "tpu" as "cpu" }), "[engine] device: expected one of auto, webgpu, cpu"],
      [() => createEngine({ weights: "int3" as "f32" }), "[engine] weights: expected one of f32, f16"],
      [() => createEngine({ model: "nowhere" }), "there is no such folder"],
      [() => engine.run(happy, null as unknown as object), "[engine] options: expected an object, got null"],
      [() => engine.run(happy, { signal: {} as AbortSignal }), "[engine] signal: expected an AbortSignal, got Object"],
      [() => engine.runBatch(happy as unknown as Float32Array[]), "[engine] clips: expected an array"],
      [() => createEngine(null as unknown as object), "[engine] options: expected an object, got null"],
      [() => createEngine({ model: 3 as unknown as string }), "[engine] model: expected a text, got 3"],
      [
        () => createEngine({ model: "tiny", device: "cpu", threads: "2" as unknown as number }),
        '[cpu] threads: expected a whole number from 1 to 64, got "2"',
      ],
      [() => engine.run(new Float32Array(16000 * 1800 + 8)), "expected at most 1800 seconds, got 1800.001"],
    ];
    for (const [call, message] of wrong) {
      const error: unknown = await call().catch((e: unknown) => e);
      expect(error).toBeInstanceOf(SenseVoiceError);
      expect((error as Error).message).toContain(message);
      expect((error as Error).message).not.toContain("\n");
    }
  });

  test("a run can be aborted at any moment, and takes effect at once", async () => {
    const pcm = new Float32Array(120 * 16000).map((_, i) => happy[i % happy.length]);
    let total = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 2; i++) {
      total = Math.min(total, (await engine.run(pcm, { timestamps: true })).timings.total);
    }
    for (const share of [0, 0.05, 0.2, 0.4, 0.6]) {
      const controller = new AbortController();
      const running = engine.run(pcm, { timestamps: true, signal: controller.signal });
      running.catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, total * share));
      const aborted = performance.now();
      controller.abort(new Error("enough"));
      await expect(running).rejects.toThrow("enough");
      expect(performance.now() - aborted).toBeLessThan(50);
    }
    await expect(engine.run(happy, { signal: AbortSignal.abort() })).rejects.toThrow(/aborted/);
    // The device is free soon after, and as good as new.
    const after = performance.now();
    expect((await engine.run(happy)).text).toBe("祝你生日快乐😊");
    expect(performance.now() - after).toBeLessThan(total / 2 + 500);
  });

  test("loading reports its progress and can be aborted", async () => {
    const seen: Progress[] = [];
    const loaded = await createEngine({ model: "tiny", device: "cpu", onProgress: (p) => seen.push(p) });
    await loaded.close();
    expect(new Set(seen.map(({ task, total }) => `${task} ${total}`))).toEqual(
      new Set([`model.safetensors ${seen.at(-1)?.done}`]),
    );
    expect(seen.every(({ done }, i) => done > (seen[i - 1]?.done ?? 0))).toBe(true);
    const controller = new AbortController();
    const { signal } = controller;
    const loading = createEngine({
      model: "tiny",
      device: "cpu",
      signal,
      onProgress: () => controller.abort(new Error("enough")),
    });
    await expect(loading).rejects.toThrow("enough");
    await expect(createEngine({ model: "tiny", signal })).rejects.toThrow("enough");
  });

  test("weights are turned into what was asked for", async () => {
    const bytes: Record<string, number> = {};
    for (const weights of ["f32", "f16", "int8", "int4"] as const) {
      await using loaded = await createEngine({ model: "tiny", device: "cpu", weights });
      expect(loaded.weights).toBe(weights);
      bytes[weights] = loaded.memory;
    }
    // 6.6 million linear weights; the rest, 0.2 million, is f32 in all.
    expect(bytes.f32 - bytes.f16).toBeCloseTo(13.3e6, -6);
    expect(bytes.f16 - bytes.int8).toBeCloseTo(6.6e6, -6);
    expect(bytes.int8 - bytes.int4).toBeGreaterThan(2e6);
  });

  test("a closed engine says so", async () => {
    let closed: Engine;
    {
      await using scoped = await createEngine({ model: "tiny", device: "cpu" });
      closed = scoped;
    }
    await expect(closed.run(happy)).rejects.toThrow("[engine] the engine is closed: create a new one");
    await closed.close(); // twice does no harm
  });
});

/** The architecture in small: what is tested here does not need a model that knows anything. */
const SMALL: ModelConfig["encoder"] = {
  inputSize: 560,
  outputSize: 64,
  attentionHeads: 2,
  linearUnits: 128,
  numBlocks: 2,
  tpBlocks: 1,
  kernelSize: 11,
};

async function smallEngine(gpu: Gpu): Promise<Engine> {
  const { config: tiny, tokenizer } = await openModelFolder(findModel("tiny"));
  const config = { ...tiny, encoder: SMALL };
  const backend = webgpuBackend(gpu);
  const weights = await loadWeights(backend, config, randomModelTensors(config));
  const model = new SenseVoice(backend, SMALL, weights);
  await model.prepare();
  return new Engine({
    model,
    config,
    tokenizer: createTokenizer(tokenizer),
    cmvn: weights.cmvn,
    weights: "f32",
    readSound: streamInput,
    loadSpeakers: () => Promise.reject(),
  });
}

describeGpu("engine on WebGPU", () => {
  const noise = (samples: number) => Float32Array.from({ length: samples }, (_, i) => Math.sin(i * i));

  test("memory is flat over 1 000 runs of mixed lengths", async () => {
    const engine = await smallEngine(await testGpu());
    const seconds = (i: number) => 0.05 + ((i * 7) % 20) / 20;
    const run = (i: number) => {
      const clip = noise(16000 * seconds(i));
      return i % 3 === 0 ? engine.runBatch([clip, noise(4000)]) : engine.run(clip, { timestamps: i % 3 === 1 });
    };
    for (let i = 0; i < 60; i++) await run(i); // every length, alone and in a batch
    const before = engine.memory;
    for (let i = 0; i < 1000; i++) await run(i);
    expect(engine.memory).toBe(before);
    await engine.close();
  }, 300_000);

  test("kernels are compiled while loading; a long clip goes to the device in parts", async () => {
    const gpu = await testGpu();
    const engine = await smallEngine(gpu);
    const { device } = gpu;
    const compile = vi.spyOn(device, "createComputePipeline");
    const submit = vi.spyOn(device.queue, "submit");
    await engine.run(noise(16000), { timestamps: true });
    expect(compile).not.toHaveBeenCalled();
    const ofShort = submit.mock.calls.length;
    expect(ofShort).toBe(2); // encoder and head, log-probabilities
    await engine.run(noise(16000 * 70), { timestamps: true });
    expect(compile).not.toHaveBeenCalled();
    expect(submit.mock.calls.length - ofShort).toBeGreaterThan(3);
    await engine.close();
  });

  test("after loading nothing is compiled or bound; a run like one before makes nothing on the device", async () => {
    const gpu = await testGpu();
    const engine = await smallEngine(gpu);
    const made = ["createComputePipeline", "createComputePipelineAsync", "createBindGroup", "createBuffer"] as const;
    const spies = made.map((name) => vi.spyOn(gpu.device, name));
    const madeIn = async (...clips: Float32Array[]) => {
      for (const spy of spies) spy.mockClear();
      await engine.runBatch(clips);
      return spies.map((spy) => spy.mock.calls.length);
    };
    expect((await madeIn(noise(16000 * 11))).slice(0, 3)).toEqual([0, 0, 0]);
    await madeIn(noise(16000 * 11));
    expect(await madeIn(noise(16000 * 11))).toEqual([0, 0, 0, 0]);
    expect((await madeIn(noise(16000 * 29))).slice(0, 3)).toEqual([0, 0, 0]); // up to 30 s they share buffers
    const batch = [19, 11, 1].map((seconds) => noise(16000 * seconds));
    expect((await madeIn(...batch)).slice(0, 2)).toEqual([0, 0]);
    expect(await madeIn(...batch)).toEqual([0, 0, 0, 0]);
    await engine.close();
  });

  test("the kernels of a layer are compiled while the weights of others come, each once", async () => {
    const gpu = await testGpu();
    const backend = webgpuBackend(gpu);
    const compile = vi.spyOn(gpu.device, "createComputePipelineAsync");
    const shader = vi.spyOn(gpu.device, "createShaderModule");
    const { config: tiny } = await openModelFolder(findModel("tiny"));
    const config = { ...tiny, encoder: SMALL };
    let compiledBeforeLast = 0;
    function* tensors() {
      for (const tensor of randomModelTensors(config)) {
        compiledBeforeLast = compile.mock.calls.length;
        yield tensor;
      }
    }
    const layers: Promise<void>[] = [];
    const weights = await loadWeights(backend, config, tensors(), undefined, (layer) => {
      layers.push(prepareLayer(backend, SMALL, layer));
    });
    expect(layers).toHaveLength(3);
    expect(compiledBeforeLast).toBeGreaterThanOrEqual(5);
    await Promise.all([new SenseVoice(backend, SMALL, weights).prepare(), ...layers]);
    const texts = shader.mock.calls.map(([{ code }]) => code);
    expect(new Set(texts).size).toBe(texts.length);
    backend.close();
  });

  test("a shorter clip in between does not change what the next one finds", async () => {
    const gpu = await testGpu();
    const engine = await smallEngine(gpu);
    const clips = [8, 0.5, 32, 3].map((seconds) => noise(16000 * seconds));
    for (const clip of [...clips, ...clips]) await engine.run(clip);
    const groups = vi.spyOn(gpu.device, "createBindGroup");
    const buffers = vi.spyOn(gpu.device, "createBuffer");
    for (const clip of [...clips].reverse()) await engine.run(clip);
    expect([groups.mock.calls.length, buffers.mock.calls.length]).toEqual([0, 0]);
    await engine.close();
  });

  test("kernels are made once: the second run dispatches the same objects", async () => {
    const gpu = await testGpu();
    const engine = await smallEngine(gpu);
    const dispatch = vi.spyOn(gpu, "dispatch");
    const kernelsOfRun = async () => {
      dispatch.mockClear();
      await engine.run(noise(16000), { timestamps: true });
      return new Set(dispatch.mock.calls.map(([{ kernel }]) => kernel));
    };
    const first = await kernelsOfRun();
    expect(first.size).toBeGreaterThan(3);
    for (const kernel of await kernelsOfRun()) expect(first.has(kernel)).toBe(true);
    await engine.close();
  });

  test("runs that fail or are aborted leave no memory behind", async () => {
    const engine = await smallEngine(await testGpu());
    const clip = noise(16000 * 30);
    await Promise.all([1, 2, 3].map(() => engine.run(clip, { timestamps: true }))); // as many as there are at a time
    const before = engine.memory;
    for (let i = 0; i < 20; i++) {
      const controller = new AbortController();
      const running = engine.run(clip, { timestamps: true, signal: controller.signal });
      setTimeout(() => controller.abort(new Error("enough")), i * 15);
      await running.catch(() => {});
    }
    await engine.run(clip, { timestamps: true });
    expect(engine.memory).toBe(before);
    await engine.close();
  }, 120_000);

  test("a lost device is an error that says what to do", async () => {
    const gpu = await testGpu();
    const engine = await smallEngine(gpu);
    gpu.device.destroy();
    await expect(engine.run(noise(8000))).rejects.toThrow(
      /^\[webgpu\] the device was lost \(.*\): create a new engine, or use device "cpu"$/,
    );
    await engine.close();
  });

  test("out of memory is an error that says what to do, and the engine goes on", async () => {
    const gpu = await testGpu();
    const engine = await smallEngine(gpu);
    const expected = await engine.run(noise(8000));
    const bytes = gpu.device.limits.maxStorageBufferBindingSize;
    const held: GpuTensor[] = [];
    let error: unknown;
    for (let total = 0; !error && total < 2 ** 40; total += bytes) {
      held.push(gpu.createTensor([bytes / 4]));
      error = await engine.run(noise(8000)).then(
        () => undefined,
        (e) => e,
      );
    }
    expect(String(error)).toMatch(
      /\[webgpu\] out of memory on .*: use shorter clips, fewer at a time, lighter weights, or device "cpu"$/,
    );
    for (const tensor of held) gpu.release(tensor);
    expect((await engine.run(noise(8000))).tokens).toEqual(expected.tokens);
    await engine.close();
  });

  test("a tensor beyond the device's limit is refused before it is made", async () => {
    const gpu = await testGpu();
    const limit = gpu.device.limits.maxStorageBufferBindingSize;
    expect(() => gpu.createTensor([limit])).toThrow(`needs ${limit * 4} bytes`);
    gpu.close();
  });

  test("a shader that does not compile is an error that shows its line", async () => {
    const gpu = await testGpu();
    const y = gpu.createTensor([4]);
    const wgsl = "@compute @workgroup_size(1)\nfn main() {\n  let a = nonsense;\n}";
    const kernel = { name: "mine", wgsl, reads: 0, writes: 1 };
    const dispatch = { kernel, params: [], reads: [], writes: [y], workgroups: [1] } as const;
    const shown = /^\[webgpu\] kernel mine, line 3: .*nonsense.* in "let a = nonsense;"$/;
    gpu.dispatch(dispatch);
    await expect(gpu.read(y)).rejects.toThrow(shown);
    const other = { ...dispatch, kernel: { ...kernel, wgsl: `${wgsl}\n` } };
    await expect(gpu.prepare(async () => gpu.dispatch(other))).rejects.toThrow(shown);
    gpu.close();
  });
});
