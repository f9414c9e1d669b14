// An actor in JavaScript that does on request what its language runtime needs WASI for.
//
// A WIT result is what a function returns, or throws: so an error of the host is caught, and what is
// thrown here with a string as its payload is the actor's Err.

import * as messages from "theater:simple/message-server-host";
import * as runtime from "theater:simple/runtime";

const decoder = new TextDecoder();
const encoder = new TextEncoder();
let heard = 0; // in the instance's own memory: gone with it

class Refusal extends Error {
  constructor(payload) {
    super(payload);
    this.payload = payload;
  }
}

const COMMANDS = {
  print: (text) => text.split("|").forEach((line) => console.log(line)),
  warn: (text) => console.error(text),
  time: () => Date.now(),
  monotonic: () => performance.now(),
  random: () => Math.random(),
  uuid: () => crypto.randomUUID(),
  sleep: (ms) => new Promise((done) => setTimeout(() => done("slept"), Number(ms))),
  heard: () => heard,
  self: () => runtime.self(),
  log: (text) => runtime.log(text),
  send: (text) => messages.send(...addressed(text)),
  request: (text) => decoder.decode(messages.request(...addressed(text))),
  json: (text) => JSON.stringify(JSON.parse(text)),
  fetch: (url) => fetch(url).then((answer) => answer.text()),
  fetches: (urls) =>
    Promise.all(urls.split(" ").map((url) => fetch(url)))
      .then((answers) => Promise.all(answers.map((answer) => answer.text())))
      .then((texts) => texts.join("|")),
  post: async (text) => {
    const at = text.indexOf(" ");
    const options = { method: "POST", body: text.slice(at + 1), headers: { "X-From": "js" } };
    const answer = await fetch(text.slice(0, at), options);
    return `${answer.status} ${answer.headers.get("x-seen")} ${await answer.text()}`;
  },
  caught: (url) => fetch(url).then((answer) => answer.text(), (error) => `caught ${error.name}`),
  refuse: (text) => {
    throw new Refusal(text);
  },
  fail: (text) => {
    throw new TypeError(text);
  },
  spin: () => {
    for (;;);
  },
};

function addressed(text) {
  const at = text.indexOf(" ");
  return [text.slice(0, at), encoder.encode(text.slice(at + 1))];
}

async function run(body) {
  heard += 1;
  const text = decoder.decode(body);
  const at = text.indexOf(" ");
  const [command, rest] = at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
  const answer = await COMMANDS[command](rest);
  return encoder.encode(String(answer));
}

export const actor = {
  init(state, [id]) {
    console.log(`init ${id}`);
    return [state];
  },
};

export const messageServerClient = {
  async handleSend(state, [message]) {
    return [await run(message)];
  },
  async handleRequest(state, [_id, message]) {
    if (decoder.decode(message) === "state") {
      return [state, [state]];
    }
    return [state, [await run(message)]];
  },
  handleChannelOpen() {
    throw new Refusal("no channels");
  },
  handleChannelMessage() {
    throw new Refusal("no channels");
  },
  handleChannelClose() {
    throw new Refusal("no channels");
  },
};
