// Makes a component of src/check.js: `node farwatch/build.js OUTPUT`. Run by `farwatch module build`.

import { writeFile } from "node:fs/promises";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";

import { componentize } from "@bytecodealliance/componentize-js";

const here = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const { component } = await componentize({
  sourcePath: here("src/check.js"),
  witPath: here("wit"),
  worldName: "module",
});
await writeFile(argv[2], component);
