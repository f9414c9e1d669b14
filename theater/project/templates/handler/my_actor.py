"""An actor that writes down what it is told, by a handler of its author's own."""

from theater_actor import Actor, Message, NotDone, handler, log

lines = handler("my:my-interface/lines")


class MyActor(Actor):
    def on_message(self, message: Message) -> None:
        try:
            count = lines.add(message.text)
            log(f"{count} lines, the last: {lines.last(1)[0]}")
        except NotDone as error:
            log(f"not written down: {error}")

    def on_request(self, message: Message, request: str) -> list[str]:
        self.on_message(message)
        return lines.last(3)
