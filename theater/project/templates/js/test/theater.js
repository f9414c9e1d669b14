// Has node find what an actor imports from Theater in fakes.js.

import { register } from "node:module";

const fakes = new URL("./fakes.js", import.meta.url).href;
const hook = `export const resolve = (name, context, next) =>
  name.startsWith("theater:") ? { url: "${fakes}", shortCircuit: true } : next(name, context);`;
register(`data:text/javascript,${encodeURIComponent(hook)}`);
