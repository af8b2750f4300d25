import { isNode, LineCounter, parseDocument } from "yaml";
import { quote, reasonOf, SenseVoiceError } from "../../error.ts";
import { EMOTIONS, EVENTS } from "../tagNames.ts";
import {
  type Find,
  findBySpeaker,
  findEmotion,
  findEvent,
  findKeyword,
  findSilence,
  findSpeechRate,
  keywordPattern,
  type Limit,
} from "./find.ts";

export const SEVERITIES = ["info", "warning", "critical"] as const;
export type Severity = (typeof SEVERITIES)[number];

/** Something to look for in recordings. */
export interface Rule {
  readonly name: string;
  /** How reports call it. */
  readonly label: string;
  readonly severity: Severity;
  /** What to make of it; may be empty. */
  readonly note: string;
  /** Whose speech it looks in, if not in that of all. */
  readonly speakers?: readonly string[];
  readonly find: Find;
}

const CONDITIONS: Readonly<Record<string, (value: unknown) => Find>> = {
  emotion: (value) => findEmotion(textsOf(value).map((name) => oneOf(name, EMOTIONS))),
  event: (value) => findEvent(textsOf(value).map((name) => oneOf(name, EVENTS))),
  keyword: (value) => findKeyword(textsOf(value).map(patternOf)),
  silence: (value) => findSilence(limitOf(value, { s: 1, ms: 0.001, min: 60 }).limit),
  speechRate(value) {
    const units = { "words/s": 1, "words/min": 1 / 60, "characters/s": 1, "characters/min": 1 / 60 };
    const { limit, unit } = limitOf(value, units);
    return findSpeechRate(limit, unit.startsWith("words") ? "words" : "characters");
  },
};
const KEYS = ["name", "label", "severity", "note", "speaker", ...Object.keys(CONDITIONS)];

/** The parser looks for keys that are there twice in time that grows with the square of their number. */
const MAX_LENGTH = 2 ** 15;

/**
 * Reads rules from YAML: a list of maps, each with a `name`, one condition (`emotion`, `event`, `keyword`, `silence` or
 * `speechRate`) and, if one likes, `label`, `severity` (info, warning, critical), `note` and `speaker` (only what they say).
 *
 * @param where the file's name, for errors: `rules.yaml: line 3: emotion: expected one of …, got "angri"`
 */
export function parseRules(yaml: string, where: string): Rule[] {
  if (yaml.length > MAX_LENGTH) {
    throw new SenseVoiceError(`${where}: expected at most ${MAX_LENGTH} characters, got ${yaml.length}`);
  }
  const lines = new LineCounter();
  let place: number | undefined;
  const names = new Set<string>();
  try {
    const { document, list } = readYaml(yaml, lines, (position) => {
      place = position;
    });
    if (!Array.isArray(list)) refuse("a list of rules", list);
    return list.map((item: unknown, i) =>
      toRule(item, names, (...key) => {
        // What an alias stands for has no place of its own: then it is that of the rule.
        const nodes = [[i, ...key], [i]].map((path) => document.getIn(path, true)).filter(isNode);
        place = nodes[0]?.range?.[0];
      }),
    );
  } catch (error) {
    if (!(error instanceof SenseVoiceError)) throw error;
    throw new SenseVoiceError(
      `${where}: ${place === undefined ? "" : `line ${lines.linePos(place).line}: `}${error.message}`,
    );
  }
}

/** @param at is called with the place of an error */
function readYaml(yaml: string, lineCounter: LineCounter, at: (position: number) => void) {
  try {
    // In this schema every scalar is a text, so that `no` and `1.5` can be keywords.
    const document = parseDocument(yaml, { schema: "failsafe", lineCounter, prettyErrors: false, logLevel: "error" });
    const [wrong] = document.errors;
    if (wrong) at(wrong.pos[0]);
    if (wrong) throw wrong;
    return { document, list: document.toJS({ maxAliasCount: 100 }) as unknown };
  } catch (error) {
    throw new SenseVoiceError(`expected YAML: ${reasonOf(error)}`);
  }
}

/** A rule from its fields. Calls `at` with the key it looks at next, if any. @param names those taken already */
function toRule(item: unknown, names: Set<string>, at: (...key: string[]) => void): Rule {
  at();
  if (typeof item !== "object" || item === null || Array.isArray(item)) {
    return refuse("a rule with a name and a condition", item);
  }
  const fields = new Map<string, unknown>(Object.entries(item));
  const read = <T>(key: string, reader: (value: unknown) => T, absent?: T): T => {
    at(...(fields.has(key) ? [key] : []));
    if (!fields.has(key)) return absent ?? refuse(`a rule with a ${key}`, item);
    try {
      return reader(fields.get(key));
    } catch (error) {
      if (error instanceof SenseVoiceError) throw new SenseVoiceError(`${key}: ${error.message}`);
      throw error;
    }
  };
  for (const key of fields.keys()) read(key, () => oneOf(key, KEYS));
  const name = read("name", (value) => textOf(value));
  if (names.has(name)) refuse("a name that no other rule has", name);
  names.add(name);
  const conditions = [...fields.keys()].filter((key) => Object.hasOwn(CONDITIONS, key));
  at();
  if (conditions.length !== 1)
    refuse(`one of ${Object.keys(CONDITIONS).join(", ")}`, conditions.join(" and ") || "none");
  const find = read(conditions[0], CONDITIONS[conditions[0]]);
  const speakers = fields.has("speaker")
    ? read("speaker", (value) =>
        conditions[0] === "silence" ? refuse("none: silence is nobody's", value) : textsOf(value),
      )
    : undefined;
  return {
    name,
    label: read("label", textOf, name),
    severity: read<Severity>("severity", (value) => oneOf(value, SEVERITIES), "info"),
    note: read("note", textOf, ""),
    ...(speakers === undefined ? { find } : { speakers, find: findBySpeaker(speakers, find) }),
  };
}

function refuse(expected: string, got: unknown): never {
  throw new SenseVoiceError(`expected ${expected}, got ${quote(got)}`);
}

function textOf(value: unknown): string {
  return typeof value === "string" && value.trim() !== "" ? value.trim() : refuse("a text", value);
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) && value.length > 0 ? value.map(textOf) : [textOf(value)];
}

function oneOf<T extends string>(value: unknown, allowed: readonly T[]): T {
  return allowed.find((name) => name === value) ?? refuse(`one of ${allowed.join(", ")}`, value);
}

/** `/refund(ed)?/i` is a regular expression, any other text itself. */
function patternOf(text: string): RegExp {
  const [, source, flags] = /^\/(.+)\/(\w*)$/s.exec(text) ?? [];
  if (source === undefined) return keywordPattern(text);
  if (!/^[imsu]*$/.test(flags)) refuse("no flags but i, m, s and u", text);
  try {
    return new RegExp(source, `g${flags}`);
  } catch (error) {
    return refuse(`a regular expression (${reasonOf(error)})`, text);
  }
}

/** `>= 5 s`: a comparison with a number in one of the units. */
function limitOf(value: unknown, units: Readonly<Record<string, number>>): { limit: Limit; unit: string } {
  const [, sign, number, unit = ""] = /^([<>]=?)\s*(\d+(?:\.\d+)?)\s*(\S+)$/.exec(textOf(value)) ?? [];
  if (!Object.hasOwn(units, unit)) refuse(`a limit such as ">= 5 ${Object.keys(units).join('" or ">= 5 ')}"`, value);
  const bound = Math.round(Number(number) * units[unit] * 1e9) / 1e9; // 700 · 0.001 is not 0.7
  const orSame = sign.length === 2;
  return { limit: (x) => (orSame && x === bound) || (sign[0] === ">" ? x > bound : x < bound), unit };
}
