import { quote, SenseVoiceError } from "../error.ts";

/** A value out of a JSON or YAML file, and where it is: `config.json: encoder.numBlocks`. */
export interface Field {
  readonly where: string;
  readonly value: unknown;
}

/** Throws `[weights] config.json: name: expected a text, got 1`. */
export function failField({ where, value }: Field, expected: string): never {
  throw new SenseVoiceError(`[weights] ${where}: expected ${expected}, got ${quote(value)}`);
}

export function objectField(field: Field): Readonly<Record<string, unknown>> {
  return isObject(field.value) ? field.value : failField(field, "an object");
}

/** A text that is not empty. */
export function textField(field: Field): string {
  return typeof field.value === "string" && field.value !== "" ? field.value : failField(field, "a text");
}

export function integerField(field: Field, min: number, max: number): number {
  const { value } = field;
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
  return failField(field, `an integer from ${min} to ${max}`);
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The fields of an object; of anything else none. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return isObject(value) ? value : {};
}

export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

/** Is this a shape, or another list of up to eight counts? */
export function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.length <= 8 && value.every(isCount);
}
