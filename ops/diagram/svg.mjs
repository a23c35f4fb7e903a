// DOT on standard input, SVG on standard output. Graphviz as WebAssembly measures texts by tables of
// its own, not by the fonts of the machine: the same input gives the same picture everywhere.
import { instance } from "@viz-js/viz";
import { readFileSync } from "node:fs";

const viz = await instance();
const { status, output, errors } = viz.render(readFileSync(0, "utf8"), { format: "svg" });
if (status === "success") {
  process.stdout.write(output);
} else {
  console.error(errors.map(({ message }) => message).join("\n"));
  process.exitCode = 1;
}
