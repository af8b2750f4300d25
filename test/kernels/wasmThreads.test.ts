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
