import { quote, SenseVoiceError } from "../error.ts";
import { isCount, isCounts, isObject } from "../weights/fields.ts";

/** Element types of torch's typed storages. Weights are floats; the rest occur in optimiser states. */
export type StorageDType = "f64" | "f32" | "f16" | "bf16" | "i64" | "i32" | "i16" | "i8" | "u8" | "bool";

/** A block of numbers that lies outside the pickle, in the archive's entry `data/<key>`. */
export interface StorageRef {
  readonly kind: "storage";
  readonly dtype: StorageDType;
  readonly key: string;
  readonly elements: number;
}

/** A view of a storage; offset and strides count elements. */
export interface TensorRef {
  readonly kind: "tensor";
  readonly storage: StorageRef;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly stride: readonly number[];
}

interface GlobalRef {
  readonly kind: "global";
  readonly name: string;
}

/** What a pickled state_dict is made of. Tuples and lists are both arrays, dict and OrderedDict both maps. */
export type Pickled =
  | null
  | boolean
  | number
  | string
  | Pickled[]
  | Map<Pickled, Pickled>
  | StorageRef
  | TensorRef
  | GlobalRef;

const STORAGES: ReadonlyMap<string, StorageDType> = new Map([
  ["torch.DoubleStorage", "f64"],
  ["torch.FloatStorage", "f32"],
  ["torch.HalfStorage", "f16"],
  ["torch.BFloat16Storage", "bf16"],
  ["torch.LongStorage", "i64"],
  ["torch.IntStorage", "i32"],
  ["torch.ShortStorage", "i16"],
  ["torch.CharStorage", "i8"],
  ["torch.ByteStorage", "u8"],
  ["torch.BoolStorage", "bool"],
]);

const ORDERED_DICT = "collections.OrderedDict";
const REBUILD_TENSOR = "torch._utils._rebuild_tensor_v2";
const REBUILD_PARAMETER = "torch._utils._rebuild_parameter";

/**
 * Reads a pickle (protocols 2 to 5) that torch.save wrote. A pickle is a program for a stack machine that
 * may call anything; this machine knows the instructions that a state_dict needs and calls nothing: the
 * few names it accepts are read as data, and any other instruction or name is refused. Work and memory are
 * linear in the pickle's length. Throws a SenseVoiceError that names what was refused and where.
 * Instructions: CPython, Lib/pickletools.py. What torch writes: torch/serialization.py, torch/_utils.py.
 */
export function readPickle(bytes: Uint8Array): Pickled {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const stack: Pickled[] = [];
  const marks: number[] = [];
  const memo = new Map<number, Pickled>();
  let position = 0;

  const take = (count: number): number => {
    if (count > bytes.length - position) fail(`ends in the middle, after ${bytes.length} bytes`);
    position += count;
    return position - count;
  };
  const text = (count: number): string => {
    const start = take(count);
    return new TextDecoder().decode(bytes.subarray(start, start + count));
  };
  const line = (): string => {
    const end = bytes.indexOf(0x0a, position);
    if (end < 0) fail(`ends in the middle, after ${bytes.length} bytes`);
    const value = text(end - position);
    take(1);
    return value;
  };
  const pop = (): Pickled => {
    if (stack.length <= (marks.at(-1) ?? 0)) fail("takes a value from an empty stack");
    return stack.pop() as Pickled;
  };
  const popN = (count: number): Pickled[] => Array.from({ length: count }, pop).reverse();
  const popToMark = (): Pickled[] => {
    const mark = marks.pop() ?? fail("has no mark to go back to");
    return stack.splice(mark);
  };
  const top = (): Pickled => {
    const value = pop();
    stack.push(value);
    return value;
  };
  const append = (items: Pickled[]): void => {
    const list = top();
    if (!Array.isArray(list)) fail("appends to what is not a list");
    for (const item of items) list.push(item);
  };
  const setItems = (items: Pickled[]): void => {
    const dict = top();
    if (!(dict instanceof Map) || items.length % 2) fail("sets items of what is not a dict");
    for (let i = 0; i < items.length; i += 2) {
      if (dict.has(items[i])) fail(`has the key ${quote(items[i])} twice`);
      dict.set(items[i], items[i + 1]);
    }
  };
  const remembered = (index: number): Pickled => memo.get(index) ?? fail(`recalls value ${index} unset`);

  for (;;) {
    const opcode = bytes[take(1)];
    switch (opcode) {
      case 0x80: // PROTO
        if (bytes[take(1)] > 5) fail(`protocol ${bytes[position - 1]} is not supported: expected 2 to 5`);
        break;
      case 0x95: // FRAME: a length that only helps to read ahead
        take(8);
        break;
      case 0x2e: // STOP
        return pop();
      case 0x28: // MARK
        marks.push(stack.length);
        break;
      case 0x4e: // NONE
        stack.push(null);
        break;
      case 0x88: // NEWTRUE
      case 0x89: // NEWFALSE
        stack.push(opcode === 0x88);
        break;
      case 0x4b: // BININT1
        stack.push(bytes[take(1)]);
        break;
      case 0x4d: // BININT2
        stack.push(view.getUint16(take(2), true));
        break;
      case 0x4a: // BININT
        stack.push(view.getInt32(take(4), true));
        break;
      case 0x8a: // LONG1
        stack.push(long(bytes.subarray(take(bytes[take(1)]), position)));
        break;
      case 0x47: // BINFLOAT
        stack.push(view.getFloat64(take(8)));
        break;
      case 0x8c: // SHORT_BINUNICODE
        stack.push(text(bytes[take(1)]));
        break;
      case 0x58: // BINUNICODE
        stack.push(text(view.getUint32(take(4), true)));
        break;
      case 0x5d: // EMPTY_LIST
      case 0x29: // EMPTY_TUPLE
        stack.push([]);
        break;
      case 0x7d: // EMPTY_DICT
        stack.push(new Map());
        break;
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        stack.push(popN(opcode - 0x84));
        break;
      case 0x74: // TUPLE
        stack.push(popToMark());
        break;
      case 0x61: // APPEND
        append(popN(1));
        break;
      case 0x65: // APPENDS
        append(popToMark());
        break;
      case 0x73: // SETITEM
        setItems(popN(2));
        break;
      case 0x75: // SETITEMS
        setItems(popToMark());
        break;
      case 0x71: // BINPUT
        memo.set(bytes[take(1)], top());
        break;
      case 0x72: // LONG_BINPUT
        memo.set(view.getUint32(take(4), true), top());
        break;
      case 0x94: // MEMOIZE
        memo.set(memo.size, top());
        break;
      case 0x68: // BINGET
        stack.push(remembered(bytes[take(1)]));
        break;
      case 0x6a: // LONG_BINGET
        stack.push(remembered(view.getUint32(take(4), true)));
        break;
      case 0x63: // GLOBAL
        stack.push(global(line(), line()));
        break;
      case 0x93: // STACK_GLOBAL
        stack.push(global(...(popN(2) as [Pickled, Pickled])));
        break;
      case 0x52: // REDUCE
        stack.push(call(...(popN(2) as [Pickled, Pickled])));
        break;
      case 0x51: // BINPERSID
        stack.push(storage(pop()));
        break;
      case 0x62: // BUILD: attributes of an OrderedDict (torch keeps module versions there); not needed
        pop();
        if (!(top() instanceof Map)) fail("sets attributes of what is not a dict");
        break;
      default:
        fail(`has the opcode 0x${opcode.toString(16).padStart(2, "0")}, which no state_dict needs`);
    }
  }
}

/** An integer of little-endian two's complement bytes. */
function long(bytes: Uint8Array): number {
  let value = 0n;
  for (let i = 0; i < bytes.length; i++) value |= BigInt(bytes[i]) << BigInt(8 * i);
  const result = Number(BigInt.asIntN(8 * bytes.length, value));
  return Number.isSafeInteger(result) ? result : fail(`has an integer of ${bytes.length} bytes`);
}

function global(module: Pickled, attribute: Pickled): GlobalRef {
  const name = `${typeof module === "string" ? module : "?"}.${typeof attribute === "string" ? attribute : "?"}`;
  if (name === ORDERED_DICT || name === REBUILD_TENSOR || name === REBUILD_PARAMETER || STORAGES.has(name)) {
    return { kind: "global", name };
  }
  return fail(`asks for ${quote(name)}, which no state_dict needs; nothing was run`);
}

/** The one place where torch would call a function: the three it may be are built here as data. */
function call(callee: Pickled, args: Pickled): Pickled {
  const name = isRef(callee, "global") ? callee.name : "?";
  if (!Array.isArray(args)) return fail(`calls ${name} without arguments`);
  if (name === ORDERED_DICT && args.length === 0) return new Map();
  if (name === REBUILD_TENSOR) {
    const [source, offset, shape, stride] = args;
    if (isRef(source, "storage") && isCount(offset) && isCounts(shape) && isCounts(stride)) {
      if (shape.length === stride.length) return { kind: "tensor", storage: source, offset, shape, stride };
    }
  }
  if (name === REBUILD_PARAMETER && isRef(args[0], "tensor")) return args[0];
  return fail(`calls ${name} with other arguments than torch writes`);
}

/** A persistent id: ("storage", class, key, device, number of elements). */
function storage(id: Pickled): StorageRef {
  const [tag, type, key, , elements] = Array.isArray(id) ? id : [];
  const dtype = isRef(type, "global") ? STORAGES.get(type.name) : undefined;
  if (tag !== "storage" || !dtype || typeof key !== "string" || !isCount(elements)) {
    return fail("has a persistent id that is not a storage");
  }
  return { kind: "storage", dtype, key, elements };
}

/** Is this value a storage, a tensor or a global? */
export function isRef<K extends "storage" | "tensor" | "global">(
  value: Pickled | undefined,
  kind: K,
): value is Extract<StorageRef | TensorRef | GlobalRef, { kind: K }> {
  return isObject(value) && value.kind === kind;
}

function fail(message: string): never {
  throw new SenseVoiceError(`[weights] data.pkl: the pickle ${message}`);
}
