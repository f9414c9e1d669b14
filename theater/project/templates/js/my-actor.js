// An actor that counts greetings, and still knows how many there were after a crash.
//
// Each function is given the state, as bytes, and returns the new one. That is what is kept: what is
// in a variable out here is gone after a restart.

import { log } from "theater:simple/runtime";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

const load = (state) => (state ? JSON.parse(decoder.decode(state)) : { greetings: 0 });
const store = (state) => encoder.encode(JSON.stringify(state));

function greet(state, name) {
  log(`hello, ${decoder.decode(name)}`);
  return { ...state, greetings: state.greetings + 1 };
}

// What is thrown ends the turn. Theater is told why in a string; the rest goes into the log.
function turn(run) {
  return (...inputs) => {
    try {
      return run(...inputs);
    } catch (error) {
      console.error(error?.stack ?? "");
      throw String(error);
    }
  };
}

export const actor = {
  init: (state, [_address]) => [state],
};

export const messageServerClient = {
  handleSend: turn((state, [message]) => [store(greet(load(state), message))]),

  handleRequest: turn((state, [_request, message]) => {
    const next = greet(load(state), message);
    return [store(next), [encoder.encode(String(next.greetings))]];
  }),

  // No channels: every one is refused.
  handleChannelOpen: (state, [_channel, _message]) => [state, [{ accepted: false }]],
  handleChannelMessage: (state, [_channel, _message]) => [state],
  handleChannelClose: (state, [_channel]) => [state],
};
