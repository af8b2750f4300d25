/**
 * The cheapest assignment of rows to columns, each at most once and as many as can be: Σ cost[i][column(i)] is least. The
 * Hungarian algorithm by shortest augmenting paths, O(n²·m).
 *
 * @param cost [n, m], finite
 * @returns each row's column; -1 for rows that are left over where there are more of them than columns
 * @see R. Jonker and A. Volgenant, "A shortest augmenting path algorithm for dense and sparse linear assignment problems"
 *   (1987)
 */
export function assign(cost: readonly (readonly number[])[]): number[] {
  const [rows, columns] = [cost.length, cost[0]?.length ?? 0];
  if (rows > columns) {
    const columnsOf = Array.from({ length: columns }, (_, j) => cost.map((row) => row[j]));
    const taken = assign(columnsOf);
    return cost.map((_, i) => taken.indexOf(i));
  }
  // Row and column 0 stand for "none"; rowOf[j] is the row that column j is assigned to.
  const rowOf = new Int32Array(columns + 1);
  const [rowPrice, columnPrice] = [new Float64Array(rows + 1), new Float64Array(columns + 1)];
  for (let row = 1; row <= rows; row++) {
    const slack = new Float64Array(columns + 1).fill(Infinity);
    const from = new Int32Array(columns + 1);
    const reached = new Uint8Array(columns + 1);
    rowOf[0] = row;
    let column = 0;
    while (rowOf[column] !== 0) {
      reached[column] = 1;
      const i = rowOf[column];
      let [least, next] = [Infinity, 0];
      for (let j = 1; j <= columns; j++) {
        if (reached[j]) continue;
        const reduced = cost[i - 1][j - 1] - rowPrice[i] - columnPrice[j];
        if (reduced < slack[j]) [slack[j], from[j]] = [reduced, column];
        if (slack[j] < least) [least, next] = [slack[j], j];
      }
      for (let j = 0; j <= columns; j++) {
        if (!reached[j]) slack[j] -= least;
        else {
          rowPrice[rowOf[j]] += least;
          columnPrice[j] -= least;
        }
      }
      column = next;
    }
    for (; column !== 0; column = from[column]) rowOf[column] = rowOf[from[column]];
  }
  return cost.map((_, i) => rowOf.indexOf(i + 1, 1) - 1);
}
