"use strict";
// What jsii starts in place of its jsii-runtime.js; lib/aws_bindings.py copies it beside that, with
// aws_bindings.cjs.
//
// It runs twice. First as the process jsii knows, which has no other task than to start the kernel
// and pass its messages on: this file adds itself to what Node preloads there. Then, preloaded, in
// the kernel. Whatever goes wrong with our part, the kernel starts and works as it does without us.
const preloaded = require.main !== module;

try {
  const bindings = require("./aws_bindings.cjs");
  if (preloaded) {
    bindings.install();
  } else {
    bindings.silenceBanner();
    process.execArgv.push("--require", __filename);
  }
} catch {
  // Stock loading: slower, and right.
}

if (!preloaded) require("./jsii-runtime.js");
