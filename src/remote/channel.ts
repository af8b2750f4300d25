import { reasonOf, SenseVoiceError } from "../error.ts";
import { untilAborted } from "../pause.ts";

/** What a Worker and a Worker's own scope have in common. */
export interface Port {
  postMessage(message: unknown, transfer: Transferable[]): void;
}

// biome-ignore lint/complexity/noBannedTypes: a function of any parameters
type AnyFunction = Function;

/** An iterator of the other side, by the numbers of its functions. */
export interface LentIterator {
  readonly next: number;
  readonly stop: number;
}

type Message =
  | { readonly kind: "call"; readonly id: number; readonly to: string | number; readonly args: unknown[] }
  | { readonly kind: "answer"; readonly id: number; readonly value: unknown }
  | { readonly kind: "failure"; readonly id: number; readonly error: SentError };

interface SentError {
  readonly name: string;
  readonly message: string;
}

interface Pending {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** An answer whose buffers are handed over, not copied. */
export class Transferred {
  readonly value: unknown;
  readonly buffers: Transferable[];

  constructor(value: unknown, buffers: Transferable[]) {
    this.value = value;
    this.buffers = buffers;
  }
}

/**
 * Function calls between a page and its Worker, in both directions. Functions and iterators of one side are lent to the
 * other as numbers. Errors arrive as what they were: a SenseVoiceError, or an Error of that name.
 */
export class Channel {
  readonly #port: Port;
  readonly #named: Readonly<Record<string, AnyFunction>>;
  readonly #lent = new Map<number, AnyFunction>();
  readonly #pending = new Map<number, Pending>();
  #count = 0;
  #end: SenseVoiceError | undefined;

  /** @param named what the other side may call by name */
  constructor(port: Port, named: Readonly<Record<string, AnyFunction>> = {}) {
    this.#port = port;
    this.#named = named;
  }

  /** Calls a function of the other side. */
  async call<R>(to: string | number, args: unknown[] = [], transfer: Transferable[] = []): Promise<R> {
    if (this.#end) throw this.#end;
    const id = ++this.#count;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve: resolve as Pending["resolve"], reject });
      try {
        this.#port.postMessage({ kind: "call", id, to, args } satisfies Message, transfer);
      } catch (error) {
        this.#pending.delete(id);
        reject(new SenseVoiceError(`[worker] options: expected what can be sent to a Worker: ${reasonOf(error)}`));
      }
    });
  }

  /** A number by which the other side can call a function until it is taken back. */
  lend(lent: AnyFunction): number {
    const id = ++this.#count;
    this.#lent.set(id, lent);
    return id;
  }

  takeBack(id: number): void {
    this.#lent.delete(id);
  }

  /** @param onEnd called once the iterator has ended, has failed, or is not wanted any more */
  lendIterator(iterator: AsyncIterator<unknown>, onEnd: () => void = () => {}): LentIterator {
    const end = () => {
      this.takeBack(lent.next);
      this.takeBack(lent.stop);
      onEnd();
    };
    const next = async () => {
      try {
        const step = await iterator.next();
        if (step.done) end();
        return step;
      } catch (error) {
        end();
        throw error;
      }
    };
    const stop = async () => {
      end();
      await iterator.return?.();
    };
    const lent = { next: this.lend(next), stop: this.lend(stop) };
    return lent;
  }

  /** What an iterator of the other side brings. */
  async *iterate<T>({ next, stop }: LentIterator, signal?: AbortSignal): AsyncGenerator<T> {
    let ended = false;
    try {
      for (;;) {
        const step = await untilAborted(this.call<IteratorResult<T>>(next), signal).catch((error: unknown) => {
          ended = !signal?.aborted;
          throw error;
        });
        ended = step.done === true;
        if (step.done) return step.value;
        yield step.value;
      }
    } finally {
      if (!ended && !this.#end) this.call(stop).catch(() => {});
    }
  }

  /** Takes in what the other side has posted. */
  receive(message: Message): void {
    if (message.kind === "call") {
      void this.#answer(message);
      return;
    }
    const pending = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    if (message.kind === "answer") pending?.resolve(message.value);
    else pending?.reject(receivedError(message.error));
  }

  /** Rejects what is under way and all that comes. */
  close(error: SenseVoiceError): void {
    this.#end ??= error;
    for (const { reject } of this.#pending.values()) reject(this.#end);
    this.#pending.clear();
    this.#lent.clear();
  }

  async #answer({ id, to, args }: Message & { kind: "call" }): Promise<void> {
    const called = typeof to === "number" ? this.#lent.get(to) : this.#named[to];
    try {
      const result: unknown = await called?.(...args); // what was taken back meanwhile answers nothing
      const { value, buffers } = result instanceof Transferred ? result : new Transferred(result, []);
      this.#port.postMessage({ kind: "answer", id, value } satisfies Message, buffers);
    } catch (error) {
      this.#port.postMessage({ kind: "failure", id, error: sentError(error) } satisfies Message, []);
    }
  }
}

function sentError(error: unknown): SentError {
  if (error instanceof Error) return { name: error.name, message: error.message };
  return { name: "Error", message: reasonOf(error) };
}

function receivedError({ name, message }: SentError): Error {
  if (name === "SenseVoiceError") return new SenseVoiceError(message);
  return Object.assign(new Error(message), { name });
}
