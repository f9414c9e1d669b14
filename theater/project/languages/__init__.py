"""How each language becomes a component: what it is made from, with which tool."""
