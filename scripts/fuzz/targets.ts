import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openCheckpoint } from "../../src/convert/checkpoint.ts";
import { readPickle } from "../../src/convert/pickle.ts";
import { SenseVoiceError } from "../../src/error.ts";
import { parseBaseline } from "../../src/eval/baseline.ts";
import { parseManifest } from "../../src/eval/manifest.ts";
import { parseRules } from "../../src/output/inspect/rules.ts";
import { expectLayers, parsePolicy, schemeOf } from "../../src/quant/policy.ts";
import { quantizeTensor } from "../../src/quant/quantize.ts";
import { needsStatistics, PRESETS, parseScheme } from "../../src/quant/scheme.ts";
import { dequantize } from "../../src/tensor/quantized.ts";
import { makeZip } from "../../test/convert/zip.ts";
import { correlatedInputs } from "../../test/quant/support.ts";
import { fixZip, zipEntries } from "./checksums.ts";
import { commandLine } from "./commandLine.ts";
import { judgeError } from "./judge.ts";
import { MODEL_TARGETS } from "./modelTargets.ts";
import { fileSeed, ROOT, type Seed, textSeed } from "./seeds.ts";
import { SOUND_TARGETS } from "./soundTargets.ts";
import { SPEAKER_TARGETS } from "./speakerTargets.ts";
import { canonical, digest, expectFinite, inPlace, type Target } from "./target.ts";

const CHECKPOINTS = ["dtypes", "parameters", "protocol4", "unsummed", "views", "wrapped", "funasr/model"].map((name) =>
  fileSeed(`test/convert/fixtures/${name}.pt`),
);
const PICKLE = /\/data\.pkl$/;

/** Reads every tensor, whether or not one before it was refused; throws the first refusal. */
async function readTensors(path: string): Promise<string> {
  const checkpoint = await openCheckpoint(path);
  const parts: (string | ArrayBufferView)[] = [];
  let refusal: unknown;
  try {
    for (const name of checkpoint.tensors.keys()) {
      try {
        parts.push(name, (await checkpoint.read(name)).data);
      } catch (error) {
        if (judgeError(error).kind === "finding") throw error;
        refusal ??= error;
      }
    }
  } finally {
    await checkpoint.close();
  }
  if (refusal) throw refusal;
  return digest(...parts);
}

/** JSON.parse's own error is turned into a message by whoever reads the file. */
function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString());
  } catch {
    throw new SenseVoiceError("expected JSON");
  }
}

const LAYERS = ["encoder.encoders0.0.self_attn.linear_q_k_v.weight", "ctc.ctc_lo.weight"];
const WEIGHTS = correlatedInputs(3, 5, 96);

/** Everything that reads what a user, a download or a disk may have damaged. */
export const TARGETS: readonly Target[] = [
  ...SOUND_TARGETS,
  ...MODEL_TARGETS,
  ...SPEAKER_TARGETS,
  {
    name: "checkpoint",
    seeds: async () => CHECKPOINTS,
    fix: inPlace(fixZip),
    checked: ({ name }, fixed) => !fixed && name !== "unsummed.pt",
    async run(bytes, _, dir) {
      const path = join(dir, "case.pt");
      writeFileSync(path, bytes);
      return readTensors(path);
    },
  },
  {
    name: "pickle",
    seeds: async () =>
      CHECKPOINTS.flatMap(({ name, bytes }) =>
        zipEntries(bytes).flatMap((entry): Seed[] =>
          PICKLE.test(entry.name) ? [{ name, bytes: entry.data, format: "bytes" }] : [],
        ),
      ),
    async run(bytes, seed, dir) {
      readPickle(bytes);
      const path = join(dir, "case-pickle.pt");
      const { bytes: whole } = CHECKPOINTS.find(({ name }) => name === seed?.name) ?? CHECKPOINTS[0];
      const entries = zipEntries(whole).map(({ name, data }) => [name, PICKLE.test(name) ? bytes : data] as const);
      writeFileSync(path, makeZip(entries));
      return readTensors(path);
    },
  },
  {
    name: "policy",
    seeds: async () =>
      Object.entries(PRESETS).map(([name, scheme]) =>
        textSeed(name, JSON.stringify({ name, scheme, layers: { "ctc.*": "int8", [LAYERS[0]]: scheme } }, null, 1)),
      ),
    async run(bytes) {
      const json = parseJson(bytes);
      const policy = parsePolicy(json);
      expectLayers(policy, LAYERS);
      for (const layer of LAYERS) {
        const scheme = parseScheme(schemeOf(policy, layer));
        if (needsStatistics(scheme) || scheme.granularity === "model") continue;
        expectFinite(layer, dequantize(quantizeTensor(WEIGHTS, [5, 96], scheme)));
      }
      return canonical(policy);
    },
  },
  {
    name: "manifest",
    async seeds() {
      const lines = (path: string) => readFileSync(join(ROOT, path), "utf8").split("\n").slice(0, 4).join("\n");
      return [
        textSeed("manifest.jsonl", lines("test/eval/manifest.jsonl")),
        textSeed("baseline.jsonl", lines("test/eval/funasr.jsonl")),
      ];
    },
    async run(bytes, seed) {
      const text = Buffer.from(bytes).toString();
      if (seed?.name === "baseline.jsonl") return canonical([...parseBaseline(text, "baseline.jsonl")]);
      return canonical(parseManifest(text, join("test/eval", "manifest.jsonl")));
    },
  },
  {
    name: "rules",
    seeds: async () => [fileSeed("examples/rules.yaml", "text")],
    async run(bytes) {
      const rules = parseRules(Buffer.from(bytes).toString(), "rules.yaml");
      return canonical(rules.map((rule) => String(JSON.stringify(rule))));
    },
  },
  commandLine,
];
