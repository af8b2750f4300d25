import { type Field, integerField, numberField, refuse, textField } from "../../weights/fields.ts";
import { WEIGHTS_FILE } from "../../weights/source.ts";
import {
  configFields,
  expectFiles,
  expectFormat,
  expectFrontend,
  type FrontendConfig,
  type ModelConfig,
} from "../sensevoice/config.ts";

/** `format` in the `config.json` of a voice activity model's folder. */
export const VAD_FORMAT = "sensevoice-vad";

/** Sizes of the network; behind each FunASR's name for it and that of its published model. */
export interface VadEncoderConfig {
  /** Width of a feature row: mels × lfrM (input_dim, 400). */
  readonly inputSize: number;
  /** input_affine_dim, 140 */
  readonly inputAffineSize: number;
  /** Blocks of the FSMN (fsmn_layers, 4). */
  readonly layers: number;
  /** Width between the blocks (linear_dim, 250). */
  readonly linearSize: number;
  /** Width of the memory (proj_dim, 128). */
  readonly projectionSize: number;
  /** Taps of the memory, the current row's among them (lorder, 20). */
  readonly taps: number;
  /** output_affine_dim, 140 */
  readonly outputAffineSize: number;
  /** Classes that a row is told from (output_dim, 248). */
  readonly outputSize: number;
}

/**
 * What the detector goes by; behind each FunASR's name for it. FunASR's other options
 * (do_start_point_detection, do_end_point_detection, snr_mode, nn_eval_block_size, dcd_block_size,
 * speech_noise_thresh_low and _high, output_frame_probs) change nothing there.
 */
export interface DetectorOptions {
  /** Whether it stops after the first segment (detect_mode 0). */
  readonly singleUtterance: boolean;
  /** Silence that ends a segment (max_end_silence_time), unless a schedule says how much. */
  readonly maxEndSilenceMs: number;
  /** Silence in front after which a single utterance is given up (max_start_silence_time). */
  readonly maxStartSilenceMs: number;
  /** Frames are smoothed over this (window_size_ms). */
  readonly windowMs: number;
  /** Speech in a window that begins speech (sil_to_speech_time_thres). */
  readonly silenceToSpeechMs: number;
  /** Speech in a window up to which speech ends (speech_to_sil_time_thres). */
  readonly speechToSilenceMs: number;
  /** The noise's probability is that of silence to this power (speech_2_noise_ratio). */
  readonly speechToNoiseRatio: number;
  /** How much more probable than noise speech must be (speech_noise_thres). */
  readonly speechNoiseThreshold: number;
  /** Whether segments begin `lookbackMs` earlier and end `lookaheadMs` later (do_extend). */
  readonly extend: boolean;
  /** lookback_time_start_point */
  readonly lookbackMs: number;
  /** lookahead_time_end_point */
  readonly lookaheadMs: number;
  /** Where a segment is cut even if speech goes on (max_single_segment_time). */
  readonly maxSegmentMs: number;
  /** A frame below this many decibels above the noise is silent (snr_thres). */
  readonly snrThreshold: number;
  /** Frames that the noise is averaged over (noise_frame_num_used_for_snr). */
  readonly noiseFrames: number;
  /** A frame below this many decibels is silent (decibel_thres). */
  readonly decibelThreshold: number;
  /** 1 and more: no frame is ever speech (fe_prior_thres). */
  readonly priorThreshold: number;
  /** Classes of the network that mean silence (sil_pdf_ids). */
  readonly silenceClasses: readonly number[];
}

/** FunASR's defaults (VADXOptions). */
export const DEFAULT_DETECTOR: DetectorOptions = {
  singleUtterance: false,
  maxEndSilenceMs: 800,
  maxStartSilenceMs: 3000,
  windowMs: 200,
  silenceToSpeechMs: 150,
  speechToSilenceMs: 150,
  speechToNoiseRatio: 1,
  speechNoiseThreshold: 0.6,
  extend: true,
  lookbackMs: 200,
  lookaheadMs: 100,
  maxSegmentMs: 60_000,
  snrThreshold: -100,
  noiseFrames: 100,
  decibelThreshold: -100,
  priorThreshold: 1e-4,
  silenceClasses: [0],
};

/** `config.json` of a voice activity model's folder. */
export interface VadConfig {
  readonly format: typeof VAD_FORMAT;
  readonly formatVersion: 1;
  readonly name: string;
  readonly encoder: VadEncoderConfig;
  /** One row a frame: lfrN is 1. */
  readonly frontend: FrontendConfig;
  readonly detector: DetectorOptions;
  /** The folder's other files. */
  readonly files: ModelConfig["files"];
}

/** Where a file has each field. */
export interface VadFields {
  readonly encoder: (key: keyof VadEncoderConfig) => Field;
  readonly frontend: (key: keyof FrontendConfig) => Field;
  readonly detector: (key: keyof DetectorOptions) => Field;
}

/** Checks what `config.json` held. Throws a SenseVoiceError naming the first field that is not as VadConfig has it. */
export function parseVadConfig(json: unknown): VadConfig {
  const at = configFields(json);
  expectFormat(at, VAD_FORMAT, 1);
  return {
    format: VAD_FORMAT,
    formatVersion: 1,
    name: textField(at("name")),
    ...expectVad({
      encoder: (key) => at("encoder", key),
      frontend: (key) => at("frontend", key),
      detector: (key) => at("detector", key),
    }),
    files: expectFiles(at, [WEIGHTS_FILE]),
  };
}

/** Reads the sizes and options, wherever a file has each of them. Throws a SenseVoiceError naming the first wrong one. */
export function expectVad(from: VadFields): Pick<VadConfig, "encoder" | "frontend" | "detector"> {
  const frontend = expectFrontend(from.frontend);
  if (frontend.lfrM < 2) refuse(from.frontend("lfrM"), "2 or more");
  if (frontend.lfrN !== 1) refuse(from.frontend("lfrN"), "1, a row a frame");
  const encoder = expectEncoder(from.encoder, frontend.mels * frontend.lfrM);
  return { encoder, frontend, detector: expectDetector(from.detector, frontend.frameShiftMs, encoder.outputSize) };
}

function expectEncoder(from: VadFields["encoder"], width: number): VadEncoderConfig {
  // The limits are far above the published model; they keep a damaged number from asking for all memory.
  const size = (key: keyof VadEncoderConfig, min = 1, max = 2 ** 14) => integerField(from(key), min, max);
  const encoder = {
    inputSize: size("inputSize", 1, 2 ** 16),
    inputAffineSize: size("inputAffineSize"),
    layers: size("layers", 1, 2 ** 10),
    linearSize: size("linearSize"),
    projectionSize: size("projectionSize"),
    taps: size("taps", 2, 2 ** 10),
    outputAffineSize: size("outputAffineSize"),
    outputSize: size("outputSize", 2),
  };
  if (encoder.inputSize !== width) refuse(from("inputSize"), `mels × lfrM = ${width}`);
  if (width % 4) refuse(from("inputSize"), "a multiple of 4");
  return encoder;
}

function expectDetector(from: VadFields["detector"], frameMs: number, classes: number): DetectorOptions {
  const ms = (key: keyof DetectorOptions, min = 0) => integerField(from(key), min, 2 ** 31);
  const number = (key: keyof DetectorOptions) => numberField(from(key), -1e6, 1e6);
  const flag = (key: keyof DetectorOptions) => {
    const { value } = from(key);
    return typeof value === "boolean" ? value : refuse(from(key), "true or false");
  };
  const { value: silenceClasses } = from("silenceClasses");
  if (!Array.isArray(silenceClasses) || silenceClasses.length === 0) {
    return refuse(from("silenceClasses"), "a list of classes");
  }
  for (const value of silenceClasses) integerField({ ...from("silenceClasses"), value }, 0, classes - 1);
  return {
    singleUtterance: flag("singleUtterance"),
    maxEndSilenceMs: ms("maxEndSilenceMs"),
    maxStartSilenceMs: ms("maxStartSilenceMs"),
    windowMs: integerField(from("windowMs"), frameMs, 60_000),
    silenceToSpeechMs: ms("silenceToSpeechMs"),
    speechToSilenceMs: ms("speechToSilenceMs"),
    speechToNoiseRatio: number("speechToNoiseRatio"),
    speechNoiseThreshold: number("speechNoiseThreshold"),
    extend: flag("extend"),
    lookbackMs: ms("lookbackMs"),
    lookaheadMs: ms("lookaheadMs"),
    maxSegmentMs: ms("maxSegmentMs"),
    snrThreshold: number("snrThreshold"),
    noiseFrames: integerField(from("noiseFrames"), 1, 2 ** 31),
    decibelThreshold: number("decibelThreshold"),
    priorThreshold: number("priorThreshold"),
    silenceClasses,
  };
}
