import { SenseVoiceError } from "../../error.ts";

/** What differs between Node and a browser; nothing else here imports from `node:`. */
const inNode = typeof process !== "undefined" && Boolean(process.versions?.node);

export interface Thread {
  post(message: unknown, transfer?: ArrayBuffer[]): void;
  /** Whether this thread keeps the process alive. */
  keepAlive(yes: boolean): void;
  stop(): Promise<unknown>;
}

export interface ThreadEvents {
  readonly onMessage: (message: unknown) => void;
  /** It ended without being stopped; `reason` is for people. */
  readonly onFailure: (reason: string) => void;
}

/** Starts worker.js, which lies beside this file. */
export async function startThread({ onMessage, onFailure }: ThreadEvents): Promise<Thread> {
  const url = new URL("./worker.js", import.meta.url);
  if (!inNode) {
    const worker = new Worker(url, { type: "module" });
    worker.onmessage = ({ data }) => onMessage(data);
    worker.onerror = ({ message }) => onFailure(message);
    return {
      post: (message, transfer = []) => worker.postMessage(message, transfer),
      keepAlive: () => {},
      stop: async () => worker.terminate(),
    };
  }
  const { Worker: NodeWorker } = await import("node:worker_threads");
  // The options of the process (loaders, say) are not for this worker, which is plain JavaScript.
  const worker = new NodeWorker(url, { execArgv: [] });
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

/** The bytes of a file beside this one. */
export async function readBeside(name: string): Promise<Uint8Array<ArrayBuffer>> {
  const url = new URL(name, import.meta.url);
  try {
    if (!inNode) return new Uint8Array(await (await fetch(url)).arrayBuffer());
    return new Uint8Array(await (await import("node:fs/promises")).readFile(url));
  } catch {
    throw new SenseVoiceError(`[wasm] expected ${url.pathname}, found none: run npm run build:wasm`);
  }
}

/** Cores to compute on: the ones this process may use, less the second threads of one core where Linux tells. */
export async function coreCount(): Promise<number> {
  if (!inNode) return navigator.hardwareConcurrency || 1;
  const [os, { readFile }] = await Promise.all([import("node:os"), import("node:fs/promises")]);
  const info = await readFile("/proc/cpuinfo", "utf8").catch(() => "");
  const cores = new Set(info.match(/^physical id\s*:.*(\n.+)*?\ncore id\s*:.*/gm)?.map(coreName));
  return cores.size > 0 ? Math.min(cores.size, os.availableParallelism()) : os.availableParallelism();
}

/** "socket core" of the lines of /proc/cpuinfo from `physical id` to `core id`. */
function coreName(lines: string): string {
  return `${lines.match(/^physical id\s*:(.*)/)?.[1]} ${lines.match(/core id\s*:(.*)$/)?.[1]}`;
}
