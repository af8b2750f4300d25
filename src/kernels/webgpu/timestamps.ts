import { COPY_DST, COPY_SRC, MAP_READ } from "./buffers.ts";
import type { Gpu, Observer } from "./gpu.ts";

/** GPUBufferUsage.QUERY_RESOLVE */
const QUERY_RESOLVE = 0x200;

/** How a device's time is told: by its own clock, or by ours, from a submit until its work is done. */
export const CLOCKS = ["timestamps", "wall time"] as const;
export type Clock = (typeof CLOCKS)[number];

export function clockOf({ device }: Gpu): Clock {
  return device.features.has("timestamp-query") ? "timestamps" : "wall time";
}

/** How long passes take, by the device's own clock. */
export class Timestamps {
  readonly #device: GPUDevice;
  readonly #set: GPUQuerySet;
  readonly #resolved: GPUBuffer;

  /** @param passes the most that are recorded before `resolve` */
  constructor(device: GPUDevice, passes: number) {
    this.#device = device;
    this.#set = device.createQuerySet({ type: "timestamp", count: 2 * passes });
    this.#resolved = device.createBuffer({ size: 16 * passes, usage: QUERY_RESOLVE | COPY_SRC });
  }

  /** The descriptor of pass i. */
  pass(i: number): GPUComputePassDescriptor {
    const at = { beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 };
    return { timestampWrites: { querySet: this.#set, ...at } };
  }

  /** Records the copy of the times of so many passes. Call the result once that is submitted: microseconds of each. */
  resolve(encoder: GPUCommandEncoder, passes: number): () => Promise<number[]> {
    const size = 16 * passes;
    const staging = this.#device.createBuffer({ size, usage: MAP_READ | COPY_DST });
    encoder.resolveQuerySet(this.#set, 0, 2 * passes, this.#resolved, 0);
    encoder.copyBufferToBuffer(this.#resolved, 0, staging, 0, size);
    return async () => {
      await staging.mapAsync(1 /* READ */);
      const nanoseconds = new BigInt64Array(staging.getMappedRange().slice(0));
      staging.destroy();
      return Array.from({ length: passes }, (_, i) => Number(nanoseconds[2 * i + 1] - nanoseconds[2 * i]) / 1000);
    };
  }
}

/** Microseconds that the device takes for what `record` dispatches, in one pass: by its own clock, or else ours. */
export function measureOn(gpu: Gpu): (record: () => void) => Promise<number> {
  const timestamps = clockOf(gpu) === "timestamps" ? new Timestamps(gpu.device, 1) : undefined;
  return async (record) => {
    await gpu.flush();
    let passes = 0;
    let times: Promise<number[]> | undefined;
    const observer: Observer = {
      pass: () => (passes++ === 0 ? timestamps?.pass(0) : undefined),
      submit: (encoder) => {
        const read = timestamps?.resolve(encoder, 1);
        return () => {
          times = read?.();
        };
      },
    };
    gpu.observer = observer;
    try {
      record();
      const start = performance.now();
      await gpu.flush();
      const wallUs = (performance.now() - start) * 1000;
      const [us] = (await times) ?? [wallUs];
      return Math.max(0, us); // some clocks start anew
    } finally {
      gpu.observer = undefined;
    }
  };
}
