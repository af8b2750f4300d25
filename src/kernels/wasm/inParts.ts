import type { WasmDevice, WasmTensor } from "./device.ts";

/** A part of the clips for each thread. Of fewer clips than threads all threads share each command. */
export const inParts =
  (device: WasmDevice) =>
  (clips: number, record: (first: number, count: number) => WasmTensor): WasmTensor => {
    const { threads } = device;
    if (threads === 1 || clips < threads) return record(0, clips);
    return device.scope(() => {
      const outputs: WasmTensor[] = [];
      const firstOf = (part: number) => Math.floor((part * clips) / threads);
      const part = (i: number) => outputs.push(device.scope(() => record(firstOf(i), firstOf(i + 1) - firstOf(i))));
      device.apart(Array.from({ length: threads }, (_, i) => () => part(i)));
      const d = outputs[0].shape[1];
      const y = device.createTensor([outputs.reduce((rows, { shape }) => rows + shape[0], 0), d]);
      let pointer = y.pointer;
      for (const output of outputs) {
        device.record("widen", output, { ...y, pointer }, output.shape[0], d, d);
        pointer += output.bytes;
      }
      return y;
    });
  };
