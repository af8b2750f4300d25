/** Sizes of the SANM encoder, under the names that the FunASR configuration gives them. */
export interface EncoderConfig {
  /** Width of a feature row: mels × lfrM (560). */
  readonly inputSize: number;
  /** Width D of the residual stream (512). */
  readonly outputSize: number;
  readonly attentionHeads: number;
  /** Hidden width of the feed-forward (2048). */
  readonly linearUnits: number;
  /** Layers before `after_norm`: layer 0 (encoders0) and the rest (50). */
  readonly numBlocks: number;
  /** Layers after it (20). */
  readonly tpBlocks: number;
  /** Taps of the FSMN memory, odd (11). */
  readonly kernelSize: number;
}

/** What turns sound into feature rows; lengths in milliseconds, as Kaldi writes them. */
export interface FrontendConfig {
  readonly sampleRate: number;
  readonly mels: number;
  readonly frameLengthMs: number;
  readonly frameShiftMs: number;
  /** Low frame rate: rows of lfrM frames, one every lfrN frames. */
  readonly lfrM: number;
  readonly lfrN: number;
}

/** `config.json` of a model folder. */
export interface ModelConfig {
  readonly format: "sensevoice";
  readonly formatVersion: 1;
  /** What the model calls itself: the name of the folder it was converted from, or `--name`. */
  readonly name: string;
  /** Element type of the linear weights as stored. */
  readonly weights: string;
  readonly encoder: EncoderConfig;
  readonly frontend: FrontendConfig;
  /** Tokens the CTC head chooses from; 0 is the blank. */
  readonly vocabSize: number;
  /** The folder's other files, each with its size in bytes and its SHA-256 in hexadecimal. */
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;
}
