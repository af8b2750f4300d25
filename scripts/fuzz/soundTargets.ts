import { MAX_SECONDS } from "../../src/audio/pcm.ts";
import { joinAudio, streamAudio } from "../../src/audio/stream.ts";
import { decodeWhole } from "../../test/audio/support.ts";
import { fixFlac, fixOgg } from "./checksums.ts";
import { Finding } from "./judge.ts";
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
];

function withText(seed: Seed): Seed {
  return { ...seed, format: "mixed" };
}
