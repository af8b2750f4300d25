/** A piece of HTML or SVG in which every text from outside has been escaped: what `markup` makes, or a constant. */
export interface Markup {
  readonly source: string;
}

type Value = string | number | Markup | readonly Markup[];

/**
 * A template of HTML or SVG: what is put in is escaped, unless it is markup itself. Characters that XML does not
 * allow become U+FFFD; those that turn the direction of text are written as a box too.
 */
export function markup(strings: TemplateStringsArray, ...values: readonly Value[]): Markup {
  return { source: strings.reduce((out, part, i) => out + sourceOf(values[i - 1]) + part) };
}

function sourceOf(value: Value): string {
  if (typeof value === "object") return "source" in value ? value.source : value.map(sourceOf).join("\n");
  return String(value)
    .replace(/[^\P{Cc}\t\n\r]|[\p{Cs}\p{Bidi_Control}\ufffe\uffff]/gu, "\ufffd")
    .replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
