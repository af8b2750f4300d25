import { afterEach, expect, test, vi } from "vitest";
import { decodeAudio } from "../../src/audio/decode.ts";
import { concat, decodeWhole, fixture } from "./support.ts";

/** Decoders that were made and given back. Their memory is WebAssembly's, which no garbage collector sees. */
const count = vi.hoisted(() => ({ made: 0, freed: 0 }));
const counting = vi.hoisted(() => async (original: () => Promise<{ decoder: () => Promise<{ free(): void }> }>) => {
  const codec = await original();
  const decoder = async () => {
    const made = await codec.decoder();
    count.made++;
    const free = made.free.bind(made);
    made.free = () => {
      count.freed++;
      free();
    };
    return made;
  };
  return { ...codec, decoder };
});
vi.mock("@audio/decode-mp3", counting);
vi.mock("@audio/decode-opus", counting);
vi.mock("@audio/decode-vorbis", counting);

afterEach(() => {
  Object.assign(count, { made: 0, freed: 0 });
});

test.each(["clip.mp3", "clip.ogg", "clip.opus"])("the decoder of %s is given back", async (name) => {
  await decodeWhole(fixture(name));
  expect(count).toEqual({ made: 1, freed: 1 });
});

test("so it is where the file is damaged, or nobody wants the rest", async () => {
  const bytes = fixture("clip.ogg");
  bytes[bytes.length - 100] ^= 1;
  await expect(decodeWhole(bytes)).rejects.toThrow("damaged ogg");
  expect(count).toEqual({ made: 1, freed: 1 });
  for await (const _ of decodeAudio(fixture("clip-44k-stereo.mp3"))) break;
  expect(count).toEqual({ made: 2, freed: 2 });
});

test("each Vorbis of a chain has a decoder of its own", async () => {
  const one = fixture("clip.ogg");
  const { channels } = await decodeWhole(one);
  const chain = await decodeWhole(concat([one, one]));
  expect(chain.channels[0].length).toBe(2 * channels[0].length);
  expect(count).toEqual({ made: 3, freed: 3 });
});
