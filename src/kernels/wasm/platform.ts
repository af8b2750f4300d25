import { SenseVoiceError } from "../../error.ts";
import { node, readPackageFile } from "../../packageFile.ts";

export interface Thread {
  post(message: unknown, transfer?: ArrayBuffer[]): void;
  /** Whether this thread keeps the process alive. */
  keepAlive(yes: boolean): void;
  stop(): Promise<unknown>;
}

export interface ThreadEvents {
  readonly onMessage: (message: unknown) => void;
  /** It ended without being stopped; `reason` goes into the message. */
  readonly onFailure: (reason: string) => void;
}

/** Starts worker.js, which lies beside this file. */
export async function startThread({ onMessage, onFailure }: ThreadEvents): Promise<Thread> {
  if (!node) {
    const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }) => onMessage(data);
    worker.onerror = ({ message }) => onFailure(message);
    return {
      post: (message, transfer = []) => worker.postMessage(message, transfer),
      keepAlive: () => {},
      stop: async () => worker.terminate(),
    };
  }
  const { Worker: NodeWorker } = node("node:worker_threads");
  // The options of the process (loaders, say) are not for this worker, which is plain JavaScript.
  const worker = new NodeWorker(new URL("./worker.js", import.meta.url), { execArgv: [] });
  worker.on("message", onMessage);
  worker.on("error", (error) => onFailure(error instanceof Error ? error.message : String(error)));
  worker.on("exit", (code) => onFailure(`exit code ${code}`));
  worker.unref(); // after the listeners: one for messages would undo it
  return {
    post: (message, transfer) => worker.postMessage(message, transfer),
    keepAlive: (yes) => (yes ? worker.ref() : worker.unref()),
    stop: () => worker.terminate(),
  };
}

/**
 * Whether V8 was told to make one vector of 256 bits of two neighbours (`node --experimental-wasm-revectorize`), as it
 * can on x86 from version 13 on, that of Node 24.
 */
export function revectorizes(): boolean {
  if (!node || process.arch !== "x64" || Number.parseInt(process.versions.v8, 10) < 13) return false;
  return process.execArgv.includes("--experimental-wasm-revectorize");
}

/** The bytes of one of the module's builds, which lie beside this file. */
export async function readKernels(build: "plain" | "relaxed" | "wide"): Promise<Uint8Array<ArrayBuffer>> {
  // Literal addresses, so that a bundler finds the files: but not the one that no browser needs.
  const url = {
    plain: () => new URL("./kernels.wasm", import.meta.url),
    relaxed: () => new URL("./kernels-relaxed.wasm", import.meta.url),
    wide: () => new URL(`./kernels-${build}.wasm`, import.meta.url),
  }[build]();
  const bytes = await readPackageFile(url);
  if (bytes) return bytes;
  const remedy = node ? "run npm run build:wasm" : "serve it beside the script";
  throw new SenseVoiceError(`[cpu] expected ${url.pathname}, found none: ${remedy}`);
}

/** Cores to compute on: the ones this process may use, less the second threads of one core where Linux tells. */
export async function coreCount(): Promise<number> {
  if (!node) return navigator.hardwareConcurrency || 1;
  const available = node("node:os").availableParallelism();
  const info = await node("node:fs")
    .promises.readFile("/proc/cpuinfo", "utf8")
    .catch(() => "");
  const cores = new Set(info.match(/^physical id\s*:.*(\n.+)*?\ncore id\s*:.*/gm)?.map(coreName));
  return cores.size > 0 ? Math.min(cores.size, available) : available;
}

/** "socket core" of the lines of /proc/cpuinfo from `physical id` to `core id`. */
function coreName(lines: string): string {
  return `${lines.match(/^physical id\s*:(.*)/)?.[1]} ${lines.match(/core id\s*:(.*)$/)?.[1]}`;
}
