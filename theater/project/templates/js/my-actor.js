// An actor that counts greetings, and still knows how many there were after a crash.
//
// Each function is given the state, as bytes, and returns the new one. That is what is kept: what is
// in a variable out here is gone after a restart. What it throws makes the turn fail.

import { log } from "theater:simple/runtime";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

const load = (state) => (state ? JSON.parse(decoder.decode(state)) : { greetings: 0 });
const store = (state) => encoder.encode(JSON.stringify(state));

function greet(state, name) {
  log(`hello, ${decoder.decode(name)}`);
  return { ...state, greetings: state.greetings + 1 };
}

export const actor = {
  init(state, [_address]) {
    return [state];
  },
};

export const messageServerClient = {
  handleSend(bytes, [message]) {
    return [store(greet(load(bytes), message))];
  },

  handleRequest(bytes, [_request, message]) {
    const state = greet(load(bytes), message);
    return [store(state), [encoder.encode(String(state.greetings))]];
  },

  // No channels: every one is refused.
  handleChannelOpen(bytes, [_channel, _message]) {
    return [bytes, [{ accepted: false }]];
  },
  handleChannelMessage(bytes) {
    return [bytes];
  },
  handleChannelClose(bytes) {
    return [bytes];
  },
};
