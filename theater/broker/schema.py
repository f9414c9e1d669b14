"""The tables of `chain.db`, and views for a person with the sqlite3 program."""

from __future__ import annotations

VERSION = 5  # PRAGMA user_version

TABLES = """
CREATE TABLE actors (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,          -- the address, e.g. pool/worker-1
    component TEXT NOT NULL,            -- SHA-256 of the component it runs, hex; '' if none
    phase TEXT NOT NULL,                -- what the supervisor last said of it
    reason TEXT NOT NULL DEFAULT '',
    initialised INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL,
    removed_at REAL,
    -- actor, supervisor (the root supervisor is named /). Not `kind`: turns, messages and asks
    -- have one, and whoever joins them with their actors calls it by that name alone.
    role TEXT NOT NULL DEFAULT 'actor'
);

CREATE TABLE incarnations (
    actor INTEGER NOT NULL REFERENCES actors(id),
    incarnation INTEGER NOT NULL,
    pid INTEGER,
    started_at REAL NOT NULL,
    ready_at REAL,
    ended_at REAL,
    reason TEXT,
    PRIMARY KEY (actor, incarnation)
) WITHOUT ROWID;

-- A turn has a row once something of it is durable: a committed step, or a failed delivery.
CREATE TABLE turns (
    actor INTEGER NOT NULL REFERENCES actors(id),
    turn INTEGER NOT NULL,
    kind TEXT NOT NULL,                 -- init, or that of its message
    message INTEGER,                    -- messages.id; NULL for init
    -- waiting, open, done, failed; renumbered: its actor began anew, its message has another turn
    status TEXT NOT NULL,
    incarnation INTEGER NOT NULL,       -- the last that ran it
    steps INTEGER NOT NULL DEFAULT 0,   -- committed ones
    deliveries INTEGER NOT NULL DEFAULT 0,  -- failed ones
    state BLOB,                         -- hash of the state after it; NULL: no state
    fuel INTEGER,
    reason TEXT,
    at REAL NOT NULL,
    kept INTEGER NOT NULL DEFAULT 1,    -- 0: the bytes of its state may go with the next one
    PRIMARY KEY (actor, turn)
) WITHOUT ROWID;

CREATE TABLE steps (
    actor INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    step INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    last_event INTEGER NOT NULL,        -- events.seq
    PRIMARY KEY (actor, turn, step)
) WITHOUT ROWID;

-- All chains in one order, the order of commits. `bytes` is what is hashed; the other columns
-- are copies of it for SQL.
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    actor INTEGER NOT NULL REFERENCES actors(id),
    position INTEGER NOT NULL,          -- in the actor's chain, from 0
    incarnation INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    type TEXT NOT NULL,
    function TEXT NOT NULL,
    line TEXT,                          -- of a log line, its text
    bytes BLOB NOT NULL,
    hash BLOB NOT NULL,
    at REAL NOT NULL                    -- Unix time of the commit; not part of the hash
);
CREATE UNIQUE INDEX chain ON events (actor, position);
CREATE INDEX decisions ON events (seq) WHERE type = 'decided';
-- What a chain was last said to be: component, grants, flags. Not IN (...): for each event that is
-- written SQLite would build its list anew, which costs a third of writing the event.
CREATE INDEX facts ON events (actor, position)
WHERE type = 'created' OR type = 'component-changed' OR type = 'changed' OR type = 'returned';

CREATE TABLE messages (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,                 -- send, request, channel-open, -message, -close, tick, loop
    to_actor INTEGER REFERENCES actors(id),  -- NULL: no such actor
    to_name TEXT NOT NULL,
    from_actor INTEGER REFERENCES actors(id),  -- NULL: a client, or a timer of to_actor
    from_turn INTEGER,
    from_index INTEGER,                 -- of the event that sent it; NULL: none of its sender's
    client TEXT,                        -- the client's own id for it
    size INTEGER NOT NULL,
    body BLOB,                          -- NULL: over the inline size, see body_hash
    body_hash BLOB,
    -- queued, outstanding (a request, received), done, dead; cleared: a tick with its timer, the
    -- next round of a loop that was ended
    status TEXT NOT NULL,
    turn INTEGER,                       -- the turn of to_actor that consumed it
    answer BLOB,                        -- of a client's request: msgpack {ok: ...} or {err: ...}
    at REAL NOT NULL,
    channel TEXT                        -- channels.id, of what opens it, is sent on it, closes it
);
CREATE INDEX mailbox ON messages (to_actor, id) WHERE status = 'queued';
CREATE INDEX outstanding ON messages (id) WHERE status = 'outstanding';
CREATE UNIQUE INDEX client_messages ON messages (client) WHERE client IS NOT NULL;

-- One row an ask. The answer itself is the event after the ask's.
CREATE TABLE asks (
    actor INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    kind TEXT NOT NULL,
    message INTEGER,                    -- of a request or an open-channel: messages.id
    timeout_s REAL,
    status TEXT NOT NULL,               -- open, answered, abandoned
    PRIMARY KEY (actor, turn, idx)
) WITHOUT ROWID;
CREATE INDEX open_asks ON asks (message) WHERE status = 'open';

-- Who has ever sent to an actor: it may answer them.
CREATE TABLE senders (
    actor INTEGER NOT NULL,
    sender TEXT NOT NULL,
    PRIMARY KEY (actor, sender)
) WITHOUT ROWID;

CREATE TABLE blobs (hash BLOB NOT NULL UNIQUE, bytes BLOB NOT NULL);

CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY,
    message INTEGER,                    -- messages.id; NULL: an init
    actor TEXT NOT NULL,                -- the address it was for
    turn INTEGER,
    reason TEXT NOT NULL,
    state BLOB,                         -- hash of the state before the turn
    evidence INTEGER,
    at REAL NOT NULL,
    status TEXT NOT NULL DEFAULT 'open',  -- open, retried, dropped
    again INTEGER,                      -- of one that was retried: messages.id it is now
    client TEXT,                        -- of one that was decided about: that client's id for it
    decided_at REAL
);
CREATE UNIQUE INDEX client_decisions ON dead_letters (client) WHERE client IS NOT NULL;

-- What a black box held of a turn that did not commit.
CREATE TABLE evidence (
    id INTEGER PRIMARY KEY,
    actor INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    events BLOB NOT NULL,               -- msgpack list of event bytes
    hash BLOB NOT NULL,                 -- SHA-256 of `events`, chained in turn-failed
    at REAL NOT NULL
);
CREATE INDEX evidence_of ON evidence (actor, id);

CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""

# Apart from the others: a log of version 3 is given them.
_CHANNELS = """
-- Those that were accepted. SELECT * FROM traffic WHERE channel = 'a:2:1' is what was said on one.
CREATE TABLE channels (
    id TEXT PRIMARY KEY,                -- who opened it, in which turn, by which event
    opener INTEGER NOT NULL REFERENCES actors(id),
    callee INTEGER NOT NULL REFERENCES actors(id),
    message INTEGER NOT NULL,           -- messages.id of what opened it
    status TEXT NOT NULL,               -- open, closed
    opened_at REAL NOT NULL,
    closed_by INTEGER REFERENCES actors(id),  -- NULL: neither of the two
    reason TEXT,                        -- of one that is closed
    untold INTEGER REFERENCES actors(id),  -- who has not handled that it was closed
    closed_at REAL
) WITHOUT ROWID;
CREATE INDEX live_channels ON channels (id) WHERE status = 'open' OR untold IS NOT NULL;
"""

_TRAFFIC = """
-- Every message with its turn: SELECT * FROM traffic WHERE sender = 'a' AND receiver = 'b';
CREATE VIEW traffic AS
SELECT m.id AS message, datetime(m.at, 'unixepoch') AS time, m.kind,
       coalesce(s.name, CASE m.kind WHEN 'tick' THEN 'timer' ELSE 'client' END) AS sender,
       m.from_turn AS sender_turn,
       m.to_name AS receiver, m.turn AS receiver_turn, m.status, m.channel, m.size,
       CAST(coalesce(m.body, b.bytes) AS TEXT) AS body
FROM messages m LEFT JOIN actors s ON s.id = m.from_actor
LEFT JOIN blobs b ON b.hash = m.body_hash;
"""

_LAST_STATES = """
-- Of each actor the last state, if it may go: the next one is written over it.
CREATE TABLE last_states (
    actor INTEGER PRIMARY KEY REFERENCES actors(id),
    hash BLOB NOT NULL,
    bytes BLOB NOT NULL
);
CREATE INDEX last_state_hashes ON last_states (hash);
"""

_STATES = """
-- Every state an actor has had: SELECT turn, state FROM states WHERE actor = 'counter';
-- of those whose bytes are not kept (see state_every in a manifest) the hash.
CREATE VIEW states AS
SELECT a.name AS actor, t.turn, t.status, hex(t.state) AS hash,
       coalesce(length(b.bytes), length(l.bytes)) AS size,
       CAST(coalesce(b.bytes, l.bytes) AS TEXT) AS state
FROM turns t JOIN actors a ON a.id = t.actor LEFT JOIN blobs b ON b.hash = t.state
LEFT JOIN last_states l ON l.actor = t.actor AND l.hash = t.state;
"""

# What handlers keep.
_HANDLERS = """
CREATE TABLE timers (
    actor INTEGER NOT NULL REFERENCES actors(id),
    name TEXT NOT NULL,
    interval_ms INTEGER,                -- NULL: it goes off once
    due_at REAL NOT NULL,               -- Unix time
    message INTEGER,                    -- messages.id of its tick that has not been handled
    turn INTEGER NOT NULL,              -- the call that set it
    idx INTEGER NOT NULL,
    PRIMARY KEY (actor, name)
) WITHOUT ROWID;

-- What a store has. The bytes are in a file by their hash, in the data directory.
CREATE TABLE contents (
    store TEXT NOT NULL,
    hash BLOB NOT NULL,                 -- SHA-256
    size INTEGER NOT NULL,
    seq INTEGER NOT NULL,               -- events.seq of the call that first put it there
    PRIMARY KEY (store, hash)
) WITHOUT ROWID;

CREATE TABLE labels (
    store TEXT NOT NULL,
    label TEXT NOT NULL,
    hash BLOB NOT NULL,                 -- of the content that it names now
    seq INTEGER NOT NULL,               -- events.seq of the call that said so
    PRIMARY KEY (store, label)
) WITHOUT ROWID;

-- Actors that other actors have spawned.
CREATE TABLE children (
    actor INTEGER PRIMARY KEY REFERENCES actors(id),
    parent INTEGER NOT NULL REFERENCES actors(id),
    turn INTEGER NOT NULL,              -- the ask of the parent's that spawned it
    idx INTEGER NOT NULL,
    spec BLOB NOT NULL                  -- its specification, as msgpack
);

-- Whose events a parent has asked to be told of.
CREATE TABLE subscriptions (
    parent INTEGER NOT NULL REFERENCES actors(id),
    child INTEGER NOT NULL REFERENCES actors(id),
    position INTEGER NOT NULL,          -- of the first event of the child's that it has not seen
    PRIMARY KEY (parent, child)
) WITHOUT ROWID;
"""

# Of version 3 already.
_DEAD = """
-- What was set aside or came nowhere: SELECT id, reason, body FROM dead WHERE status = 'open';
CREATE VIEW dead AS
SELECT d.id, datetime(d.at, 'unixepoch') AS time, d.actor,
       CASE WHEN m.kind = 'tick' THEN 'timer'
            WHEN m.id IS NOT NULL THEN coalesce(s.name, 'client') END AS sender,
       coalesce(m.kind, 'init') AS kind, m.size, d.status, d.again, d.turn, d.reason,
       CAST(coalesce(m.body, b.bytes) AS TEXT) AS body
FROM dead_letters d LEFT JOIN messages m ON m.id = d.message
LEFT JOIN actors s ON s.id = m.from_actor LEFT JOIN blobs b ON b.hash = m.body_hash;
"""

# {"err": "timeout: nobody waited for the answer any more"}
_NOBODY = (
    "81a3657272d92e74696d656f75743a206e6f626f64792077616974656420"
    "666f722074686520616e7377657220616e79206d6f7265"
)

# What makes a log of this version one of the next.
MIGRATIONS = {
    1: """
ALTER TABLE actors ADD COLUMN role TEXT NOT NULL DEFAULT 'actor';
CREATE INDEX decisions ON events (seq) WHERE type = 'decided';
CREATE INDEX facts ON events (actor, position)
WHERE type = 'created' OR type = 'component-changed' OR type = 'changed' OR type = 'returned';
""",
    2: f"""
ALTER TABLE dead_letters ADD COLUMN status TEXT NOT NULL DEFAULT 'open';
ALTER TABLE dead_letters ADD COLUMN again INTEGER;
ALTER TABLE dead_letters ADD COLUMN client TEXT;
ALTER TABLE dead_letters ADD COLUMN decided_at REAL;
CREATE UNIQUE INDEX client_decisions ON dead_letters (client) WHERE client IS NOT NULL;
{_DEAD}
""",
    # A request of a client's has an answer now when it is done: here, that nobody waited any more.
    3: f"""
ALTER TABLE messages ADD COLUMN channel TEXT;
CREATE INDEX outstanding ON messages (id) WHERE status = 'outstanding';
{_CHANNELS}
UPDATE messages SET answer = x'{_NOBODY}'
WHERE kind = 'request' AND status = 'done' AND client IS NOT NULL AND answer IS NULL;
DROP VIEW traffic;
{_TRAFFIC}
ALTER TABLE turns ADD COLUMN kept INTEGER NOT NULL DEFAULT 1;
{_LAST_STATES}
DROP VIEW states;
{_STATES}
""",
    4: f"""
{_HANDLERS}
DROP VIEW traffic;
{_TRAFFIC}
DROP VIEW dead;
{_DEAD}
""",
}

TABLES += _CHANNELS + _LAST_STATES + _HANDLERS

VIEWS = f"""
{_DEAD}
-- Every log line of an actor: SELECT time, line FROM log_lines WHERE actor = 'pool/worker-1';
CREATE VIEW log_lines AS
SELECT e.seq, datetime(e.at, 'unixepoch') AS time, a.name AS actor, e.incarnation, e.turn, e.line
FROM events e JOIN actors a ON a.id = e.actor WHERE e.line IS NOT NULL;

{_TRAFFIC}
{_STATES}
-- What the supervisor and the broker did: starts, exits, failed turns.
CREATE VIEW lifecycle AS
SELECT e.seq, datetime(e.at, 'unixepoch') AS time, a.name AS actor, e.incarnation, e.type
FROM events e JOIN actors a ON a.id = e.actor WHERE e.turn = 0;
"""
