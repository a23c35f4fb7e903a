"use strict";
const Module = require("module");

const SILENCE = [
  "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION",
  "JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION",
];

exports.prepare = function (filename) {
  process.execArgv.push("--require", filename);
  if (process.versions.node.split(".")[0] === "20") {
    for (const name of SILENCE) process.env[name] ??= "20";
  }
};

const INDEX = /[\\/]@(?:cdktf|cdktn)[\\/]provider-aws[\\/]lib[\\/]index\.js$/;
const EXPORT = /^exports\.(\w+) = ((?:__importStar\()?require\("\.\/[\w-]+"\)\)?);$/gm;

function lazily(source) {
  const lazy = source.replace(EXPORT, 'lazily("$1", () => $2);');
  return `${lazy}
function lazily(name, load) {
  Object.defineProperty(exports, name, {
    configurable: true,
    enumerable: true,
    get() {
      const value = load();
      Object.defineProperty(exports, name, { value, configurable: true, enumerable: true, writable: true });
      return value;
    },
  });
}
`;
}

exports.install = function () {
  const compile = Module.prototype._compile;
  Module.prototype._compile = function (content, filename, ...rest) {
    if (INDEX.test(filename)) content = lazily(content);
    return compile.call(this, content, filename, ...rest);
  };
};
