import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { Engine } from "../../src/node.ts";
import { Decoding } from "../../src/server/decoding.ts";
import { Voices } from "../../src/server/voices.ts";
import { SAMPLES } from "./support.ts";

const decoding = new Decoding({ threads: 1, maxSeconds: 60 });
afterAll(() => decoding.close());

/** An engine whose embedding of a voice is the seconds heard. */
function engineOf() {
  const heard: number[] = [];
  const embedVoice = async (pcm: Float32Array) => {
    heard.push(pcm.length / 16_000);
    if (heard.length === 1) throw new Error("the device failed");
    return Float32Array.of(pcm.length / 16_000);
  };
  return { heard, engine: { embedVoice } as unknown as Engine };
}

test("a reference that comes again is not computed again, unless it failed", async () => {
  const reference = readFileSync(join(SAMPLES, "en.wav")).toString("base64");
  const other = readFileSync(join(SAMPLES, "zh.wav")).toString("base64");
  const { engine, heard } = engineOf();
  const voices = new Voices(engine, decoding);
  await expect(voices.people([{ name: "a", reference }])).rejects.toThrow("the device failed");
  const people = await voices.people([
    { name: "a", reference },
    { name: "b", reference: other },
  ]);
  expect(people.map(({ name }) => name)).toEqual(["a", "b"]);
  const again = await voices.people([
    { name: "c", reference: `data:audio/wav;base64,${other}` },
    { name: "d", reference },
  ]);
  expect(again.map(({ embeddings }) => embeddings)).toEqual([people[1].embeddings, people[0].embeddings]);
  expect(heard).toHaveLength(3);
});
