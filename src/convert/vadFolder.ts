import {
  DEFAULT_DETECTOR,
  type DetectorOptions,
  expectVad,
  type VadConfig,
  type VadEncoderConfig,
} from "../model/fsmnVad/config.ts";
import { type Field, refuse } from "../weights/fields.ts";
import { type Cmvn, parseCmvn } from "./cmvn.ts";
import { expectSupported, type FunasrConfig, readText, type Supported } from "./funasrConfig.ts";
import { FRONTEND } from "./funasrFolder.ts";

/** `model` in the `config.yaml` of an FSMN-VAD. */
export const VAD_MODEL = "FsmnVADStreaming";

/** An FSMN-VAD as ModelScope and FunASR lay it out, its small files read. */
export interface VadFolder extends Pick<VadConfig, "encoder" | "frontend" | "detector"> {
  readonly checkpoint: string;
  readonly cmvn: Cmvn;
}

const SUPPORTED: readonly Supported[] = [
  { key: "model", value: VAD_MODEL, required: true },
  { key: "encoder", value: "FSMN", required: true },
  { key: "encoder_conf.rorder", value: 0, required: true },
  { key: "encoder_conf.lstride", value: 1, required: true },
  { key: "encoder_conf.use_softmax", value: true, required: false },
  { key: "frontend", value: "WavFrontendOnline", required: true },
  { key: "frontend_conf.window", value: "hamming", required: false },
  { key: "model_conf.sample_rate", value: 16000, required: false },
];

/** Where config.yaml has the sizes. */
const ENCODER: Readonly<Record<keyof VadEncoderConfig, string>> = {
  ...{ inputSize: "input_dim", inputAffineSize: "input_affine_dim", layers: "fsmn_layers" },
  ...{ linearSize: "linear_dim", projectionSize: "proj_dim", taps: "lorder" },
  ...{ outputAffineSize: "output_affine_dim", outputSize: "output_dim" },
};

/** Where it has the detector's options, under model_conf. */
export const DETECTOR: Readonly<Record<keyof DetectorOptions, string>> = {
  ...{ singleUtterance: "detect_mode", maxEndSilenceMs: "max_end_silence_time" },
  ...{ maxStartSilenceMs: "max_start_silence_time", windowMs: "window_size_ms" },
  ...{ silenceToSpeechMs: "sil_to_speech_time_thres", speechToSilenceMs: "speech_to_sil_time_thres" },
  ...{ speechToNoiseRatio: "speech_2_noise_ratio", speechNoiseThreshold: "speech_noise_thres" },
  ...{ extend: "do_extend", lookbackMs: "lookback_time_start_point", lookaheadMs: "lookahead_time_end_point" },
  ...{ maxSegmentMs: "max_single_segment_time", snrThreshold: "snr_thres" },
  ...{ noiseFrames: "noise_frame_num_used_for_snr", decibelThreshold: "decibel_thres" },
  ...{ priorThreshold: "fe_prior_thres", silenceClasses: "sil_pdf_ids" },
};

/** Reads the small files that an FSMN-VAD's folder has beside `config.yaml`. */
export async function readVadFolder(config: FunasrConfig): Promise<VadFolder> {
  expectSupported(config, SUPPORTED);
  const { at, filePath } = config;
  const sizes = expectVad({
    encoder: (key) => at(`encoder_conf.${ENCODER[key]}`),
    frontend: (key) => at(`frontend_conf.${FRONTEND[key]}`),
    detector: (key) => detectorField(at, key),
  });
  const { frontend, detector, encoder } = sizes;
  const same = (key: string, otherwise: number, expected: number, what: string) => {
    const { where, value = otherwise } = at(`model_conf.${key}`);
    if (value !== expected) refuse({ where, value }, `${what}, ${expected}`);
  };
  same("frame_in_ms", 10, frontend.frameShiftMs, "frame_shift");
  same("frame_length_ms", 25, frontend.frameLengthMs, "frame_length");
  same("silence_pdf_num", 1, detector.silenceClasses.length, "the number of sil_pdf_ids");
  const cmvn = filePath("frontend_conf.cmvn_file", () => "am.mvn");
  return {
    ...sizes,
    checkpoint: filePath("init_param", () => "model.pt"),
    cmvn: parseCmvn(await readText(cmvn), encoder.inputSize),
  };
}

function detectorField(at: FunasrConfig["at"], key: keyof DetectorOptions): Field {
  const field = at(`model_conf.${DETECTOR[key]}`);
  const { value } = field;
  if (value === undefined) return { ...field, value: DEFAULT_DETECTOR[key] };
  if (key !== "singleUtterance" && key !== "extend") return field;
  if (value !== 0 && value !== 1 && typeof value !== "boolean") return refuse(field, "0 or 1");
  return { ...field, value: Boolean(value) === (key === "extend") };
}
