/** `sensevoice convert` from source: `npx tsx scripts/convert-weights.ts SOURCE TARGET [--dtype f16|f32]`. */
import { run } from "../src/cli/command.ts";
import { convertCommand } from "../src/cli/convert.ts";

await run(convertCommand("convert-weights"));
