import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test, vi } from "vitest";
import { createWasmBackend } from "../../src/kernels/wasm/backend.ts";
import type { WasmTensor } from "../../src/kernels/wasm/device.ts";
import { Heap } from "../../src/kernels/wasm/memory.ts";
import { watchEventLoop } from "../support/eventLoop.ts";
import { randomizer } from "../support/random.ts";

const random = randomizer(1);
type WasmBackend = Awaited<ReturnType<typeof createWasmBackend>>;
const open: WasmBackend[] = [];

async function backendOf(threads: number): Promise<WasmBackend> {
  const backend = await createWasmBackend({ threads });
  open.push(backend);
  return backend;
}

afterEach(() => {
  vi.unstubAllGlobals();
  for (const backend of open.splice(0)) backend.close();
});

/** A layer norm of memory that does not exist: it traps. */
function trap(backend: WasmBackend): WasmTensor {
  const x = { ...backend.upload(random([64, 64])), pointer: 0xf0000000 };
  const vector = backend.upload(random([64]));
  return backend.layerNorm(x, { gamma: vector, beta: vector });
}

test("while the threads compute, the caller's event loop goes on", async () => {
  const backend = await backendOf(1);
  const weight = backend.uploadLinear(random([1024, 512], 0.01));
  const x = backend.upload(random([512, 512]));
  await backend.read(backend.scope(() => backend.linear(x, weight)));

  const y = backend.scope(() => {
    for (let i = 0; i < 20; i++) backend.linear(x, weight);
    return backend.linear(x, weight);
  });
  const { longest } = await watchEventLoop(() => backend.read(y));
  expect(longest).toBeLessThan(10);
});

test("a thread that dies is an error, loses what was under way and nothing else", async () => {
  for (const threads of [1, 2]) {
    const backend = await backendOf(threads);
    const weight = backend.uploadLinear(random([40, 64]));
    const x = backend.upload(random([5, 64]));
    const before = await backend.read(backend.linear(x, weight));

    const lost = backend.linear(x, weight);
    const died = /^\[cpu\] a worker thread died \(.+\): what was under way is lost, the next run starts new ones$/;
    const trapped = backend.read(trap(backend));
    const behind = backend.read(backend.linear(x, weight));
    await expect(trapped).rejects.toThrow(died);
    await expect(behind).rejects.toThrow(died);
    await expect(backend.read(lost), "a tensor that was never computed").rejects.toThrow(died);
    const onIt = backend.linear(lost, backend.uploadLinear(random([8, 40])));
    await expect(backend.read(onIt), "what is computed from it").rejects.toThrow(died);

    expect(await backend.read(backend.linear(x, weight))).toEqual(before);
  }
});

test("a tensor released while it is read is read as it was", async () => {
  const backend = await backendOf(2);
  const vector = (value: number) =>
    backend.upload({ dtype: "f32", shape: [512], data: new Float32Array(512).fill(value) });
  const [gamma, beta] = [vector(0), vector(7)];
  const x = backend.upload(random([4000, 512]));
  const sevens = { gamma, beta };
  const eights = { gamma, beta: vector(8) };
  for (let i = 0; i < 10; i++) {
    const y = backend.layerNorm(x, sevens);
    const reading = backend.read(y);
    backend.release(y);
    const z = backend.layerNorm(x, eights); // in the same memory
    const next = backend.read(z);
    expect((await reading).every((v) => v === 7)).toBe(true);
    expect((await next).every((v) => v === 8)).toBe(true);
    backend.release(z);
  }
});

test("after a thread has died no answer to an earlier read is taken for a later one", async () => {
  const backend = await backendOf(2);
  const tensor = (value: number) => backend.upload({ dtype: "f32", shape: [1], data: Float32Array.of(value) });
  for (let i = 0; i < 20; i++) {
    const before = backend.read(tensor(-1)).catch(() => undefined);
    const trapped = backend.read(trap(backend)).catch((error: Error) => error.message);
    const behind = backend.read(tensor(-2)).catch(() => undefined);
    expect(await trapped).toMatch(/^\[cpu\] a worker thread died/);
    expect(await backend.read(tensor(i))).toEqual(Float32Array.of(i));
    await Promise.all([before, behind]);
  }
});

test("closing rejects what is under way, and all that follows", async () => {
  const backend = await backendOf(2);
  const x = backend.upload(random([300, 512]));
  const weight = backend.uploadLinear(random([2048, 512]));
  const pending = backend.read(backend.linear(x, weight));
  backend.close();
  const closed = "[cpu] the engine is closed: create a new one";
  await expect(pending).rejects.toThrow(closed);
  await expect(backend.read(x)).rejects.toThrow(closed);
  expect(() => backend.linear(x, weight)).toThrow(closed);
  backend.close();
});

test("a process whose work is done ends by itself, closed or not", () => {
  const source = fileURLToPath(new URL("../../src/kernels/wasm/backend.ts", import.meta.url));
  const script = `
    import { createWasmBackend } from ${JSON.stringify(source)};
    const backend = await createWasmBackend({ threads: 3 });
    const x = backend.upload({ dtype: "f32", shape: [1], data: Float32Array.of(7) });
    console.log((await backend.read(x))[0]);`;
  const args = ["--import", "tsx", "--input-type=module", "--eval", script];
  const output = execFileSync(process.execPath, args, { timeout: 60_000, encoding: "utf8" });
  expect(output.trim()).toBe("7");
});

test("memory stays flat over a thousand runs of mixed lengths", async () => {
  const backend = await backendOf(2);
  const weight = backend.uploadLinear(random([64, 32]));
  const gamma = backend.upload(random([64]));
  const longest = random([200, 32]);
  const run = async (rows: number) => {
    const data = longest.data.subarray(0, rows * 32);
    const x = backend.upload({ dtype: "f32", shape: [rows, 32], data });
    const y = backend.scope(() => {
      const projected = backend.linear(x, weight);
      return backend.layerNorm(backend.linear(x, weight, { residual: projected }), { gamma, beta: gamma });
    });
    await backend.read(y);
    backend.release(x);
    backend.release(y);
  };
  await run(200);
  const before = backend.memory();
  for (let i = 0; i < 1000; i += 4) {
    await Promise.all([run(1 + (i % 200)), run(1 + ((i * 7) % 150)), run(3), run(1 + ((i * 3) % 99))]);
  }
  for (let i = 0; i < 100; i++) await run(1 + ((i * 37) % 200));
  const overlapping = 4; // runs at a time, each with memory of its own
  expect(backend.memory()).toBeLessThan(before + (overlapping - 1) * 200 * (32 + 64) * 4 + 4096);
});

test("what does not fit is an error that says what to do, and the backend lives on", async () => {
  const backend = await backendOf(1);
  const x = backend.upload(random([150_000, 4]));
  const weight = backend.uploadLinear(random([8192, 4]));
  expect(() => backend.linear(x, weight)).toThrow(
    /^\[cpu\] out of memory: \d+ MiB are needed: use shorter clips, fewer at a time, or lighter weights$/,
  );
  expect(await backend.read(x)).toHaveLength(600_000);
});

test("where memory cannot be shared one thread computes in its own", async () => {
  const [x, weight] = [random([50, 64]), random([40, 64])];
  const shared = await backendOf(2);
  vi.stubGlobal("SharedArrayBuffer", undefined);
  const alone = await backendOf(2);
  expect(alone.description).toMatch(/, 1 thread$/);
  const run = (b: WasmBackend) => b.read(b.linear(b.upload(x), b.uploadLinear(weight)));
  expect(await run(alone)).toEqual(await run(shared));

  const lost = "the model is lost, create a new engine";
  await expect(alone.read(trap(alone))).rejects.toThrow(lost);
  await expect(run(alone)).rejects.toThrow(lost);
});

test("threads are a number from 1 to 64", async () => {
  for (const threads of [0, 1.5, 65, Number.NaN]) {
    await expect(createWasmBackend({ threads })).rejects.toThrow(
      `[cpu] threads: expected a whole number from 1 to 64, got ${threads}`,
    );
  }
});

test("the heap joins what is given back, and takes the lowest that fits", () => {
  const grown: number[] = [];
  const heap = new Heap((bytes) => grown.push(bytes));
  const [a, b, c] = [heap.acquire(100), heap.acquire(64), heap.acquire(1)];
  expect([b - a, c - b, heap.bytes - c]).toEqual([128, 64, 64]);
  heap.release(a, 100);
  heap.release(c, 1);
  heap.release(b, 64);
  expect(heap.acquire(256)).toBe(a);
  expect(heap.acquireFresh(64)).toBe(a + 256);
  heap.release(a, 256);
  expect(heap.acquire(64)).toBe(a);
  expect(heap.acquire(192)).toBe(a + 64);
  heap.release(a + 256, 64);
  expect(heap.acquire(128), "the last range grows").toBe(a + 256);
  expect(grown.length).toBeGreaterThan(0);
  expect(Math.max(...grown)).toBeGreaterThanOrEqual(heap.bytes);
});

test("memory that a part gives back goes to no other part, and to all behind them", () => {
  const heap = new Heap(() => {});
  const shared = heap.acquire(64);
  heap.acquire(64); // so that what is given back is not joined with what follows
  heap.release(shared, 64);
  const taken: number[][] = [];
  const part = () => {
    const [first, second] = [heap.acquire(64), heap.acquire(64)];
    heap.release(first, 64);
    expect(heap.acquireShared(64)).not.toBe(first);
    expect(heap.acquire(64)).toBe(first);
    heap.release(first, 64);
    heap.release(second, 64);
    taken.push([first, second]);
  };
  heap.apart([part, part, part]);
  expect(taken[0][0]).toBe(shared);
  expect(new Set(taken.flat()).size).toBe(6);
  const { bytes } = heap;
  const again = taken.flat().map(() => heap.acquire(64));
  expect(again.toSorted()).toEqual(taken.flat().toSorted());
  const fail = () => {
    heap.release(again[0], 64);
    throw new Error("no");
  };
  expect(() => heap.apart([fail])).toThrow("no");
  expect(heap.acquire(64)).toBe(again[0]);
  expect(heap.bytes).toBe(bytes);
});

test("parts of the clips that are computed side by side are as if they were computed together", async () => {
  const clips = Array.from({ length: 11 }, () => random([9, 32]));
  const convolution = { channels: 32, kernel: [1, 3], stride: [1, 1], dilation: 2 } as const;
  const [weight, taps, bias] = [random([32, 32], 0.2), random([32, 96], 0.1), random([32])];
  const results = [];
  for (const threads of [1, 2, 3, 12]) {
    const backend = await backendOf(threads);
    const ones = backend.upload({ dtype: "f32", shape: [64], data: new Float32Array(64).fill(1) });
    const [w, t, b] = [backend.uploadLinear(weight), backend.uploadLinear(taps), backend.upload(bias)];
    const calls: number[] = [];
    const record = (first: number, count: number): WasmTensor => {
      calls.push(count);
      const data = new Float32Array(count * 9 * 32);
      for (let i = 0; i < count; i++) data.set(clips[first + i].data as Float32Array, i * 9 * 32);
      return backend.scope(() => {
        let x = backend.upload({ dtype: "f32", shape: [count * 9, 32], data });
        for (let layer = 0; layer < 20; layer++) {
          const y = backend.scope(() => {
            const h = backend.linear(x, w, { bias: b, relu: true });
            return backend.convolve(h, t, convolution, { clips: count, height: 1, width: 9 }, { bias: b });
          });
          backend.release(x);
          x = y;
        }
        return backend.statistics(x, count);
      });
    };
    const answers = [];
    for (let round = 0; round < 10; round++) {
      const heard = backend.inParts(clips.length, record);
      answers.push(await backend.read(backend.layerNorm(heard, { gamma: ones, beta: ones })));
      backend.release(heard);
    }
    expect(calls.slice(0, calls.length / 10)).toEqual(
      { 1: [11], 2: [5, 6], 3: [3, 4, 4], 12: [11] }[threads as 1 | 2 | 3 | 12],
    );
    results.push(...answers);
  }
  for (const result of results) expect(result).toEqual(results[0]);
});
