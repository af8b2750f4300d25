import { expect, test } from "vitest";
import { RawSound } from "../../src/server/rawSound.ts";
import { pieces } from "./socketSupport.ts";

const format = { encoding: "s16le", rate: 24_000, channels: 2 } as const;
const bytes = Buffer.from(Uint8Array.from({ length: 40_001 }, (_, i) => i * i));

async function read(size: number) {
  const made: Float32Array[] = [];
  const sound = new RawSound(format, (pcm) => void made.push(pcm));
  for (const piece of pieces(bytes, size)) await sound.write(piece);
  await sound.end();
  return made;
}

test("samples are the same however the bytes are cut, and a byte at a time makes no more than a few pieces", async () => {
  const all = (await read(bytes.length)).flatMap((pcm) => [...pcm]);
  expect(all).toHaveLength(Math.ceil((10_000 * 2) / 3));
  for (const size of [1, 3, 4097]) {
    const made = await read(size);
    expect(made.flatMap((pcm) => [...pcm])).toEqual(all);
    expect(made.length).toBeLessThan(30);
  }
});

test("what comes after the end is another sound", async () => {
  const made: number[] = [];
  const sound = new RawSound({ encoding: "f32le", rate: 16_000, channels: 1 }, (pcm) => void made.push(...pcm));
  for (const x of [0.25, 0.5]) {
    const sample = Buffer.alloc(5);
    sample.writeFloatLE(x);
    await sound.write(sample);
    expect(made).not.toContain(x);
    await sound.end();
    expect(made).toContain(x);
  }
  expect(made).toEqual([0.25, 0.5]);
});
