"""Makes HTML of Markdown, with mistune from PyPI, which is bundled into the component.

Whoever asks gets HTML, and however strange the Markdown is, all it can reach is this sandbox.
"""

from dataclasses import dataclass

import mistune
from theater_actor import Actor, Message, log


@dataclass
class State:
    pages: int = 0


class Page(Actor):
    state: State

    def on_request(self, message: Message, request: str) -> str:
        self.state.pages += 1
        html = mistune.html(message.text)
        log(f"page {self.state.pages}: {len(message)} bytes of Markdown, {len(html)} of HTML")
        return html
