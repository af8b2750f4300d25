/** A process that writes results into a folder until it is killed. Arguments: the folder, and bytes for its limit. */
import { openCache } from "../../src/server/cache.ts";

const [dir, bytes] = process.argv.slice(2);
const limits = { memoryBytes: 0, folderBytes: Number(bytes), maxAgeSeconds: 60 };
const cache = await openCache(dir, limits, (message) => process.stderr.write(message));
for (let i = 0; ; i++) {
  // Large enough for a kill to hit the writing.
  await cache.set((i % 40).toString(16).padStart(64, "0"), `${i} `.repeat(100_000));
  if (i === 40) process.stdout.write("going\n");
}
