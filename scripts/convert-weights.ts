/** `sensevoice convert` from source: `npx tsx scripts/convert-weights.ts MODEL --out DIR [--dtype f16|f32]`. */
import { run } from "../src/cli/command.ts";
import { convertCommand } from "../src/cli/commands.ts";

await run(convertCommand("convert-weights"));
