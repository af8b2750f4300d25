/** What is timed. Rows are those of features; each clip has four more, of queries. Features are seeded, so clips begin alike. */
export const WORKLOADS = [
  { name: "11 s", seconds: 11, clips: 1, rows: 183 },
  { name: "3 s", seconds: 3, clips: 1, rows: 50 },
  { name: "8 × 3 s", seconds: 24, clips: 8, rows: 50 },
] as const;
