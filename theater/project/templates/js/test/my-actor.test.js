// Without wasm and without a running system: `npm test`.

import assert from "node:assert/strict";
import { test } from "node:test";

import { actor, messageServerClient } from "../my-actor.js";
import { logged } from "./fakes.js";

const bytes = (text) => new TextEncoder().encode(text);
const text = (bytes) => new TextDecoder().decode(bytes);

test("it counts greetings", () => {
  let [state] = actor.init(undefined, ["my-actor"]);
  [state] = messageServerClient.handleSend(state, [bytes("ann")]);
  [state] = messageServerClient.handleSend(state, [bytes("bob")]);
  assert.deepEqual(logged, ["hello, ann! greeting 1", "hello, bob! greeting 2"]);
  const [, [answer]] = messageServerClient.handleRequest(state, ["request:1", bytes("how many?")]);
  assert.equal(text(answer), "2");
});
