// node --input-type=module --eval THIS -- SOURCE WIT WORLD OUTPUT STAGE
//
// Run in the project, whose own componentize-js it finds. What goes wrong with the source is said in
// the words of the tool, without the places in the tool's own code.

import { componentize } from "@bytecodealliance/componentize-js";
import { spawnSync } from "node:child_process";
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [sourcePath, witPath, worldName, output, stage] = process.argv.slice(1);

// The parser of the tool does not say where an error is; node's own does.
const copy = join(stage, "source.mjs");
copyFileSync(sourcePath, copy);
const parsed = spawnSync(process.execPath, ["--check", copy], { encoding: "utf8" });
if (parsed.status !== 0) {
  const said = parsed.stderr.replaceAll(copy, sourcePath).split(/\n\s+at /)[0];
  console.error(said.trim());
  process.exit(1);
}
try {
  const { component } = await componentize({ sourcePath, witPath, worldName });
  writeFileSync(output, component);
} catch (error) {
  console.error(String(error?.message ?? error).trim());
  process.exit(1);
}
