declare module "webvtt-parser" {
  interface ParsedCue {
    readonly startTime: number;
    readonly endTime: number;
    readonly tree: { readonly children: readonly { readonly type: string; readonly value: string | number }[] };
  }
  class WebVTTParser {
    constructor(entities?: Readonly<Record<string, string>>);
    parse(
      text: string,
      mode: "metadata" | "subtitles",
    ): { cues: ParsedCue[]; errors: { message: string; line: number }[] };
  }
  const parser: { readonly WebVTTParser: typeof WebVTTParser };
  // biome-ignore lint/style/noDefaultExport: it is what the CommonJS package has.
  export default parser;
}
