import type { HostTensor } from "../../src/tensor/host.ts";
import { makeZip } from "./zip.ts";

/** What torch.save writes of a state_dict of f32 tensors; one without data is an int64 scalar. */
export type State = readonly (readonly [
  name: string,
  tensor: Pick<HostTensor, "shape"> & { readonly data?: Float32Array },
])[];

/** A checkpoint as torch.save lays it out, in a dict of this name if one is given. */
export function torchSave(state: State, wrapper?: string): Uint8Array {
  const global = (name: string) => Buffer.from(`c${name.replace(/\.(\w+)$/, "\n$1")}\n`);
  const text = (value: string) => {
    const bytes = Buffer.from(value);
    return Buffer.concat([Buffer.from("X"), int(bytes.length).subarray(1), bytes]);
  };
  const int = (value: number) => {
    const bytes = Buffer.from("J    ");
    bytes.writeInt32LE(value, 1);
    return bytes;
  };
  const op = (code: string) => Buffer.from(code, "latin1");
  const tuple = (...items: Buffer[]) => Buffer.concat([op("("), ...items, op("t")]);

  const items = state.map(([name, { shape, data }], key) => {
    const stride = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
    const type = global(data ? "torch.FloatStorage" : "torch.LongStorage");
    const storage = tuple(text("storage"), type, text(String(key)), text("cpu"), int(data?.length ?? 1));
    const hooks = Buffer.concat([global("collections.OrderedDict"), op(")R")]);
    const rest = [int(0), tuple(...shape.map(int)), tuple(...stride.map(int)), op("\x89"), hooks];
    return Buffer.concat([
      text(name),
      global("torch._utils._rebuild_tensor_v2"),
      tuple(Buffer.concat([storage, op("Q")]), ...rest),
      op("R"),
    ]);
  });
  const dict = Buffer.concat([op("}("), ...items, op("u")]);
  const root = wrapper ? Buffer.concat([op("}("), text(wrapper), dict, op("u")]) : dict;
  const pickle = Buffer.concat([op("\x80\x02"), root, op(".")]);
  return makeZip([
    ["archive/data.pkl", pickle],
    ...state.map(([, { data }], key) => {
      const bytes = data ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(8);
      return [`archive/data/${key}`, bytes] as const;
    }),
  ]);
}
