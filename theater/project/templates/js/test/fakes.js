// What the actor imports from "theater:...", as far as the tests need it.

export const logged = [];
export const log = (text) => logged.push(text);
