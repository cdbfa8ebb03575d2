// The one door to the addon. It is looked for once; that it was not built is a value, not an exception.
'use strict';

const { existsSync } = require('node:fs');
const { join } = require('node:path');

let loaded;

function load() {
  const file = join(__dirname, `node-tun.${process.platform}-${process.arch}.node`);
  if (!existsSync(file)) {
    return { ok: false, reason: `the native addon is not built for ${process.platform}-${process.arch}` };
  }
  try {
    return { ok: true, native: require(file) };
  } catch (error) {
    return { ok: false, reason: `the native addon cannot be loaded: ${error.message}` };
  }
}

exports.loadNative = function loadNative() {
  loaded ??= load();
  return loaded;
};
