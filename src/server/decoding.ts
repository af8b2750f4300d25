import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import type { DecodeReply, DecodeRequest, DecodeTask } from "./decodeThread.ts";
import { HttpError } from "./httpError.ts";
import type { Spool } from "./spool.ts";

/** The thread's program as it lies beside this one. Before it is built it is TypeScript, for which a thread needs tsx. */
function startThread(): Worker {
  if (import.meta.url.endsWith(".js")) return new Worker(new URL("./decodeThread.js", import.meta.url));
  const program = new URL("./decodeThread.ts", import.meta.url);
  const tsx = import.meta.resolve("tsx/esm/api");
  return new Worker(`import("${tsx}").then((tsx) => (tsx.register(), import("${program}")))`, { eval: true });
}

interface Thread {
  readonly worker: Worker;
  readonly ports: Set<MessagePort>;
}

/** Threads that decode uploads, so that the server's own stays free for requests. */
export class Decoding {
  readonly #threads: (Thread | undefined)[];
  readonly #maxSeconds: number;
  #closed = false;

  constructor({ threads, maxSeconds }: { readonly threads: number; readonly maxSeconds: number }) {
    this.#threads = new Array(threads).fill(undefined);
    this.#maxSeconds = maxSeconds;
  }

  /**
   * The samples of an upload, mono at 16 kHz, while it still comes in. Half a minute is decoded ahead of who reads.
   *
   * @throws HttpError 400 for what is no sound or damaged, 413 for what lasts too long
   */
  async *decode(spool: Spool): AsyncGenerator<Float32Array> {
    const file = { path: spool.path, name: "file", maxSeconds: this.#maxSeconds };
    yield* this.#decode(file, (ask) => {
      spool.onGrowth(() => ask({ growth: spool.growth }));
      ask({ growth: spool.growth });
    });
  }

  /**
   * The samples of a sound that is there as a whole.
   *
   * @throws HttpError 400 that begins with the name, also for what lasts too long
   */
  async *decodeBytes(bytes: Uint8Array, name: string, maxSeconds: number): AsyncGenerator<Float32Array> {
    yield* this.#decode({ bytes, name, maxSeconds });
  }

  /** @param follow is given what tells the thread that there is more of a file */
  async *#decode(
    task: Omit<DecodeTask, "port">,
    follow: (ask: (request: DecodeRequest) => void) => void = () => {},
  ): AsyncGenerator<Float32Array> {
    const thread = this.#thread();
    const { port1: port, port2 } = new MessageChannel();
    thread.ports.add(port);
    const replies: DecodeReply[] = [];
    let wake = () => {};
    port.on("message", (reply: DecodeReply) => {
      replies.push(reply);
      wake();
    });
    port.on("close", () => {
      replies.push({ failed: "the decoder's thread has ended" });
      wake();
    });
    thread.worker.postMessage({ ...task, port: port2 } satisfies DecodeTask, [port2]);
    const ask = (request: DecodeRequest) => port.postMessage(request);
    follow(ask);
    try {
      for (;;) {
        while (replies.length === 0) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        const reply = replies.shift() as DecodeReply;
        if ("end" in reply) return;
        if ("refused" in reply) throw refusalOf(reply.refused, task);
        if ("failed" in reply) throw new Error(reply.failed);
        ask({ taken: true });
        yield reply.pcm;
      }
    } finally {
      thread.ports.delete(port);
      port.close();
    }
  }

  /** The thread with the least to do. One that has died is started again. */
  #thread(): Thread {
    if (this.#closed) throw new HttpError(503, "the service is stopping", { retryAfter: 5 });
    const work = this.#threads.map((thread) => thread?.ports.size ?? 0);
    const i = work.indexOf(Math.min(...work));
    this.#threads[i] ??= this.#start(i);
    return this.#threads[i];
  }

  #start(i: number): Thread {
    const worker = startThread();
    const thread = { worker, ports: new Set<MessagePort>() };
    worker.on("error", () => {}); // whoever waits is told that the port is closed
    worker.on("exit", () => {
      this.#threads[i] = undefined;
      for (const port of thread.ports) port.close();
    });
    worker.unref();
    return thread;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#threads.map((thread) => thread?.worker.terminate()));
  }
}

/** A request's sound that is too long is too large, whatever its bytes. */
function refusalOf(message: string, { name, path, maxSeconds }: Omit<DecodeTask, "port">): HttpError {
  const tooLong = message.includes(`at most ${maxSeconds} seconds of sound`);
  const code = tooLong ? "audio_too_long" : "invalid_audio";
  return new HttpError(tooLong && path !== undefined ? 413 : 400, message, { param: path && name, code });
}
