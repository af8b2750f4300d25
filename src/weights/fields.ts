import { quote, SenseVoiceError } from "../error.ts";

/** A value in a JSON or YAML file, and where it is: `config.json: encoder.numBlocks`. */
export interface Field {
  readonly where: string;
  readonly value: unknown;
}

/** Throws `[weights] config.json: name: expected a text, got 1`. */
export function refuse({ where, value }: Field, expected: string): never {
  throw new SenseVoiceError(`[weights] ${where}: expected ${expected}, got ${quote(value)}`);
}

/** A field of a field, which must be an object. */
export function fieldOf(parent: Field, key: string): Field {
  const name = /^\w+$/.test(key) ? `.${key}` : `[${quote(key)}]`;
  const where = parent.where.includes(": ") ? parent.where + name : `${parent.where}: ${key}`;
  return { where, value: objectField(parent)[key] };
}

export function objectField(field: Field): Readonly<Record<string, unknown>> {
  return isObject(field.value) ? field.value : refuse(field, "an object");
}

export function textField(field: Field): string {
  return typeof field.value === "string" && field.value !== "" ? field.value : refuse(field, "a text");
}

export function integerField(field: Field, min: number, max: number): number {
  const { value } = field;
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
  return refuse(field, `an integer from ${min} to ${max}`);
}

/** Any finite number in a range. */
export function numberField(field: Field, min: number, max: number): number {
  const { value } = field;
  if (typeof value === "number" && value >= min && value <= max) return value;
  return refuse(field, `a number from ${min} to ${max}`);
}

/** The value of a JSON text; undefined if it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
/** The fields of an object; of anything else none. */
export const fieldsOf = (value: unknown) => (isObject(value) ? value : {});
export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
/** Is this a shape, or another list of up to eight counts? */
export const isCounts = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length <= 8 && value.every(isCount);
