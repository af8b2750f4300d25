import { parseAst } from "vitest/node";
import type { Random } from "../fuzz/random.ts";

/** One small fault in a source file: in place of the text from `start` to `end` stands `by`. */
export interface Mutant {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly start: number;
  readonly end: number;
  readonly by: string;
}

/** A mutant that no test can notice, for a stated reason. The lines are trimmed. */
export interface Equivalent {
  readonly file: string;
  readonly line: string;
  readonly mutated: string;
  readonly reason: string;
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

const OPERATORS: Readonly<Record<string, readonly string[]>> = {
  "+": ["-"],
  "-": ["+"],
  "*": ["/"],
  "/": ["*"],
  "%": ["*"],
  "**": ["*"],
  "<": ["<=", ">"],
  "<=": ["<", ">"],
  ">": [">=", "<"],
  ">=": [">", "<"],
  "===": ["!=="],
  "!==": ["==="],
  "&": ["|"],
  "|": ["&"],
  "^": ["&"],
  "<<": [">>"],
  ">>": ["<<"],
  ">>>": ["<<"],
  "&&": ["||"],
  "||": ["&&"],
  "??": ["&&"],
  "+=": ["-="],
  "-=": ["+="],
  "*=": ["/="],
  "/=": ["*="],
  "|=": ["&="],
  "&=": ["|="],
  "||=": ["&&="],
  "&&=": ["||="],
  "??=": ["="],
  "++": ["--"],
  "--": ["++"],
};

const FUNCTIONS: Readonly<Record<string, string>> = {
  min: "max",
  max: "min",
  floor: "ceil",
  ceil: "floor",
  round: "floor",
  some: "every",
  every: "some",
};

/** Every mutant of a TypeScript file. Types, imports and what an error says are left alone. */
export function mutantsOf(file: string, source: string): Mutant[] {
  const mutants: Mutant[] = [];
  const add = (start: number, end: number, by: string) => {
    const line = source.slice(0, start).split("\n").length;
    mutants.push({ file, line, start, end, by });
  };
  const operator = (from: number, to: number, text: string) => {
    const start = source.indexOf(text, from);
    if (start < 0 || start + text.length > to) return;
    for (const by of OPERATORS[text] ?? []) add(start, start + text.length, by);
  };
  const visit = (node: Node): void => {
    const { type, start, end } = node;
    if (/^(?:Import|Export(?:All|Specifier)|TemplateElement|ThrowStatement)/.test(type)) return;
    const child = (field: string) => node[field] as Node;
    if (type === "TSAsExpression" || type === "TSSatisfiesExpression" || type === "TSNonNullExpression") {
      visit(child("expression"));
    }
    if (type.startsWith("TS")) return;
    const text = String(node.operator);
    if (/^(?:Binary|Logical|Assignment)Expression$/.test(type)) {
      operator(child("left").end, child("right").start, text);
    } else if (type === "UpdateExpression") operator(start, end, text);
    else if (type === "UnaryExpression" && (text === "!" || text === "-")) add(start, start + 1, "");
    else if (type === "Literal") literal(node, add);
    else if (type === "IfStatement") add(child("test").start, child("test").end, "false");
    else if (type === "ConditionalExpression") {
      add(child("test").start, child("test").end, "true");
      add(child("test").start, child("test").end, "false");
    } else if (type === "CallExpression" && child("callee").type === "MemberExpression") {
      const { name, start: at, end: to } = child("callee").property as Node & { name?: string };
      if (name !== undefined && Object.hasOwn(FUNCTIONS, name)) add(at, to, FUNCTIONS[name]);
    } else if (type === "ExpressionStatement" && /(?:Call|Await)Expression/.test(child("expression").type)) {
      add(start, end, ";");
    }
    for (const [field, value] of Object.entries(node)) {
      if (field === "key" && node.computed !== true) continue; // the name of a property
      for (const inner of Array.isArray(value) ? value : [value]) if (isNode(inner)) visit(inner);
    }
  };
  visit(parseAst(source, { lang: "ts" }) as unknown as Node);
  return mutants;
}

function literal({ start, end, value }: Node, add: (start: number, end: number, by: string) => void): void {
  if (typeof value === "boolean") add(start, end, String(!value));
  if (typeof value !== "number") return;
  add(start, end, String(value + 1));
  add(start, end, value > 0 && value < 1 ? "0" : String(value === 0 ? 2 : value - 1));
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value && "start" in value;
}

/** The source with the fault in it. */
export function mutate(source: string, { start, end, by }: Mutant): string {
  // Spaces keep two tokens from becoming one: `a - -b` without its sign.
  return `${source.slice(0, start)}${by === "" ? " " : by}${source.slice(end)}`;
}

/** The line of a mutant before and after, trimmed. */
export function lineOf(source: string, mutant: Mutant): { line: string; mutated: string } {
  const at = source.lastIndexOf("\n", mutant.start - 1) + 1;
  const until = (text: string, from: number) => {
    const end = text.indexOf("\n", from);
    return text.slice(at, end < 0 ? text.length : end).trim();
  };
  return { line: until(source, mutant.end), mutated: until(mutate(source, mutant), mutant.start) };
}

export function isEquivalent(source: string, mutant: Mutant, known: readonly Equivalent[]): boolean {
  const { line, mutated } = lineOf(source, mutant);
  return known.some((one) => one.file === mutant.file && one.line === line && one.mutated === mutated);
}

/** `count` mutants by chance, each from another line; every line that has any is as likely as every other. */
export function pickMutants(random: Random, mutants: readonly Mutant[], count: number): Mutant[] {
  const lines = new Map<string, Mutant[]>();
  for (const mutant of mutants) {
    const key = `${mutant.file}:${mutant.line}`;
    lines.set(key, [...(lines.get(key) ?? []), mutant]);
  }
  const left = [...lines.values()];
  const picked: Mutant[] = [];
  while (picked.length < count && left.length > 0) {
    const [line] = left.splice(random.below(left.length), 1);
    picked.push(random.pick(line));
  }
  return picked;
}
