import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { readAudio } from "../../src/node.ts";
import { Decoding } from "../../src/server/decoding.ts";
import { type Spool, SpoolFolder } from "../../src/server/spool.ts";
import { SAMPLES } from "./support.ts";

const file = join(SAMPLES, "zh.wav");
const bytes = readFileSync(file);

const opened: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

async function createSpool(maxBytes = 1e6): Promise<Spool> {
  const folder = new SpoolFolder({ maxBytes, hash: "md5" });
  opened.push(() => folder.remove());
  const spool = await folder.create();
  opened.push(() => spool.remove());
  return spool;
}

function createDecoding(maxSeconds = 60, threads = 1): Decoding {
  const decoding = new Decoding({ threads, maxSeconds });
  opened.push(() => decoding.close());
  return decoding;
}

async function samplesOf(sound: AsyncIterable<Float32Array>): Promise<number[]> {
  const samples: number[] = [];
  for await (const pcm of sound) samples.push(...pcm);
  return samples;
}

describe("uploads", () => {
  test("are decoded while they come, to the same samples", async () => {
    const spool = await createSpool();
    const decoded = samplesOf(createDecoding().decode(spool));
    for (let at = 0; at < bytes.length; at += 10_000) {
      await spool.write(bytes.subarray(at, at + 10_000));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    spool.end();
    expect(await decoded).toEqual([...(await readAudio(file))]);
    expect(spool.digest).toMatch(/^[0-9a-f]{32}$/);
  });

  test("of more than a small file's size are decoded before they have ended", async () => {
    const spool = await createSpool(1e8);
    const sound = createDecoding(3600).decode(spool);
    const wav = Buffer.concat([bytes.subarray(0, 44), Buffer.alloc(9_000_000)]);
    wav.writeUInt32LE(0xffffffff, 40);
    const first = sound.next();
    await spool.write(wav);
    expect((await first).value).toHaveLength(65_536);
    spool.end();
    await sound.return(undefined);
  });

  test("that are too large are refused at the byte that is too many", async () => {
    const spool = await createSpool(100);
    await spool.write(new Uint8Array(100));
    await expect(spool.write(new Uint8Array(1))).rejects.toMatchObject({ status: 413 });
  });

  test("that are no sound, damaged or too long are told apart", async () => {
    const decode = async (content: Uint8Array, maxSeconds = 60) => {
      const spool = await createSpool();
      await spool.write(content);
      spool.end();
      return samplesOf(createDecoding(maxSeconds).decode(spool));
    };
    await expect(decode(new TextEncoder().encode("hello"))).rejects.toMatchObject({ status: 400 });
    await expect(decode(bytes.subarray(0, 5000))).rejects.toMatchObject({
      status: 400,
      options: { code: "invalid_audio" },
    });
    await expect(decode(bytes, 2)).rejects.toMatchObject({ status: 413, options: { code: "audio_too_long" } });
  });

  test("leave nothing behind, nor do those of a process that was killed", async () => {
    const uploads = () => readdirSync(tmpdir()).filter((name) => name.startsWith("sensevoice-uploads-"));
    const stale = join(tmpdir(), "sensevoice-uploads-4194305-x"); // beyond the largest process id
    mkdirSync(stale);
    const folder = new SpoolFolder({ maxBytes: 10, hash: "md5" });
    expect(existsSync(stale)).toBe(false);
    const [own] = uploads().filter((name) => name.startsWith(`sensevoice-uploads-${process.pid}-`));
    const spool = await folder.create();
    expect(readdirSync(join(tmpdir(), own))).toHaveLength(1);
    await spool.remove();
    expect(readdirSync(join(tmpdir(), own))).toHaveLength(0);
    folder.remove();
    expect(uploads()).not.toContain(own);
  });

  test("whose reader goes away stop their decoder", async () => {
    const decoding = createDecoding(3600);
    const spool = await createSpool();
    const sound = decoding.decode(spool);
    await spool.write(bytes);
    spool.end();
    await sound.next();
    await sound.return(undefined);
    const again = await createSpool();
    await again.write(bytes);
    again.end();
    expect(await samplesOf(decoding.decode(again))).toHaveLength((await readAudio(file)).length);
  });
});
