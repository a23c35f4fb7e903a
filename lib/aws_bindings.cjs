"use strict";
// The half of lib/aws_bindings.py that runs inside the jsii kernel: loads of the 2,212 types of the
// AWS provider what is used. aws_bindings_runtime.cjs calls it and catches whatever it throws.
//
// Two files of others are rewritten as Node reads them, in memory. One that doesn't read as
// expected is compiled as it is.
const Module = require("module");
const threads = require("worker_threads");

// Files, and how they are rewritten. cdktn is the name under which cdktf is continued.
const REWRITES = [
  [/[\\/]@cdk(?:tf|tn)[\\/]provider-aws[\\/]lib[\\/]index\.js$/, deferTypes],
  [/[\\/]cdk(?:tf|tn)[\\/]lib[\\/]private[\\/]fs\.js$/, deferArchiver],
];

// `exports.vpc = require("./vpc");`, and `__importStar(require("./vpc"))` as newer compilers write.
const TYPE =
  /^exports\.(\w+) = (require\("\.\/[\w-]+"\)|__importStar\(require\("\.\/[\w-]+"\)\));$/gm;

function deferTypes(source) {
  const deferred = source.replace(TYPE, 'defer(exports, "$1", () => $2);');
  // Any other require might count on what stands before it.
  const rest = source.replace(TYPE, "");
  return rest.includes("require(") ? source : `${deferred}\n${defer}\n`;
}

// Travels as text: becomes part of the provider's index.js.
function defer(exports, name, load) {
  const define = (property) =>
    Object.defineProperty(exports, name, { ...property, enumerable: true, configurable: true });
  const set = (value) => define({ value, writable: true });
  define({ get: () => set(load())[name], set });
}

// cdktf loads archiver, and dozens of packages with it, to zip assets: 70 ms where there are none.
function deferArchiver(source) {
  return source.replace(
    'const archiver = require("archiver");',
    'const archiver = (...args) => require("archiver")(...args);',
  );
}

function rewriteSources() {
  const compile = Module.prototype._compile;
  Module.prototype._compile = function (source, filename, ...rest) {
    const rewrite = REWRITES.find(([file]) => file.test(filename))?.[1];
    return compile.call(this, rewrite ? rewrite(source) : source, filename, ...rest);
  };
}

// The first run with a package has a worker thread write an index of its types, which later runs
// read in place of its 130 MB of JSON (2 s and 900 MB). jsii means to wait for it and doesn't: the
// kernel's exit ends all threads. Stock takes so long that the index is there by then; we don't.
function finishIndexBeforeExit() {
  const exit = process.exit;
  const writing = new Set();
  let exitCode;
  threads.Worker = class extends threads.Worker {
    constructor(filename, ...rest) {
      super(filename, ...rest);
      if (!/runtime-index-worker\.js$/.test(filename)) return;
      writing.add(this);
      this.once("exit", () => {
        writing.delete(this);
        if (exitCode !== undefined && writing.size === 0) exit(exitCode);
      });
    }
  };
  process.exit = (code) => {
    if (writing.size === 0) exit(code);
    exitCode = code ?? process.exitCode ?? 0;
  };
}

// The banner about Node 20, which jsii stopped supporting on 2026-10-30 and this project has not.
// The space tells our value, which jsii trims, from one a user set.
const BANNER = {
  node: "20",
  value: " 20",
  variables: [
    "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION",
    "JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION",
  ],
};

// In the process that starts the kernel: it is the one that prints the banner.
exports.silenceBanner = function () {
  if (process.versions.node.split(".")[0] !== BANNER.node) return;
  for (const variable of BANNER.variables) process.env[variable] ??= BANNER.value;
};

// In the kernel. Node preloads into the kernel's threads as well; there is nothing to do for them.
exports.install = function () {
  if (!threads.isMainThread) return;
  for (const variable of BANNER.variables) {
    if (process.env[variable] === BANNER.value) delete process.env[variable];
  }
  rewriteSources();
  finishIndexBeforeExit();
};
