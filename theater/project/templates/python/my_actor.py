"""An actor that counts greetings, and still knows how many there were after a crash."""

from dataclasses import dataclass

from theater_actor import Actor, Message, log


@dataclass
class State:
    greetings: int = 0


class MyActor(Actor):
    state: State

    def on_message(self, message: Message) -> None:
        self.state.greetings += 1
        log(f"hello, {message.text}")

    def on_request(self, message: Message, request: str) -> int:
        self.on_message(message)
        return self.state.greetings
