/** `node --require`d: the package named by HIDE_PACKAGE can't be loaded, as if its build had failed. */
const Module = require('node:module');

const load = Module._load;
Module._load = (request, ...rest) => {
  if (request === process.env.HIDE_PACKAGE) throw new Error(`Cannot find module '${request}'`);
  return load(request, ...rest);
};
