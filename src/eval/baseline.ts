import { SenseVoiceError } from "../error.ts";
import { isObject } from "../weights/fields.ts";
import { countEdits, editDistance } from "./align.ts";
import { parseJsonLines } from "./jsonLines.ts";

/** What a clip was asked, and the tokens of the answer. */
export interface Answer {
  readonly tokens: readonly number[];
  /** Where it is known. */
  readonly asked?: { readonly language: string; readonly itn: boolean };
}

/** How far answers are from those of a baseline. */
export interface TokenComparison {
  /** Σ edit distance of the token sequences. */
  readonly differing: number;
  /** Σ tokens of the baseline. */
  readonly tokens: number;
  /** Clips compared. */
  readonly clips: number;
  /** Clips whose tokens are all the same. */
  readonly same: number;
  /** Clips left out: the baseline was asked for another language or ITN, so it may well answer otherwise. */
  readonly askedOtherwise: number;
  /** Clips left out: not in the baseline. */
  readonly missing: number;
}

/**
 * Reads a baseline: what `eval --format json` printed, or JSON Lines of `key` and `tokens` (with FunASR's `language`
 * and `use_itn` where known).
 *
 * @returns answers by the clip's key
 * @throws SenseVoiceError `FILE:LINE: …` if it is neither
 */
export function parseBaseline(text: string, file: string): Map<string, Answer> {
  const lines = parseJsonLines(text, file);
  const [{ where, value } = { where: file, value: {} }] = lines;
  const report = lines.length === 1 && Array.isArray(value.clips) ? value.clips : undefined;
  const rows = report?.map((row: unknown, i) => ({ where: `${where}: clips[${i}]`, row }));
  const answers = new Map<string, Answer>();
  for (const { where, row } of rows ?? lines.map(({ where, value: row }) => ({ where, row }))) {
    const { key, tokens, asked, language, use_itn } = isObject(row) ? row : {};
    if (typeof key !== "string") throw new SenseVoiceError(`${where}: key: expected a text`);
    if (!Array.isArray(tokens) || !tokens.every(Number.isInteger)) {
      throw new SenseVoiceError(`${where}: tokens: expected a list of integers`);
    }
    const query = isObject(asked) ? asked : { language, itn: use_itn };
    answers.set(key, { tokens, asked: isQuery(query) ? query : undefined });
  }
  if (answers.size === 0) throw new SenseVoiceError(`${file}: expected answers to compare with, got none`);
  return answers;
}

function isQuery(query: object): query is { language: string; itn: boolean } {
  const { language, itn } = query as { language?: unknown; itn?: unknown };
  return typeof language === "string" && typeof itn === "boolean";
}

/** Compares answers with the baseline's, clip by clip. Clips that were not asked the same are left out. */
export function compareTokens(
  results: readonly (Answer & { readonly key: string })[],
  baseline: ReadonlyMap<string, Answer>,
): TokenComparison {
  let [differing, tokens, clips, same, askedOtherwise, missing] = [0, 0, 0, 0, 0, 0];
  for (const { key, tokens: got, asked } of results) {
    const other = baseline.get(key);
    if (!other) missing++;
    else if (asked && other.asked && !askedSame(asked, other.asked)) askedOtherwise++;
    else {
      const distance = editDistance(countEdits(other.tokens, got));
      differing += distance;
      tokens += other.tokens.length;
      clips++;
      if (distance === 0) same++;
    }
  }
  return { differing, tokens, clips, same, askedOtherwise, missing };
}

type Asked = NonNullable<Answer["asked"]>;

function askedSame(a: Asked, b: Asked): boolean {
  return a.language === b.language && a.itn === b.itn;
}
