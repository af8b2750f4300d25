/**
 * What the boost of hotwords gains and costs: the 200 clips of test/eval with the words that FunASR misses there, by
 * boost, on the half by which the default was chosen and on the other one. Prints a table in Markdown.
 *
 *     npx tsx scripts/study-hotwords.ts
 */
import { createEngine } from "../src/node.ts";
import { type Counts, measure, readClips } from "../test/speech/missedWords.ts";

const engine = await createEngine({ model: "tiny", device: "cpu", weights: "f32" });
const clips = await readClips();
const cells = ({ missed, found, tokens, changed, wrongBefore, wrong }: Counts) =>
  `${found} of ${missed} | ${changed} of ${tokens} | ${wrongBefore} → ${wrong}`;
console.log("| boost | found | changed | wrong characters | other half: found | changed | wrong characters |");
console.log("|---|---|---|---|---|---|---|");
for (const boost of [0.5, 1, 1.5, 2, 2.5, 3]) {
  const [first, second] = await measure(engine, clips, boost);
  console.log(`| ${boost} | ${cells(first)} | ${cells(second)} |`);
}
await engine.close();
