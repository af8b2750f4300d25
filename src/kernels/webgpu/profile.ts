import { BYTES_PER_ELEMENT, elementCount } from "../../tensor/host.ts";
import type { Dispatch, Gpu } from "./gpu.ts";
import { table } from "./table.ts";
import { type Clock, clockOf, Timestamps } from "./timestamps.ts";

/** Calls of one kernel at one shape. */
export interface Calls {
  readonly kernel: string;
  readonly shape: string;
  calls: number;
  us: number;
  /** 0 if the kernel does not tell. */
  flop: number;
  /** Of all that is read and written, each buffer once. */
  bytes: number;
}

/** Passes between two submits; a set of queries has at most 4096, two for each pass. */
const PASSES = 2048;

const HOW: Readonly<Record<Clock, string>> = {
  timestamps: "timestamps, a pass for each dispatch",
  "wall time": "wall time, a submit for each dispatch",
};

/** How long each kernel takes on a device, from now on. When the device is given back, the table goes to stderr. */
export class Profile {
  readonly #gpu: Gpu;
  readonly #calls = new Map<string, Calls>();

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
    if (clockOf(gpu) === "timestamps") this.#watch();
    else this.#takeTurns();
  }

  /** Each dispatch gets a pass with timestamps. */
  #watch(): void {
    const timestamps = new Timestamps(this.#gpu.device, PASSES);
    let recorded: Dispatch[] = [];
    this.#gpu.observer = {
      full: () => recorded.length === PASSES,
      pass: (dispatch) => timestamps.pass(recorded.push(dispatch) - 1),
      submit: (encoder) => {
        const dispatches = recorded;
        recorded = [];
        if (dispatches.length === 0) return () => {};
        const read = timestamps.resolve(encoder, dispatches.length);
        const count = (times: number[]) => {
          for (const [i, us] of times.entries()) this.#count(dispatches[i], us);
        };
        return () => void read().then(count, () => {}); // a device that was lost tells so elsewhere
      },
      close: () => this.#print(),
    };
  }

  /** Each dispatch gets a submit, and begins when the one before is done; so do writes, which must not overtake. */
  #takeTurns(): void {
    const gpu = this.#gpu;
    const [dispatch, write, flush, read] = [gpu.dispatch, gpu.write, gpu.flush, gpu.read].map((f) => f.bind(gpu)) as [
      ...[Gpu["dispatch"], Gpu["write"], Gpu["flush"], Gpu["read"]],
    ];
    gpu.observer = { close: () => this.#print() };
    let last: Promise<void> = Promise.resolve();
    const inTurn = (work: () => Promise<void> | void) => {
      last = last.then(work);
      last.catch(() => {}); // thrown by `read` or `flush`
    };
    gpu.dispatch = (work) =>
      inTurn(async () => {
        const start = performance.now();
        dispatch(work);
        await flush();
        this.#count(work, (performance.now() - start) * 1000);
      });
    gpu.write = (tensor, data) => {
      const copy = data.slice();
      inTurn(() => write(tensor, copy));
    };
    gpu.flush = () => last.then(flush);
    gpu.read = (tensor) => last.then(() => read(tensor));
  }

  #print(): void {
    const text = this.text();
    if (text) console.error(text);
  }

  #count({ kernel, params, reads, writes, workgroups }: Dispatch, us: number): void {
    const [{ shape: y }] = writes;
    const [, , clips = 1] = workgroups;
    const { shape = y.join("x"), flop = 0 } = kernel.work?.(params, y, clips) ?? {};
    const key = `${kernel.name} ${shape}`;
    const calls = this.#calls.get(key) ?? { kernel: kernel.name, shape, calls: 0, us: 0, flop: 0, bytes: 0 };
    calls.calls++;
    calls.us += us;
    calls.flop += flop;
    for (const { shape, dtype } of [...reads, ...writes]) calls.bytes += elementCount(shape) * BYTES_PER_ELEMENT[dtype];
    this.#calls.set(key, calls);
  }

  /** What was computed, the longest time first. */
  calls(): Calls[] {
    return [...this.#calls.values()].sort((a, b) => b.us - a.us);
  }

  /** A line for each of `calls`; undefined if nothing was computed. */
  text(): string | undefined {
    const rows = this.calls();
    if (rows.length === 0) return undefined;
    const total = rows.reduce((sum, { us }) => sum + us, 0);
    const cells = [
      ["kernel", "shape", "calls", "µs", "GFLOP/s", "GB/s", "share"],
      ...rows.map(({ kernel, shape, calls, us, flop, bytes }) => {
        const rate = (amount: number) => (us > 0 && amount > 0 ? (amount / us / 1000).toFixed(1) : "-");
        const share = total > 0 ? `${((100 * us) / total).toFixed(1)} %` : "-";
        return [kernel, shape, String(calls), us.toFixed(1), rate(flop), rate(bytes), share];
      }),
      ["total", "", String(rows.reduce((sum, { calls }) => sum + calls, 0)), total.toFixed(1)],
    ];
    return `[profile] ${this.#gpu.name}, times by ${HOW[clockOf(this.#gpu)]}\n${table(cells, 2)}`;
  }
}
