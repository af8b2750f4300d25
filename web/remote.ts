import type { CallName, Calls, Failure, FromWorker, ToWorker } from "./protocol.ts";

interface Pending {
  readonly tell?: (what: never) => void;
  readonly resolve: (answer: never) => void;
  readonly reject: (error: Error) => void;
}

interface CallOptions<K extends CallName> {
  readonly tell?: (what: Calls[K]["tell"]) => void;
  readonly signal?: AbortSignal;
  /** Takes the way to send samples, for `listen`. */
  readonly send?: (write: (pcm: Float32Array<ArrayBuffer> | null) => void) => void;
}

/** The page's end of the worker. A worker that dies fails what was under way; the next call starts another. */
export class Remote {
  readonly #start: () => Worker;
  readonly #pending = new Map<number, Pending>();
  #worker: Worker | undefined;
  #count = 0;
  /** Called when the worker has died: what it had loaded is lost. */
  onLost: () => void = () => {};

  constructor(start: () => Worker) {
    this.#start = start;
  }

  call<K extends CallName>(call: K, ask: Calls[K]["ask"], options: CallOptions<K> = {}): Promise<Calls[K]["answer"]> {
    const id = this.#count++;
    const worker = this.#open();
    const post = (message: ToWorker, transfer: Transferable[] = []) => worker.postMessage(message, transfer);
    const { signal, tell, send } = options;
    return new Promise<Calls[K]["answer"]>((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const cancel = () => {
        post({ id, cancel: true });
        this.#pending.delete(id);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", cancel);
      const settled = () => signal?.removeEventListener("abort", cancel);
      this.#pending.set(id, {
        tell,
        resolve: (answer) => {
          settled();
          resolve(answer);
        },
        reject: (error) => {
          settled();
          reject(error);
        },
      });
      post({ id, call, ask } as ToWorker);
      send?.((pcm) => post({ id, pcm }, pcm ? [pcm.buffer] : []));
    });
  }

  #open(): Worker {
    if (this.#worker) return this.#worker;
    const worker = this.#start();
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#receive(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#lose(worker, event.message);
    };
    this.#worker = worker;
    return worker;
  }

  #receive(message: FromWorker): void {
    const pending = this.#pending.get(message.id);
    if (!pending) return;
    if ("tell" in message) {
      pending.tell?.(message.tell as never);
      return;
    }
    this.#pending.delete(message.id);
    if ("error" in message) pending.reject(errorOf(message.error));
    else pending.resolve(message.answer as never);
  }

  #lose(worker: Worker, reason = ""): void {
    worker.terminate();
    this.#worker = undefined;
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    this.onLost();
    for (const { reject } of pending) reject(errorOf({ name: "WorkerLost", message: reason }));
  }
}

function errorOf({ name, message }: Failure): Error {
  return Object.assign(new Error(message), { name });
}
