import { createHash } from "node:crypto";
import { Finding } from "./judge.ts";
import type { Seed } from "./seeds.ts";

/** What is fuzzed: where its inputs come from, and what reads them. */
export interface Target {
  readonly name: string;
  /** `dir` is a scratch folder. */
  seeds(dir: string): Promise<readonly Seed[]>;
  /** Makes checksums right, so that a case gets further. */
  readonly fix?: (bytes: Uint8Array) => Uint8Array;
  /** Whether whatever is still accepted must be read as the seed is: its checksums cover every change. */
  readonly checked?: (seed: Seed, fixed: boolean) => boolean;
  /** Whether what was read is right where the seed's reading is expected; equal unless given. */
  readonly agrees?: (expected: string, got: string) => boolean;
  /** Milliseconds that a case may take; LIMIT_MS unless given. */
  readonly limitMs?: number;
  /** Reads an input; returns what was read, for comparison. Throws a SenseVoiceError if it is refused. */
  run(bytes: Uint8Array, seed: Seed | undefined, dir: string): Promise<string>;
}

export const inPlace = (fix: (bytes: Uint8Array) => void) => (bytes: Uint8Array) => {
  fix(bytes);
  return bytes;
};

export function digest(...parts: readonly (string | ArrayBufferView)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(typeof part === "string" ? part : bytesOf(part));
  return hash.digest("hex");
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView) => {
  return new Uint8Array(buffer, byteOffset, byteLength);
};

/** The JSON of a value whatever the order of its fields. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner) =>
    typeof inner === "object" && inner && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

export function expectFinite(what: string, values: Float32Array): void {
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at >= 0) throw new Finding(`${what}: ${values[at]} was let through`);
}
