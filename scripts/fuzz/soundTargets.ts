import { MAX_SECONDS } from "../../src/audio/pcm.ts";
import { joinAudio, streamAudio } from "../../src/audio/stream.ts";
import { SenseVoiceError } from "../../src/error.ts";
import { decodeWhole } from "../../test/audio/support.ts";
import { fixFlac, fixOgg } from "./checksums.ts";
import { Finding } from "./judge.ts";
import { createRandom, type Random } from "./random.ts";
import { aiffSeeds, fileSeed, type Seed, smallestSeeds, wavSeeds } from "./seeds.ts";
import { digest, expectFinite, inPlace, type Target } from "./target.ts";

async function runSound(bytes: Uint8Array): Promise<string> {
  const { channels, sampleRate } = await decodeWhole(bytes, "sound");
  const lengths = channels.map(({ length }) => length);
  if (new Set(lengths).size > 1) throw new Finding(`channels of ${lengths} samples`);
  const mono = await joinAudio(streamAudio(bytes, "sound", undefined, MAX_SECONDS));
  expectFinite("sound", mono);
  return [`${sampleRate}/${channels.length}`, ...blockDigests(channels)].join(" ");
}

/** The samples, or why there are none. */
async function hear(file: Uint8Array | AsyncIterable<Uint8Array>): Promise<{ heard: string; refusal?: Error }> {
  try {
    return { heard: digest(await joinAudio(streamAudio(file, "sound"))) };
  } catch (error) {
    if (!(error instanceof SenseVoiceError)) throw error;
    return { heard: error.message, refusal: error };
  }
}

async function* inChunks(bytes: Uint8Array, random: Random): AsyncGenerator<Uint8Array> {
  const longest = random.pick([3, 100, 5000, 100_000]);
  for (let at = 0; at < bytes.length; ) {
    const end = at + random.below(longest + 1);
    yield bytes.slice(at, end);
    at = end;
  }
}

/**
 * The same bytes whole and in chunks of random lengths: the same samples, or refused with the same message. Of what is
 * truncated only that it is refused: a stream may be found to be damaged before its end.
 */
async function runChunks(bytes: Uint8Array): Promise<string> {
  const whole = await hear(bytes);
  const stream = await hear(inChunks(bytes, createRandom(digest(bytes))));
  const truncated = /^sound: truncated (wav|mp3|mp4|webm|aiff|sph):/.test(whole.heard);
  if (stream.heard !== whole.heard && !(truncated && stream.refusal)) {
    throw new Finding(`${whole.heard} in memory, ${stream.heard} in chunks`);
  }
  if (whole.refusal) throw whole.refusal;
  return whole.heard;
}

/** Samples whose digest is one word of what reading a sound gives. */
const BLOCK = 800;

function blockDigests(channels: readonly Float32Array[]): string[] {
  const blocks = Math.ceil((channels[0]?.length ?? 0) / BLOCK);
  return Array.from({ length: blocks }, (_, i) =>
    digest(...channels.map((channel) => channel.subarray(i * BLOCK, (i + 1) * BLOCK))).slice(0, 12),
  );
}

/** The same sound, or its beginning: an Ogg file from a live recording ends with any page. */
function isBeginning(whole: string, got: string): boolean {
  return whole === got || whole.startsWith(got.slice(0, got.lastIndexOf(" ") + 1));
}

const sounds = (name: string, seeds: () => Seed[], rest: Partial<Target> = {}): Target => {
  return { name, seeds: async () => seeds(), run: runSound, ...rest };
};

const fixtures = (...names: string[]): Seed[] => names.map((name) => fileSeed(`test/audio/fixtures/${name}`));

export const SOUND_TARGETS: readonly Target[] = [
  sounds("wav", wavSeeds),
  sounds("sphere", () => fixtures("sphere-be.sph", "sphere-le.sph", "sphere-ulaw.sph").map(withText)),
  sounds("aiff", aiffSeeds),
  sounds("mp3", () => fixtures("clip.mp3", "clip-44k-stereo.mp3")),
  sounds("flac", () => [...fixtures("clip.flac"), ...smallestSeeds("test/eval", ".flac", 3)], {
    fix: inPlace(fixFlac),
    checked: (_, fixed) => !fixed,
  }),
  sounds("ogg", () => fixtures("clip.ogg", "clip.opus", "clip-flac.ogg"), {
    fix: inPlace(fixOgg),
    checked: ({ name }, fixed) => !fixed || name === "clip-flac.ogg", // whose frames have sums of their own
    agrees: isBeginning,
  }),
  sounds("other", () => [...fixtures("clip.aac", "clip.m4a", "clip.webm", "funasr-2ms.f32"), ...wavSeeds()]),
  sounds(
    "chunks",
    () => [
      ...fixtures("sphere-le.sph", "clip.mp3", "clip-44k-stereo.mp3", "clip.flac", "clip-flac.ogg", "clip.ogg"),
      ...fixtures("clip.opus", "clip.aac", "clip.m4a", "clip.webm"),
      ...wavSeeds(),
      ...aiffSeeds(),
    ],
    {
      run: runChunks,
      fix: inPlace((bytes) => {
        fixFlac(bytes);
        fixOgg(bytes);
      }),
    },
  ),
];

function withText(seed: Seed): Seed {
  return { ...seed, format: "mixed" };
}
