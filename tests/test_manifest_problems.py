"""What is wrong with a manifest is told with its place, what was found, and what is allowed."""

import itertools

import pytest

from theater.errors import ManifestError, Problem
from theater.manifest import parse

ACTOR = 'name = "s"\n[[child]]\nname = "a"\ncomponent = "a.wat"\n'
POOL = 'name = "s"\n[[child]]\nname = "p"\nsupervisor = {}\n'


def problems(text: str) -> list[Problem]:
    with pytest.raises(ManifestError) as caught:
        parse(text, "m.toml")
    assert str(caught.value).count("m.toml: ") == len(caught.value.problems)
    assert all(problem.message.isprintable() for problem in caught.value.problems)
    assert all(problem.path.isprintable() for problem in caught.value.problems)
    return caught.value.problems


def problem(text: str) -> str:
    found = problems(text)
    assert len(found) == 1, found
    return str(found[0])


# Where each key stands: what goes before it, and the path of its table.
TOP = ('name = "s"\nchild = []\n', "")
CHILD = (ACTOR, "child[0].")
HANDLER = (ACTOR + '[[child.handler]]\ntype = "message-server"\n', "child[0].handler[0].")
LIMITS = (ACTOR + "[child.limits]\n", "child[0].limits.")
MAILBOX = (ACTOR + "[child.mailbox]\n", "child[0].mailbox.")
NESTED = (POOL.replace("supervisor = {}", "[child.supervisor]"), "child[0].supervisor.")
SYSTEM_LIMITS = (TOP[0] + "[limits]\n", "limits.")
DEFAULTS = (TOP[0] + "[defaults]\n", "defaults.")
ROOT = ('name = "s"\n[supervisor]\n', "supervisor.")
BACKOFF = (ROOT[0] + "[supervisor.backoff]\n", "supervisor.backoff.")
TEMPLATE = 'child = [{ name = "w", component = "w.wat" }]\n'
ROOT_POOL = (
    f'name = "s"\n{TEMPLATE}[supervisor]\nstrategy = "simple_one_for_one"\n',
    "supervisor.",
)
SINGLE = ('name = "s"\npackage = "a.wat"\n', "")

SINGLE_HANDLER = (SINGLE[0] + '[[handler]]\ntype = "runtime"\n', "handler[0].")
POOL_CHILD = (POOL, "child[0].")
INNER = (POOL + '[[child.child]]\nname = "a"\ncomponent = "a.wat"\n', "child[0].child[0].")

SIZES = ["true", "1.5", "nan", "[]", "{}", '"64"', '"64 XB"', '"-1B"', '"1e3B"', '"٣B"', "-1"]
SIZES += [str(2**63), '"9999999TiB"', '"0.3B"', "2020-01-01"]
DURATIONS = ["true", "nan", "inf", "-inf", "-1", "-0.5", "[]", "{}", '"5"', '"5 d"', '"-1s"', '""']
DURATIONS += ["2000001", str(10**400), "07:30:00"]
COUNTS = ["true", "1.0", '"1"', "[]", "{}", "-1", str(2**31), str(2**64), "nan"]
WORDS = ["true", "1", "[]", "{}", '""', '"Permanent "', r'"\u0000"']
TEXTS = ["true", "1", "1.5", "[]", "{}", "2020-01-01T00:00:00Z", r'"\u0000"']

WRONG = {
    "size": SIZES,
    "small": ["0", '"0B"'],
    "duration": [*DURATIONS, "0", '"0ms"'],
    "duration or none": DURATIONS,
    "shutdown": [*DURATIONS, '"brutal"', '"Infinity"'],
    "count": [*COUNTS, "0"],
    "count or none": COUNTS,
    "instances": [*COUNTS, "10001"],
    "factor": ["true", '"2"', "[]", "{}", "-1", "0", "0.99", "nan", "inf", "1001", str(10**400)],
    "part": ["true", '"0.5"', "[]", "{}", "-0.1", "1.01", "nan", "inf", str(10**400)],
    "flag": ["0", "1", '"true"', "[]", "{}"],
    "word": WORDS,
    "text": TEXTS,
    "path": [*TEXTS, '""', '"https://example.com/a.wasm"'],
    "table": ["true", "1", '"x"', "[]", "[{}]"],
    "tables": ["true", "1", '"x"', "{}"],
}

KEYS = [
    (TOP, "durability", ["word", "text"]),
    (TOP, "head_every", ["duration or none"]),
    (TOP, "supervisor", ["table"]),
    (TOP, "defaults", ["table"]),
    (TOP, "limits", ["table"]),
    (ROOT, "strategy", ["word"]),
    (ROOT, "intensity", ["count or none"]),
    (ROOT, "period", ["duration"]),
    (ROOT, "auto_shutdown", ["word"]),
    (ROOT, "backoff", ["table"]),
    (ROOT_POOL, "instances", ["instances"]),
    (BACKOFF, "base", ["duration"]),
    (BACKOFF, "factor", ["factor"]),
    (BACKOFF, "max", ["duration"]),
    (BACKOFF, "jitter", ["part"]),
    (BACKOFF, "settled", ["duration"]),
    (NESTED, "auto_shutdown", ["word"]),
    (NESTED, "backoff", ["table"]),
    (NESTED, "strategy", ["word"]),
    (NESTED, "intensity", ["count or none"]),
    (NESTED, "period", ["duration"]),
    (SYSTEM_LIMITS, "message_max", ["size", "small"]),
    (SYSTEM_LIMITS, "state_max", ["size", "small"]),
    (SYSTEM_LIMITS, "compile_memory", ["size", "small"]),
    (SYSTEM_LIMITS, "compile_timeout", ["duration"]),
    (DEFAULTS, "restart", ["word"]),
    (DEFAULTS, "shutdown", ["shutdown"]),
    (DEFAULTS, "request_timeout", ["duration"]),
    (DEFAULTS, "state_every", ["count"]),
    (DEFAULTS, "recycle_turns", ["count or none"]),
    (DEFAULTS, "limits", ["table"]),
    (DEFAULTS, "mailbox", ["table"]),
    (CHILD, "restart", ["word"]),
    (CHILD, "significant", ["flag"]),
    (CHILD, "shutdown", ["shutdown"]),
    (CHILD, "request_timeout", ["duration"]),
    (CHILD, "state_every", ["count"]),
    (CHILD, "recycle_turns", ["count or none"]),
    (CHILD, "handler", ["tables"]),
    (CHILD, "limits", ["table"]),
    (CHILD, "mailbox", ["table"]),
    (CHILD, "env", ["table"]),
    (CHILD, "args", ["tables"]),
    (LIMITS, "memory", ["size", "small"]),
    (LIMITS, "fuel", ["count or none"]),
    (LIMITS, "turn_timeout", ["duration"]),
    (LIMITS, "turn_bytes", ["size", "small"]),
    (LIMITS, "start_timeout", ["duration"]),
    (LIMITS, "max_deliveries", ["count"]),
    (MAILBOX, "max_messages", ["count"]),
    (MAILBOX, "max_bytes", ["size", "small"]),
    (MAILBOX, "on_full", ["word"]),
    (HANDLER, "send_to", ["table"]),
    (SINGLE, "version", ["text"]),
    (SINGLE, "restart", ["word"]),
    (SINGLE, "significant", ["flag"]),
    (SINGLE, "limits", ["table"]),
    (SINGLE, "mailbox", ["table"]),
]
CELLS = [
    (context, key, value)
    for context, key, kinds in KEYS
    for value in itertools.chain.from_iterable(WRONG[kind] for kind in kinds)
    # An empty array of patterns is fine, fuel has 63 bits.
    if (key, value) not in (("send_to", "[]"), ("fuel", str(2**31)))
]


@pytest.mark.parametrize(("context", "key", "value"), CELLS)
def test_a_wrong_value_is_told_at_its_path(context: tuple[str, str], key: str, value: str) -> None:
    before, path = context
    base = "" if context is not BACKOFF or key == "base" else "base = 1\n"
    [found] = problems(f"{before}{base}{key} = {value}")
    assert found.path.startswith(path + key)
    assert "found" in found.message
    assert len(found.message) < 400


@pytest.mark.parametrize("value", [*TEXTS, '""', '"Shop"', '"-x"', '"_x"', '"a b"', '"x.y"', '"é"'])
def test_a_systems_name_is_checked(value: str) -> None:
    assert problem(f"name = {value}\nchild = []").startswith("name: ")
    assert problem(f'name = {value}\npackage = "a"').startswith("name: ")


@pytest.mark.parametrize("value", [*TEXTS, '""', '"A"', '"a/b"', '"*"', '"-x"', r'"a\u202eb"'])
def test_a_childs_name_is_checked(value: str) -> None:
    text = f'name = "s"\n[[child]]\nname = {value}\ncomponent = "a"'
    assert problem(text).startswith("child[0].name: ")


@pytest.mark.parametrize("value", WRONG["path"])
def test_a_component_is_the_path_of_a_file(value: str) -> None:
    text = f'name = "s"\n[[child]]\nname = "a"\ncomponent = {value}'
    assert problem(text).startswith("child[0].component: ")
    assert problem(f'name = "s"\npackage = {value}').startswith("package: ")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("3", "found 3; must be a string or one of"),
        ("[]", "found an empty array"),
        ("{}", "a table with 0 keys"),
        ('{ hex = "00", base64 = "" }', "a table with 2 keys"),
        ('{ bas64 = "" }', 'did you mean "base64"?'),
        ("{ hex = 3 }", "hex: found 3; must be a string"),
        ('{ hex = "0" }', "pairs of hex digits"),
        ('{ hex = "zz" }', "pairs of hex digits"),
        ('{ base64 = "A" }', "valid base64"),
        ('{ base64 = "é" }', "valid base64"),
        ('{ file = "" }', "the path of a file"),
        ("{ file = [] }", "file: found an empty array"),
        ("{ json = 2020-01-01 }", "JSON has no dates"),
        ("{ json = [nan] }", "inf or nan"),
        ("{ json = {a = inf} }", "inf or nan"),
        (f"{{ json = 0x{'f' * 5000} }}", "too many digits"),
    ],
)
def test_an_initial_state_in_no_known_notation_is_told(value: str, words: str) -> None:
    text = problem(f"{ACTOR}initial_state = {value}")
    assert text.startswith("child[0].initial_state")
    assert words in text


def test_an_initial_state_larger_than_a_state_may_be_is_told() -> None:
    text = ACTOR + 'initial_state = "abc"\n[limits]\nstate_max = 2'
    assert problem(text) == "child[0].initial_state: has 3 bytes; limits.state_max is 2"
    single = SINGLE[0] + 'initial_state = "abc"\n[limits]\nstate_max = 2'
    assert problem(single) == "initial_state: has 3 bytes; limits.state_max is 2"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("env = { A = 1 }", "env.A: found 1; must be a string"),
        ('env = { "" = "x" }', 'env."": "" cannot be a variable\'s name'),
        ('env = { "a=b" = "x" }', 'env."a=b": "a=b" cannot be a variable\'s name'),
        (r'env = { A = "\u0000" }', r'env.A: found "\x00"; cannot contain'),
        (r'env = { "\u001b" = 1 }', r'env."\x1b": found 1'),
        ("args = [1]", "args[0]: found 1; must be a string"),
        ('args = "x"', 'args: found "x"; must be an array of strings'),
        (
            "handler = {}",
            "handler: found an empty table; must be tables, each beginning with [[child",
        ),
        ("handler = [3]", "handler[0]: found 3; must be a table with a type"),
        ("handler = [{}]", "handler[0].type: missing; available: message-server, runtime"),
        ('handler = [{ typ = "runtime" }]', 'handler[0].typ: unknown key; did you mean "type"?'),
        ('handler = [{ type = "runtme" }]', 'handler[0].type: no handler is called "runtme"; did'),
        (
            'handler = [{ type = "wasi:sockets" }]',
            "handler[0].type: sockets are granted to nobody",
        ),
        (
            "child = {}",
            "child: found an empty table; must be tables, each beginning with [[child.chi",
        ),
        (
            'limits.memory = "1KiB"',
            'limits.memory: found "1KiB"; must be a size from 64KiB to 1TiB',
        ),
        ("shutdown = inf", 'shutdown: found inf; write shutdown = "infinity"'),
        ('shutdown = "infinty"', 'shutdown: found "infinty"; did you mean "infinity"?'),
        (
            'restart = "transcient"',
            'restart: found "transcient"; did you mean "transient"? allowed',
        ),
        (
            'on_restart = "int"',
            'on_restart: found "int"; did you mean "init"? allowed: resume, init',
        ),
    ],
)
def test_the_sentence_helps(line: str, expected: str) -> None:
    found = [str(one) for one in problems(ACTOR + line)]
    assert any(text.startswith("child[0]." + expected) for text in found), found


@pytest.mark.parametrize(
    ("context", "key", "meant"),
    [
        (TOP, "durabilty", "durability"),
        (TOP, "limit", "limits"),
        (TOP, "children", "child"),
        (ROOT, "intensty", "intensity"),
        (ROOT, "max_restarts", "intensity"),
        (ROOT, "max_seconds", "period"),
        (ROOT, "auto_shutdwn", "auto_shutdown"),
        (ROOT, "backof", "backoff"),
        (ROOT, "restart_delay", "backoff"),
        (ROOT, "instance", "instances"),
        (BACKOFF, "delay", "base"),
        (BACKOFF, "maximum", "max"),
        (BACKOFF, "multiplier", "factor"),
        (BACKOFF, "reset_after", "settled"),
        (CHILD, "significent", "significant"),
        (CHILD, "id", "name"),
        (ROOT, "Period", "period"),
        (CHILD, "restart_type", "restart"),
        (CHILD, "environment", "env"),
        (CHILD, "handlers", "handler"),
        (CHILD, "state", "initial_state"),
        (LIMITS, "max_delivery", "max_deliveries"),
        (MAILBOX, "on-full", "on_full"),
        (SYSTEM_LIMITS, "max_message", "message_max"),
        (DEFAULTS, "limit", "limits"),
        (SINGLE, "versoin", "version"),
        (SINGLE, "component", "package"),
    ],
)
def test_an_unknown_key_gets_the_nearest_known_one(
    context: tuple[str, str], key: str, meant: str
) -> None:
    base = "base = 1\n" if context is BACKOFF and meant != "base" else ""
    text = problem(f"{context[0]}{base}{key} = 1")
    assert text.startswith(f'{context[1]}{key}: unknown key; did you mean "{meant}"? allowed: ')


@pytest.mark.parametrize(
    ("context", "key", "place"),
    [
        (TOP, "memory", "[child.limits] or [defaults.limits]"),
        (TOP, "max_messages", "[child.mailbox] or [defaults.mailbox]"),
        (TOP, "strategy", "[supervisor]"),
        (TOP, "backoff", "[supervisor]"),
        (TOP, "instances", "[supervisor]"),
        (TOP, "significant", "a [[child]]"),
        (TOP, "message_max", "the [limits] of the system, at the top of the file"),
        (TOP, "restart", "a [[child]] or [defaults]"),
        (TOP, "args", "a [[child]]"),
        (TOP, "send_to", 'a [[child.handler]] of type "message-server"'),
        (SYSTEM_LIMITS, "fuel", "[child.limits] or [defaults.limits]"),
        (SYSTEM_LIMITS, "durability", "the top of the file, above the first table"),
        (ROOT, "base", "[supervisor.backoff]"),
        (ROOT, "significant", "a [[child]]"),
        (ROOT, "name", "the top of the file, above the first table"),
        (DEFAULTS, "args", "a [[child]]"),
        (DEFAULTS, "significant", "a [[child]]"),
        (DEFAULTS, "auto_shutdown", "[supervisor]"),
        (DEFAULTS, "memory", "[child.limits] or [defaults.limits]"),
        (CHILD, "memory", "[child.limits]"),
        (CHILD, "on_full", "[child.mailbox]"),
        (CHILD, "intensity", "[supervisor], of the supervisor above"),
        (CHILD, "backoff", "[supervisor], of the supervisor above"),
        (CHILD, "base", "[supervisor.backoff], of the supervisor above"),
        (INNER, "auto_shutdown", "[child.supervisor], of the supervisor above"),
        (POOL_CHILD, "intensity", "[child.supervisor]"),
        (POOL_CHILD, "strategy", "[child.supervisor]"),
        (POOL_CHILD, "auto_shutdown", "[child.supervisor]"),
        (POOL_CHILD, "instances", "[child.supervisor]"),
        (POOL_CHILD, "backoff", "[child.supervisor]"),
        (POOL_CHILD, "max", "[child.supervisor.backoff]"),
        (CHILD, "send_to", 'a [[child.handler]] of type "message-server"'),
        (CHILD, "type", "a [[child.handler]]"),
        (CHILD, "state_max", "the [limits] of the system, at the top of the file"),
        (CHILD, "durability", "the top of the file, above the first table"),
        (LIMITS, "restart", "the [[child]] itself, above its own tables"),
        (LIMITS, "period", "[supervisor], of the supervisor above"),
        (LIMITS, "max_bytes", "[child.mailbox]"),
        (MAILBOX, "memory", "[child.limits]"),
        (NESTED, "memory", "[child.limits]"),
        (NESTED, "significant", "the [[child]] itself, above its own tables"),
        (NESTED, "jitter", "[child.supervisor.backoff]"),
        (NESTED, "restart", "the [[child]] itself, above its own tables"),
        (HANDLER, "memory", "[child.limits]"),
        (HANDLER, "restart", "the [[child]] itself, above its own tables"),
        (SINGLE, "memory", "[limits]"),
        (SINGLE, "max_messages", "[mailbox]"),
        (SINGLE, "intensity", "[supervisor]"),
        (SINGLE, "backoff", "[supervisor]"),
        (SINGLE_HANDLER, "memory", "[limits]"),
        (SINGLE, "send_to", 'a [[handler]] of type "message-server"'),
    ],
)
def test_a_key_in_the_wrong_table_is_told_where_it_belongs(
    context: tuple[str, str], key: str, place: str
) -> None:
    text = problem(f"{context[0]}{key} = 1")
    assert text == f"{context[1]}{key}: unknown key; it belongs in {place}"


@pytest.mark.parametrize(
    ("context", "key", "meant", "place"),
    [
        (TOP, "max_restarts", "intensity", "[supervisor]"),
        (CHILD, "max_restarts", "intensity", "[supervisor], of the supervisor above"),
        (CHILD, "restart_delay", "backoff", "[supervisor], of the supervisor above"),
        (POOL_CHILD, "max_seconds", "period", "[child.supervisor]"),
        (ROOT, "multiplier", "factor", "[supervisor.backoff]"),
        (LIMITS, "state", "initial_state", "the [[child]] itself, above its own tables"),
    ],
)
def test_another_word_for_a_key_of_another_table_is_understood(
    context: tuple[str, str], key: str, meant: str, place: str
) -> None:
    expected = f'unknown key; it is called "{meant}" and belongs in {place}'
    assert problem(f"{context[0]}{key} = 1") == f"{context[1]}{key}: {expected}"


def test_the_place_of_a_key_is_named_with_all_tables_above() -> None:
    text = POOL + '[[child.child]]\nname = "a"\ncomponent = "a"\nmemory = 1'
    assert problem(text).endswith("it belongs in [child.child.limits]")


def test_an_unknown_key_like_no_other_gets_the_list() -> None:
    expected = "limits.xyzzy: unknown key; allowed: compile_memory, compile_timeout, message_max, "
    assert problem(SYSTEM_LIMITS[0] + "xyzzy = 1") == expected + "state_max"


def test_missing_keys_are_told() -> None:
    assert problem("child = []").startswith("name: missing; every manifest has a name")
    assert problem('name = "s"\nversion = "1"').startswith("package: missing; it names the file")
    assert problem('name = "s"').startswith("says nothing to run: add [[child]] tables, or pack")
    assert problem('name = "s"\n[[child]]\ncomponent = "a"').startswith("child[0].name: missing")
    assert problem(ROOT[0] + "backoff = {}") == (
        "supervisor.backoff.base: missing; it is the delay before a first restart, "
        "as in backoff = { base = 1, max = 60 }"
    )
    assert problem('name = "s"\n[[child]]\nname = "a"') == (
        'child[0].component: missing: component = "file.wasm" for an actor, or build = "file.py"'
        " its source; or [child.supervisor]"
    )


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('nmae = "s"\nchild = []', "nmae"),
        ('name = "s"\npakage = "a"', "pakage"),
        ('name = "s"\n[[child]]\nname = "a"\ncomponnent = "a"', "child[0].componnent"),
        ('name = "s"\n[[child]]\nname = "a"\npackage = "a"', "child[0].package"),
        ('name = "s"\n[[child]]\nnam = "a"\ncomponent = "a"', "child[0].nam"),
        (ACTOR + '[[child.handler]]\ntpye = "runtime"', "child[0].handler[0].tpye"),
    ],
)
def test_a_misspelt_key_is_not_told_to_be_missing_as_well(text: str, key: str) -> None:
    assert problem(text).startswith(key + ": unknown key; did you mean")


def test_a_child_cannot_be_both_actor_and_supervisor() -> None:
    for key, value in (("supervisor", "{}"), ("child", "[]")):
        expected = f"child[0]: has component and {key}: a child is either an actor or a supervisor"
        assert problem(f"{ACTOR}{key} = {value}") == expected


@pytest.mark.parametrize(
    "line",
    [
        'initial_state = "x"',
        'handler = [{ type = "runtime" }]',
        "env = {}",
        "args = []",
        "request_timeout = 1",
        "state_every = 1",
        "mailbox = {}",
        "limits = {}",
    ],
)
def test_a_supervisor_takes_nothing_that_only_actors_have(line: str) -> None:
    key = line.split()[0]
    expected = f"child[0].{key}: belongs to an actor, and this child is a supervisor"
    assert problem(POOL + line) == expected


def test_siblings_have_different_names_and_cousins_need_not() -> None:
    child = '[[child]]\nname = "a"\ncomponent = "a"\n'
    text = f'name = "s"\n{child}{child}[[child]]\nname = "p"\n' + child.replace(
        "child", "child.child"
    )
    assert problem(text) == 'child[1].name: "a" is already the name of child[0]'


def test_a_handler_is_granted_once() -> None:
    text = ACTOR + 'handler = [{ type = "runtime" }, { type = "runtime" }]'
    assert problem(text) == (
        'child[0].handler[1].type: "runtime" is already granted by child[0].handler[0]'
    )


def test_an_address_of_more_than_255_bytes_is_told_once() -> None:
    long = "x" * 130
    text = f'name = "s"\n[[child]]\nname = "{long}"\n[[child.child]]\nname = "{long}"\n'
    text += '[[child.child.child]]\nname = "a"\ncomponent = "a"'
    assert problem(text).startswith("child[0].child[0].name: ")
    assert "has 261 bytes; an address has at most 255" in problem(text)


def test_one_actor_and_a_system_do_not_mix() -> None:
    text = 'name = "S"\npackage = "a"\nrestart = 3\nmemory = 1\nchild = [{ name = "a" }]'
    assert [found.path for found in problems(text)] == [
        "name",
        "package",
        "restart",
        "memory",
        "child[0].component",
    ]
    assert "either one actor (package) or a system" in problems(text)[1].message


def test_all_problems_come_at_once_in_the_order_of_the_file() -> None:
    text = """
        name = "Shop"
        [[child]]
        name = "a"
        component = "a"
        restart = "always"
        [child.limits]
        memory = 1
        fuel = 0
        [[child.handler]]
        type = "stor"
        [[child]]
        name = "a"
        [[child.child]]
        name = "b"
        [limits]
        messagemax = 1
        [supervisor]
        strategy = "one_for_al"
    """
    assert [found.path for found in problems(text)] == [
        "name",
        "child[0].restart",
        "child[0].limits.memory",
        "child[0].limits.fuel",
        "child[0].handler[0].type",
        "child[1].name",
        "child[1].child[0].component",
        "limits.messagemax",
        "supervisor.strategy",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('name = "s"\nx = ', "TOML: line 2, the end: Invalid value"),
        ('name = "s"\n  ?', "TOML: line 2, column 3: Invalid statement"),
        ('name = "s"\nname = "t"', "TOML: line 2, the end: Cannot overwrite a value"),
        ("a = 1\n\n[a]\n", "TOML: line 3, column 3: Cannot overwrite a value"),
        ('x = "\x1b"', "TOML: line 1, column 6: Illegal character '\\x1b'"),
        ("x = \ud800", "line 1: not UTF-8 (byte 0xed)"),
        ("a" + ".a" * 33 + " = 1", "TOML: line 1: a key with more than 32 dots"),
        ("\n[[ 'a'" + ' . "a\\""' * 33 + " ]]", "TOML: line 2: a key with more than 32 dots"),
        ("x = { a = 1, b" + ".b" * 33 + " = 1 }", "TOML: line 1: a key with more than 32 dots"),
        ("x = " + "[" * 5000, "TOML: "),
        ("x = 1" + "0" * 5000, "TOML: Exceeds the limit (4300 digits) for integer string conver"),
    ],
)
def test_text_that_is_not_toml_is_told_with_line_and_column(text: str, expected: str) -> None:
    assert problem(text).startswith(expected)
