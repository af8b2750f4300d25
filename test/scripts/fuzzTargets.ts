import type { Target } from "../../scripts/fuzz/target.ts";
import { SenseVoiceError } from "../../src/error.ts";

const seed = { name: "seed", bytes: Buffer.from("right"), format: "text" } as const;
const target = (name: string, run: Target["run"], rest: Partial<Target> = {}): Target => {
  return { name, seeds: async () => [seed], run, ...rest };
};
/** Right for the seed, else what a fault does. */
const fault = (name: string, harm: () => string | Promise<string>): Target => {
  return target(name, async (bytes) => (Buffer.from(bytes).toString() === "right" ? "right" : harm()));
};

/** What may happen to a case. */
export const TARGETS: readonly Target[] = [
  fault("is misread", () => "something else"),
  fault("refuses", () => {
    throw new SenseVoiceError("expected right, got wrong");
  }),
  fault("throws", () => {
    throw new TypeError("x is not a function");
  }),
  fault("says too much", () => {
    throw Object.assign(new SenseVoiceError("x"), { message: "one line\nand another" });
  }),
  fault("hangs", () => {
    for (;;);
  }),
  fault("waits", () => new Promise(() => {})),
  fault("eats", async () => {
    const held: Uint8Array[] = [];
    for (;;) {
      held.push(new Uint8Array(2 ** 24).fill(1));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }),
  fault("gulps", () => {
    new Uint8Array(600 * 2 ** 20).fill(1);
    return "right";
  }),
  fault("exits", () => process.exit(3)),
  fault("lets go", () => {
    Promise.reject(new RangeError("nobody waits"));
    return "right";
  }),
  fault("prints", () => {
    console.log("a decoder's own words");
    return "right";
  }),
];
