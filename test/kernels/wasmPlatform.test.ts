import fs from "node:fs";
import os from "node:os";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createWasmBackend } from "../../src/kernels/wasm/backend.ts";
import { coreCount } from "../../src/kernels/wasm/platform.ts";

/** What a browser has in place of Node's worker_threads. */
class BrowserWorker {
  static last: BrowserWorker;
  onmessage?: (event: { data: unknown }) => void;
  onerror?: (event: { message: string }) => void;
  readonly sent: unknown[] = [];
  readonly url: URL;
  readonly options: unknown;
  ended = false;

  constructor(url: URL, options: unknown) {
    [this.url, this.options] = [url, options];
    BrowserWorker.last = this;
  }
  postMessage(...sent: unknown[]): void {
    this.sent.push(sent);
  }
  terminate(): void {
    this.ended = true;
  }
}

/** The module as it is where Node's modules cannot be had. */
async function inBrowser() {
  vi.resetModules();
  const { getBuiltinModule } = process;
  Object.assign(process, { getBuiltinModule: undefined });
  try {
    return await import("../../src/kernels/wasm/platform.ts");
  } finally {
    Object.assign(process, { getBuiltinModule });
  }
}

beforeEach(() => vi.stubGlobal("Worker", BrowserWorker));
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

test("in a browser a thread is a module Worker", async () => {
  const { startThread } = await inBrowser();
  const [messages, failures]: [unknown[], string[]] = [[], []];
  const thread = await startThread({
    onMessage: (data) => messages.push(data),
    onFailure: (why) => failures.push(why),
  });
  const worker = BrowserWorker.last;
  expect(worker.url.pathname).toMatch(/\/src\/kernels\/wasm\/worker\.js$/);
  expect(worker.options).toEqual({ type: "module" });
  worker.onmessage?.({ data: "done" });
  worker.onerror?.({ message: "out of memory" });
  expect([messages, failures]).toEqual([["done"], ["out of memory"]]);

  const buffer = new ArrayBuffer(8);
  thread.post({ buffer }, [buffer]);
  thread.post("go");
  thread.keepAlive(true); // a page needs none of it
  expect(worker.sent).toEqual([
    [{ buffer }, [buffer]],
    ["go", []],
  ]);
  await thread.stop();
  expect(worker.ended).toBe(true);
});

test("in a browser kernels are fetched, and what is missing is to be served", async () => {
  const { readKernels } = await inBrowser();
  const answers = vi.fn(async (_: URL) => new Response(Uint8Array.of(0, 97, 115, 109)));
  vi.stubGlobal("fetch", answers);
  expect(await readKernels("plain")).toEqual(Uint8Array.of(0, 97, 115, 109));
  expect(await readKernels("relaxed")).toEqual(Uint8Array.of(0, 97, 115, 109));
  expect(answers.mock.calls.map(([url]) => url.pathname.split("/").at(-1))).toEqual([
    "kernels.wasm",
    "kernels-relaxed.wasm",
  ]);
  const missing = /^\[cpu\] expected \/.*\/kernels\.wasm, found none: serve it beside the script$/;
  vi.stubGlobal("fetch", async () => new Response("", { status: 404 }));
  await expect(readKernels("plain")).rejects.toThrow(missing);
  vi.stubGlobal("fetch", async () => Promise.reject(new TypeError("Failed to fetch")));
  await expect(readKernels("plain")).rejects.toThrow(missing);
});

test("in a browser the cores are the navigator's, one if it does not say", async () => {
  const { coreCount } = await inBrowser();
  vi.stubGlobal("navigator", { hardwareConcurrency: 6 });
  expect(await coreCount()).toBe(6);
  vi.stubGlobal("navigator", {});
  expect(await coreCount()).toBe(1);
});

describe("in Node", () => {
  const { readFile } = fs.promises;
  /** A machine of so many logical processors, two to a core, and what Linux tells of it. */
  const machine = (available: number, cores: readonly (readonly [socket: number, core: number])[] | undefined) => {
    vi.spyOn(os, "availableParallelism").mockReturnValue(available);
    const lines = cores?.map(([socket, core]) => {
      return `model name\t: x\nphysical id\t: ${socket}\nsiblings\t: 4\ncore id\t\t: ${core}\ncpu cores\t: 2\n`;
    });
    vi.spyOn(fs.promises, "readFile").mockImplementation(async () => {
      if (!lines) throw new Error("ENOENT");
      return lines.join("\n");
    });
  };
  const pairs = (sockets: number, cores: number) =>
    Array.from({ length: sockets * cores * 2 }, (_, i) => [Math.floor(i / cores) % sockets, i % cores] as const);

  test.each([
    ["two threads to a core", 4, pairs(1, 2), 2],
    ["two sockets with cores of the same numbers", 16, pairs(2, 4), 8],
    ["fewer processors than cores for this process", 3, pairs(2, 4), 3],
    ["nothing told", 6, undefined, 6],
    ["nothing told of cores", 6, [], 6],
  ])("%s", async (_, available, cores, count) => {
    machine(available, cores);
    expect(await coreCount()).toBe(count);
  });

  test("more than 64 cores are 64 threads", async () => {
    machine(200, undefined);
    vi.mocked(fs.promises.readFile).mockImplementation((path, options) => {
      return String(path) === "/proc/cpuinfo" ? Promise.resolve("") : readFile(path, options);
    });
    const backend = await createWasmBackend();
    expect(backend.description).toMatch(/, 64 threads$/);
    backend.close();
  });
});
