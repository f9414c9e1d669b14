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
  const [, [answer]] = messageServerClient.handleRequest(state, ["request:1", bytes("bob")]);
  assert.equal(text(answer), "2");
  assert.deepEqual(logged, ["hello, ann", "hello, bob"]);
});
