/** A table of a report: a title, heads of the columns, and rows of cells. The first column holds names. */
export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Columns padded to equal width: names to the left, all else to the right. Without the heads if they are empty. */
export function textTable({ title, head, rows }: Table): string {
  const all = head.every((cell) => cell === "") ? rows : [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column].length)));
  const lines = all.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])))
      .join("  ")
      .trimEnd(),
  );
  return [title, ...lines, ""].join("\n");
}

/** The same for GitHub's Markdown. */
export function markdownTable({ title, head, rows }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.map(escapeCell).join(" | ")} |`;
  const rule = head.map((_, column) => (column === 0 ? "---" : "---:"));
  return [`## ${title}`, "", line(head), line(rule), ...rows.map(line), ""].join("\n");
}

function escapeCell(cell: string): string {
  return cell.replace(/[\\|<]/g, "\\$&").replace(/\s+/g, " ");
}
