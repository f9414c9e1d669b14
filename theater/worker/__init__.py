"""One process per actor: the component it runs, its handlers, and the loop between them."""
