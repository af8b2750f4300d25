import { fileURLToPath } from "node:url";
import { openSpeakerFeatures } from "../../src/audio/speakerFeatures.ts";
import { DEFAULT_SIZES, type SpeakerConfig } from "../../src/model/campplus/config.ts";
import { Campplus } from "../../src/model/campplus/network.ts";
import { campplusParameters } from "../../src/model/campplus/parameters.ts";
import { loadCampplusWeights } from "../../src/model/campplus/weights.ts";
import type { Backend, LinearWeight, Tensor } from "../../src/tensor/backend.ts";
import { elementCount, type HostTensor } from "../../src/tensor/host.ts";
import type { Weight } from "../../src/tensor/quantized.ts";

/** What the input of each norm varies by on speech: a norm's name without its layer and ".batchnorm". */
const VARIANCE: Readonly<Record<string, number>> = {
  "head.bn1": 20,
  ...{ "head.layer1.0.bn1": 0.92, "head.layer1.0.bn2": 1.2, "head.layer1.0.shortcut.1": 0.97 },
  ...{ "head.layer1.1.bn1": 2.5, "head.layer1.1.bn2": 0.66 },
  ...{ "head.layer2.0.bn1": 3.4, "head.layer2.0.bn2": 0.93, "head.layer2.0.shortcut.1": 3 },
  ...{ "head.layer2.1.bn1": 1.7, "head.layer2.1.bn2": 1.6, "head.bn2": 4.1 },
  "xvector.tdnn.nonlinear": 1.3,
  ...{ "xvector.block1.nonlinear1": 0.52, "xvector.block1.nonlinear2": 1.3, "xvector.transit1.nonlinear": 0.42 },
  ...{ "xvector.block2.nonlinear1": 0.9, "xvector.block2.nonlinear2": 1, "xvector.transit2.nonlinear": 0.62 },
  ...{ "xvector.block3.nonlinear1": 0.97, "xvector.block3.nonlinear2": 1, "xvector.transit3.nonlinear": 0.8 },
  ...{ "xvector.out_nonlinear": 1.1, "xvector.dense.nonlinear": 0.3 },
};
/** 100 times what the last norm's input is on average. */
const CENTRE = [
  193, -228, -132, 32, 69, -208, 104, 15, 335, 86, 129, -20, -89, -81, -119, 47, -131, -159, -264, -137, -25, 108, 64,
  197, 25, 323, -29, -102, 26, -424, 39, 44, -55, 56, -182, 59, 30, -454, -30, -7, -57, -114, 74, 247, -24, 100, 129,
  191, -74, -104, 95, -17, -147, -97, -115, 206, 180, 74, 115, -48, -173, -9, 195, 45, -26, 284, -294, 50, -385, -117,
  -121, 381, 99, 179, 35, -44, -207, 120, -14, 4, -107, 262, -56, 38, -43, 16, -218, 293, -85, 47, 12, 19, 23, 16, -140,
  2, 307, -56, 124, -2, 61, 91, 164, 128, 43, 49, -55, -141, 53, -84, -290, 61, -130, 166, -7, -257, 387, 86, 281, 14,
  -52, -50, -152, -55, 83, -127, -123, -184, -124, -55, -309, 124, 1, 116, 123, -264, 142, 144, 39, -335, 14, 38, -247,
  -249, -15, -180, -185, -108, 153, 350, 361, 194, -23, -132, 14, 56, -86, 50, -180, 92, 56, -198, -365, -18, 60, -88,
  -208, -112, -87, -7, 39, -63, -147, -33, 100, -53, 228, -157, -105, -54, 163, -40, -30, 302, 57, 132, -373, 32, -73,
  81, 108, -107,
];

function fnv1a(text: string): number {
  let hash = 2166136261;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 16777619);
  return hash;
}

function mix(z: number): number {
  let mixed = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return mixed ^ (mixed >>> 15);
}

/** Where a tensor's numbers lie, by the end of its name. */
function bounds(name: string, shape: readonly number[]): readonly [low: number, high: number] {
  const [, owner = "", part = ""] = /^(.*)\.(\w+)$/.exec(name) ?? [];
  const isNorm = /\.(bn1|bn2|batchnorm)$|shortcut\.1$/.test(owner);
  const variance = () => VARIANCE[owner.replace(/\.tdnnd\d+|\.batchnorm/g, "")];
  if (part === "running_mean") return [-0.2 * Math.sqrt(variance()), 0.2 * Math.sqrt(variance())];
  if (part === "running_var") return [0.6 * variance(), 1.4 * variance()];
  if (isNorm) return part === "weight" ? [0.8, 1.2] : [-0.2, 0.2];
  if (part === "bias") return [-0.1, 0.1];
  const gain = owner.endsWith("cam_layer.linear1") ? 0.25 : 2;
  const b = Math.sqrt((3 * gain) / elementCount(shape.slice(1)));
  return [-b, b];
}

/** The published architecture, with no files. */
export const SPEAKER_CONFIG: SpeakerConfig = {
  ...{ format: "sensevoice-speaker", formatVersion: 1, name: "random-speaker", files: {} },
  ...DEFAULT_SIZES,
};

/** The seeded weights that the goldens of test/golden/spk were made with, in the order of the state_dict. */
export function* seededSpeakerTensors(
  seed = 1,
): Generator<[name: string, tensor: HostTensor & { data: Float32Array }]> {
  for (const { name, shape } of campplusParameters(SPEAKER_CONFIG)) {
    const [low, high] = bounds(name, shape);
    const key = mix((fnv1a(name) + Math.imul(seed, 0x9e3779b9)) | 0);
    const data =
      name === "xvector.dense.nonlinear.batchnorm.running_mean"
        ? Float32Array.from(CENTRE, (c) => c / 100)
        : Float32Array.from({ length: elementCount(shape) }, (_, i) => {
            const u = (mix((key + Math.imul(i + 1, 0x9e3779b9)) | 0) >>> 0) / 2 ** 32;
            return low + (high - low) * u;
          });
    yield [name, { dtype: "f32", shape, data }];
  }
}

/** The network with these weights, or what `convert` makes of them. */
export async function seededSpeaker<T extends Tensor, W extends LinearWeight<T>>(
  backend: Backend<T, W>,
  convert?: (weight: Weight) => Weight,
): Promise<Campplus<T, W>> {
  const weights = await loadCampplusWeights(backend, SPEAKER_CONFIG, seededSpeakerTensors(), convert);
  return new Campplus(backend, SPEAKER_CONFIG, weights, await openSpeakerFeatures(SPEAKER_CONFIG.mels));
}

/** A clip of the goldens. */
export const evalPath = (name: string) => fileURLToPath(new URL(`../eval/${name}`, import.meta.url));
