import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { printError, printNote } from "../../src/cli/messages.ts";
import { SenseVoiceError } from "../../src/error.ts";

let printed = "";
beforeEach(() => {
  printed = "";
  vi.stubEnv("SENSEVOICE_DEBUG", "");
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    printed += text;
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

describe("printError", () => {
  test("names the file, once", () => {
    printError(new SenseVoiceError("a.wav: no such file"), "a.wav");
    printError(new SenseVoiceError("[engine] sound: expected less"), "b.wav");
    expect(printed).toBe("error: a.wav: no such file\nerror: b.wav: [engine] sound: expected less\n");
  });

  test("a bug: one line that says how to report it", () => {
    printError(new TypeError("x is not\n a function"));
    expect(printed).toMatch(/^error: x is not a function \(a bug in sensevoice: .*SENSEVOICE_DEBUG=1.*\)\n$/);
  });

  test("a bug whose message holds a file's bytes: still one line, short and without control characters", () => {
    printError(new RangeError(`no "${"\x1b[2J\n".repeat(200_000)}" here`));
    expect(printed).toMatch(/^error: no ".* …[^\n]*" here \(a bug in sensevoice: [^\n]*\)\n$/);
    expect(printed).not.toMatch(/\p{Cc}(?!$)/u);
    expect(printed.length).toBeLessThan(520);
  });

  test("a subject with a line break is named once", () => {
    printError(new SenseVoiceError("a\nb.wav: no such file"), "a\nb.wav");
    expect(printed).toBe("error: a b.wav: no such file\n");
  });

  test("the stack with SENSEVOICE_DEBUG", () => {
    vi.stubEnv("SENSEVOICE_DEBUG", "1");
    printError(new TypeError("oh"));
    expect(printed).toMatch(/\)\nTypeError: oh\n +at .*messages\.test\.ts/);
  });

  test("whatever is thrown", () => {
    printError("a text");
    printError(Object.create(null));
    expect(printed).toMatch(/^error: a text \(.*\)\nerror: an object \(.*\)\n$/);
  });
});

test("printNote", () => {
  printNote("a name with\na line break");
  expect(printed).toBe("note: a name with a line break\n");
});
