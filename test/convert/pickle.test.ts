import { describe, expect, test } from "vitest";
import { readPickle } from "../../src/convert/pickle.ts";
import { SenseVoiceError } from "../../src/error.ts";

const pickle = (...parts: (string | number)[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : Buffer.of(part))));

/** ("storage", FloatStorage, "0", "cpu", 6) as a persistent id, as torch pickles it. */
const STORAGE = ["(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK", 6, "tQ"] as const;
const REBUILD = "ctorch._utils\n_rebuild_tensor_v2\n";

describe("values", () => {
  test.each<[string, Uint8Array, unknown]>([
    ["None", pickle("N."), null],
    ["booleans", pickle(0x88, 0x89, 0x86, "."), [true, false]],
    ["small integers", pickle("K", 255, "M\x01\x02J\xfe\xff\xff\xff", 0x87, "."), [255, 513, -2]],
    ["long integers", pickle(0x8a, 5, 0, 0, 0, 0, 1, 0x8a, 1, 0xff, 0x8a, 0, 0x87, "."), [2 ** 32, -1, 0]],
    ["floats, big-endian", pickle("G\xbf\xe0\0\0\0\0\0\0."), -0.5],
    ["text in UTF-8", pickle("X\x03\0\0\0\xe4\xbd\xa0", 0x8c, 1, "a", 0x86, "."), ["你", "a"]],
    ["lists", pickle("]K", 1, "a(K", 2, "K", 3, "e."), [1, 2, 3]],
    ["tuples", pickle("()K", 1, 0x85, "t."), [[], [1]]],
    ["remembered values", pickle("]q", 9, "h", 9, "h", 9, 0x87, "."), [[], [], []]],
    [
      "values remembered under large numbers",
      pickle("K", 7, "r\x01\x02\0\0", "Nj\x01\x02\0\0", 0x87, "."),
      [7, null, 7],
    ],
    ["under little-endian ones", pickle("K", 7, "q", 1, "K", 8, "r\0\0\0\x01h", 1, 0x87, "."), [7, 8, 7]],
    ["values remembered in order", pickle(0x80, 4, "K", 7, 0x94, "0".slice(1), "h", 0, 0x86, "."), [7, 7]],
    ["a frame's length is skipped", pickle(0x80, 5, 0x95, "\x03\0\0\0\0\0\0\0", "K", 1, "."), 1],
  ])("%s", (_, bytes, expected) => {
    expect(readPickle(bytes)).toEqual(expected);
  });

  test("dicts and OrderedDicts, attributes dropped", () => {
    const expected = new Map([["a", 1]]);
    expect(readPickle(pickle("}X\x01\0\0\0aK", 1, "s."))).toEqual(expected);
    expect(readPickle(pickle("ccollections\nOrderedDict\n)R(X\x01\0\0\0aK", 1, "u}b."))).toEqual(expected);
    expect(
      readPickle(pickle(0x8c, 11, "collections", 0x8c, 11, "OrderedDict", 0x93, ")R(X\x01\0\0\0aK", 1, "u.")),
    ).toEqual(expected);
  });

  test("a tensor is a view of a storage; a Parameter is its tensor", () => {
    const storage = { kind: "storage", dtype: "f32", key: "0", elements: 6 };
    const tensor = { kind: "tensor", storage, offset: 0, shape: [2, 3], stride: [3, 1] };
    const built = pickle(REBUILD, "(", ...STORAGE, "K", 0, "K", 2, "K", 3, 0x86, "K", 3, "K", 1, 0x86, 0x89, "NtR");
    expect(readPickle(pickle(built.toString("latin1"), "."))).toEqual(tensor);
    const parameter = pickle("ctorch._utils\n_rebuild_parameter\n", built.toString("latin1"), 0x88, "N", 0x87, "R.");
    expect(readPickle(parameter)).toEqual(tensor);
  });
});

/** A tensor of one number in so many dimensions. */
const tensorOf = (dimensions: number) => {
  const ones = ["(", "K\x01".repeat(dimensions), "t"];
  return pickle(REBUILD, "(", ...STORAGE, "K", 0, ...ones, ...ones, 0x89, "NtR.");
};

test("a tensor may have eight dimensions", () => {
  expect(readPickle(tensorOf(8))).toMatchObject({ kind: "tensor", shape: new Array(8).fill(1) });
});

/** Instructions that push a tuple 60 deep, each of which holds the one below twice: 2^60 lists if written out. */
const shared = ["]", ...Array.from({ length: 60 }, (_, i) => ["q", i, "h", i, 0x86]).flat()];
const deep = ["]", "\x85".repeat(100_000)];
const text = `\x1b[2J\n${"x".repeat(900_000)}`;
const long = ["X", String.fromCharCode(...new Uint8Array(Uint32Array.of(text.length).buffer)), text];

describe("what is not a state_dict is refused in one line", () => {
  test.each<[string, Uint8Array, RegExp]>([
    ["os.system", pickle("cos\nsystem\n(X\x09\0\0\0touch pwntR."), /asks for "os\.system", .*nothing was run/],
    ["eval by STACK_GLOBAL", pickle(0x8c, 8, "builtins", 0x8c, 4, "eval", 0x93, "."), /"builtins\.eval"/],
    ["a global that is no text", pickle("K", 1, "N", 0x93, "."), /"\?\.\?"/],
    ["INST", pickle("(ios\nsystem\n."), /opcode 0x69/],
    ["OBJ", pickle("(o."), /opcode 0x6f/],
    ["NEWOBJ", pickle("ccollections\nOrderedDict\n)", 0x81, "."), /opcode 0x81/],
    ["EXT1", pickle(0x82, 1, "."), /opcode 0x82/],
    ["BINBYTES", pickle("B\xff\xff\xff\xff."), /opcode 0x42/],
    ["a call of data", pickle("K", 1, ")R."), /calls \? with other arguments/],
    ["a storage class called", pickle("ctorch\nFloatStorage\n)R."), /calls torch\.FloatStorage/],
    ["a tensor without storage", pickle(REBUILD, "(NK", 0, "))", 0x89, "NtR."), /calls torch\._utils/],
    ["a negative offset", pickle(REBUILD, "(", ...STORAGE, "J\xff\xff\xff\xff))", 0x89, "NtR."), /calls torch/],
    ["shape without strides", pickle(REBUILD, "(", ...STORAGE, "K", 0, "K", 1, 0x85, ")", 0x89, "NtR."), /calls/],
    ["nine dimensions", tensorOf(9), /calls torch\._utils\._rebuild_tensor_v2 with other arguments/],
    ["another persistent id", pickle("X\x03\0\0\0abcQ."), /persistent id/],
    ["an empty stack", pickle("."), /empty stack/],
    ["a value taken through a mark", pickle("K", 1, "(a."), /empty stack/],
    ["no mark", pickle("t."), /no mark/],
    ["a memo slot unset", pickle("h", 1, "."), /recalls value 1/],
    ["an append to a number", pickle("K", 1, "K", 2, "a."), /not a list/],
    ["items of a list", pickle("]K", 1, "K", 2, "s."), /not a dict/],
    ["an odd number of items", pickle("}(K", 1, "u."), /not a dict/],
    ["attributes of a list", pickle("]}b."), /not a dict/],
    ["a key twice", pickle("}(K", 1, "NK", 1, "Nu."), /the key 1 twice/],
    ["protocol 6", pickle(0x80, 6, "N."), /protocol 6/],
    ["a huge integer", pickle(0x8a, 255, "\xff".repeat(254), "\x7f."), /integer of 255 bytes/],
    ["a length over the end", pickle("X\xff\xff\xff\xffabc."), /ends in the middle/],
    ["a name without end", pickle("cos\nsystem"), /ends in the middle/],
    ["nothing", pickle(), /ends in the middle/],
  ])("%s", (_, bytes, message) => {
    expect(() => readPickle(bytes)).toThrow(message);
    expect(() => readPickle(bytes)).toThrow(/^\[weights\] data\.pkl: [^\n]+$/);
  });

  test.each([
    ["shared 60 deep", shared, "a list of 2"],
    ["100 000 deep", deep, "a list of 1"],
    ["of 900 KB with control bytes", long, `"\\u001b[2J\\n${"x".repeat(55)}…"`],
  ])("a key %s, twice: one line at once", (_, key, shown) => {
    const bytes = pickle("}", ...key, "q", 99, "Nsh", 99, "Ns.");
    expect(() => readPickle(bytes)).toThrow(
      new SenseVoiceError(`[weights] data.pkl: the pickle has the key ${shown} twice`),
    );
  });

  test("a pickle cut at any byte", () => {
    const whole = pickle("}(X\x01\0\0\0a", REBUILD, "(", ...STORAGE, "K", 0, "K", 6, 0x85, "K", 1, 0x85, 0x89, "NtRu.");
    expect(readPickle(whole)).toBeInstanceOf(Map);
    for (let length = 0; length < whole.length; length++) {
      expect(() => readPickle(whole.subarray(0, length)), `cut at ${length}`).toThrow(SenseVoiceError);
    }
  });

  test("a single damaged byte is read or refused, never more", () => {
    const whole = pickle("}(X\x01\0\0\0a", REBUILD, "(", ...STORAGE, "K", 0, "K", 6, 0x85, "K", 1, 0x85, 0x89, "NtRu.");
    for (let at = 0; at < whole.length; at++) {
      for (let value = at % 4; value < 256; value += 4) {
        const damaged = Uint8Array.from(whole);
        damaged[at] = value;
        try {
          readPickle(damaged);
        } catch (error) {
          if (!(error instanceof SenseVoiceError)) throw error;
        }
      }
    }
  });
});
