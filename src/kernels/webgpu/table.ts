/** Lines of cells in columns; the first `texts` columns begin at the left, the others, of numbers, end at the right. */
export function table(cells: readonly (readonly string[])[], texts: number): string {
  const widths = cells[0].map((_, i) => Math.max(...cells.map((row) => row[i]?.length ?? 0)));
  const pad = (cell: string, i: number) => (i < texts ? cell.padEnd(widths[i]) : cell.padStart(widths[i]));
  return cells.map((row) => row.map(pad).join("  ").trimEnd()).join("\n");
}
