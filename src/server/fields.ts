import { z } from "zod";
import { oneLine, quote } from "../error.ts";
import { HttpError } from "./httpError.ts";

/** What every object of zod has for us. */
type Schema = z.core.$ZodType;
export type Shape = Readonly<Record<string, Schema>>;

/**
 * Texts, of a form or a command line, as the schema wants them: numbers, truth values, lists (repeated, or with commas),
 * JSON where an object is expected. What does not fit stays as it is, for the schema to refuse.
 *
 * @param items names whose texts are one item of a list each, commas and all: of fields that are called `name[]`
 */
export function fromTexts(
  shape: Shape,
  texts: ReadonlyMap<string, readonly string[]>,
  items: ReadonlySet<string> = new Set(),
): Record<string, unknown> {
  return Object.fromEntries(
    [...texts].map(([name, values]) => {
      return [name, convert(Object.hasOwn(shape, name) ? shape[name] : undefined, values, items.has(name))];
    }),
  );
}

function convert(schema: Schema | undefined, values: readonly string[], items = false): unknown {
  const [text] = values;
  const json = /^\s*[[{]/.test(text) && values.length === 1 ? parse(text) : undefined;
  const type = schema && baseType(schema);
  if (type === "array" && items) return json ?? values;
  if (type === "array") return json ?? values.flatMap((value) => value.split(",").map((part) => part.trim()));
  if (values.length > 1) return values;
  if (type === "boolean") return { true: true, false: false, "1": true, "0": false }[text.toLowerCase()] ?? text;
  if (type === "number") return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
  if (type === "union") return converted(alternativesOf(schema as Schema), text) ?? json ?? text;
  return type === "object" ? (json ?? text) : text;
}

/** A text as the first of some schemas that takes it. */
function converted(schemas: readonly Schema[], text: string): unknown {
  const values = schemas.map((schema) => convert(schema, [text]));
  return values.find((value, i) => z.core.safeParse(schemas[i], value).success);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

interface Definition {
  readonly type: string;
  readonly innerType?: Schema;
  readonly in?: Schema;
  readonly options?: readonly Schema[];
}

/** What a schema is under its default and the like. */
function definitionOf(schema: Schema): Definition {
  const def = schema._zod.def as Definition;
  const inner = def.innerType ?? (def.type === "pipe" ? def.in : undefined);
  return inner ? definitionOf(inner) : def;
}

function baseType(schema: Schema): string {
  return definitionOf(schema).type;
}

function alternativesOf(schema: Schema): readonly Schema[] {
  return definitionOf(schema).options ?? [];
}

/** The first thing that is wrong: where, and `expected …, got …`. */
export function problemOf(error: z.core.$ZodError, input: unknown): { path: string; problem: string } {
  const [issue] = error.issues;
  const path = issue.path.join(".");
  if (issue.code === "unrecognized_keys") {
    return { path: [...issue.path, issue.keys[0]].join("."), problem: "not known here" };
  }
  let value = input;
  for (const key of issue.path) value = (value as Record<PropertyKey, unknown> | undefined)?.[key];
  const got = value === undefined ? "nothing" : quote(value);
  return { path, problem: `expected ${expected(issue)}, got ${got}` };
}

function expected(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_value":
      return issue.values.length === 1 ? quote(issue.values[0]) : `one of ${issue.values.join(", ")}`;
    case "too_small":
      return `${issue.origin === "number" ? "a number" : issue.origin} from ${issue.minimum} on`;
    case "too_big":
      return `${issue.origin === "number" ? "a number" : issue.origin} up to ${issue.maximum}`;
    case "invalid_type":
      return (
        { number: "a number", boolean: "true or false", string: "a text" }[issue.expected as string] ?? issue.expected
      );
    case "invalid_union":
      return unionOf(issue.errors);
    case "custom":
      return issue.message;
    default:
      return "what the documentation says";
  }
}

/** What a field of several kinds is expected to be; what is wrong inside of one kind would be too long to say. */
function unionOf(errors: readonly (readonly z.core.$ZodIssue[])[]): string {
  const first = errors.map(([issue]) => issue);
  if (first.every((issue) => issue?.path.length === 0)) return first.map(expected).join(" or ");
  return "what the documentation says";
}

/** Checks the fields of a request. @throws HttpError 400 that names the first that is wrong */
export function checkFields<S extends z.ZodType>(schema: S, fields: unknown): z.infer<S> {
  const result = schema.safeParse(fields);
  if (result.success) return result.data;
  const { path, problem } = problemOf(result.error, fields);
  throw new HttpError(400, oneLine(`${path || "request"}: ${problem}`), {
    param: path || undefined,
    code: "invalid_value",
  });
}
