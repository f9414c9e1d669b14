"""Run actors again from their record, and compare: the same calls, answers, states and fuel.

`recording` reads a log, `slices` cuts a chain into what each process did, `player` does it again
with recorded answers in place of every import, in a process of its own (`process`), and
`difference` tells what is not as it was. Nothing that a handler can do is done: the player links
whatever a component imports to the record alone.
"""
