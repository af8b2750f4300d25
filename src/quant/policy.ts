import { quote, SenseVoiceError } from "../error.ts";
import { isObject } from "../weights/fields.ts";
import { chooseWithin } from "./knapsack.ts";
import { parseScheme, type Scheme } from "./scheme.ts";

/** Which scheme each linear layer gets: what the JSON file of a policy holds. */
export interface Policy {
  readonly name: string;
  /** For layers that are not named. */
  readonly scheme: Scheme;
  /**
   * By the name of the weight (`ctc.ctc_lo.weight`), or a pattern in which `*` stands for any characters. A name goes
   * before patterns; of patterns the first that fits counts.
   */
  readonly layers: Readonly<Record<string, Scheme>>;
}

/**
 * A policy from JSON. Wherever a scheme is expected, the name of a preset will do.
 * @throws SenseVoiceError that names the first field that is wrong
 */
export function parsePolicy(json: unknown): Policy {
  const fail = (field: string, expected: string, got: unknown): never => {
    throw new SenseVoiceError(`[policy] ${field}: expected ${expected}, got ${quote(got)}`);
  };
  if (!isObject(json)) return fail("policy", "an object", json);
  for (const key of Object.keys(json)) {
    if (!["name", "scheme", "layers"].includes(key)) fail(key, "no such field", json[key]);
  }
  const { name, scheme, layers = {} } = json;
  if (typeof name !== "string" || name === "") return fail("name", "a text", name);
  if (!isObject(layers)) return fail("layers", "an object", layers);
  return {
    name,
    scheme: parseScheme(scheme, "policy: scheme"),
    layers: Object.fromEntries(
      Object.entries(layers).map(([layer, of]) => [layer, parseScheme(of, `policy: ${layer}`)]),
    ),
  };
}

/** The scheme that a policy has for the weight of this name. */
export function schemeOf({ scheme, layers }: Policy, name: string): Scheme {
  if (Object.hasOwn(layers, name)) return layers[name];
  const pattern = Object.keys(layers).find((pattern) => fits(pattern, name));
  return pattern === undefined ? scheme : layers[pattern];
}

/** Throws a SenseVoiceError if a name or pattern of the policy fits none of the weights: a slip of the pen. */
export function expectLayers({ layers }: Policy, names: readonly string[]): void {
  for (const pattern of Object.keys(layers)) {
    if (!names.some((name) => fits(pattern, name))) {
      throw new SenseVoiceError(`[policy] ${pattern}: expected the name of a linear weight, found none like it`);
    }
  }
}

/** `*` fits any characters: the parts between must come one after another. */
function fits(pattern: string, name: string): boolean {
  const [first, ...rest] = pattern.split("*");
  const last = rest.pop();
  if (last === undefined) return pattern === name;
  let at = first.length;
  if (!name.startsWith(first)) return false;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}

/** A layer and what it would be in each scheme. */
export interface Candidate {
  readonly name: string;
  readonly choices: readonly {
    readonly scheme: Scheme;
    /** Stored bits of the whole weight: storedBits. */
    readonly size: number;
    /** What the model loses if this layer alone is in this scheme; only their proportions matter. */
    readonly cost: number;
  }[];
}

/**
 * The mixed policy of least loss within a size: losses of layers are taken to add up.
 *
 * @param budget stored bits of all weights; a budget above the largest choices is fine
 * @throws SenseVoiceError if the smallest choices are over the budget
 */
export function mixedPolicy(name: string, candidates: readonly Candidate[], budget: number): Policy {
  const chosen = chooseWithin(
    candidates.map(({ choices }) => choices),
    budget,
  );
  const layers = candidates.map(({ name, choices }, i): [string, Scheme] => [name, choices[chosen[i]].scheme]);
  return { name, scheme: layers[0][1], layers: Object.fromEntries(layers) };
}
