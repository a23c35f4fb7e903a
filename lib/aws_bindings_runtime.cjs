"use strict";
// The entry point of the jsii runtime when the bindings load lazily: lib/aws_bindings.py copies it,
// with aws_bindings.cjs, next to the runtime's own jsii-runtime.js and has jsii start it instead.
//
// It runs twice. First in the process that jsii starts, whose only task is to start the kernel:
// there it hands its own path on, so that Node preloads it into the kernel. Then in the kernel.
// Whatever goes wrong with our part in either, the kernel starts as it would without us.
const preloaded = require.main !== module;

try {
  const bindings = require("./aws_bindings.cjs");
  if (preloaded) {
    bindings.install();
  } else {
    bindings.prepare(__filename);
  }
} catch {
  // Stock loading: slower, and right.
}

if (!preloaded) {
  require("./jsii-runtime.js");
}
