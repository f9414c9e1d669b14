;; An actor that fails on what it takes later: a gate.
;;
;; A message that begins with `open` opens it: the state becomes the message. One that is open
;; appends every message to the state; one that is shut traps. A request does the same, and is
;; answered with the state.
(component
  (core module $Gate
    ;; A bump allocator whose heap is emptied after every call (the post-return function).
    (memory (export "memory") 1)
    (global $heap (mut i32) (i32.const 0x100))
    (func $reset (export "reset") (param $result i32)
      (global.set $heap (i32.const 0x100)))
    (func $realloc (export "realloc")
        (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
      (local $ptr i32) (local $missing i32)
      (local.set $ptr
        (i32.and
          (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
          (i32.sub (i32.const 0) (local.get $align))))
      (global.set $heap (i32.add (local.get $ptr) (local.get $size)))
      (local.set $missing
        (i32.sub
          (i32.shr_u (i32.add (global.get $heap) (i32.const 0xffff)) (i32.const 16))
          (memory.size)))
      (if (i32.gt_s (local.get $missing) (i32.const 0))
        (then
          (if (i32.eq (memory.grow (local.get $missing)) (i32.const -1))
            (then unreachable))))
      (memory.copy (local.get $ptr) (local.get $old) (local.get $old_size))
      (local.get $ptr))

    ;; Ok of the state as it came: result<tuple<option<list<u8>>>, string> has the case at +0 (0 is
    ;; ok) and the option at +4, +8, +12.
    (func $keep (export "init")
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $id i32) (param $id_len i32) (result i32)
      (i32.store (i32.const 0x24) (local.get $some))
      (i32.store (i32.const 0x28) (local.get $state))
      (i32.store (i32.const 0x2c) (local.get $state_len))
      (i32.const 0x20))

    ;; A gate that is shut ends the turn, and the instance with it.
    (func $shut
      (unreachable))

    (func $is-open (param $some i32) (param $state i32) (param $state_len i32) (result i32)
      (if (i32.eqz (local.get $some)) (then (return (i32.const 0))))
      (if (i32.lt_u (local.get $state_len) (i32.const 4)) (then (return (i32.const 0))))
      (i32.eq (i32.load align=1 (local.get $state)) (i32.const 0x6e65706f))) ;; "open"

    ;; The state after a message, at +8 and +12 of what $keep makes.
    (func $take
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $msg i32) (param $msg_len i32) (result i32)
      (local $longer i32)
      (if (i32.eqz (call $is-open (local.get $some) (local.get $state) (local.get $state_len)))
        (then
          (if (call $is-open (i32.const 1) (local.get $msg) (local.get $msg_len))
            (then
              (return
                (call $keep
                  (i32.const 1) (local.get $msg) (local.get $msg_len)
                  (i32.const 0) (i32.const 0)))))
          (call $shut)))
      (local.set $longer
        (call $realloc
          (i32.const 0) (i32.const 0) (i32.const 1)
          (i32.add (local.get $state_len) (local.get $msg_len))))
      (memory.copy (local.get $longer) (local.get $state) (local.get $state_len))
      (memory.copy
        (i32.add (local.get $longer) (local.get $state_len))
        (local.get $msg) (local.get $msg_len))
      (call $keep
        (i32.const 1) (local.get $longer)
        (i32.add (local.get $state_len) (local.get $msg_len))
        (i32.const 0) (i32.const 0)))

    (func $handle-send (export "handle-send")
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $msg i32) (param $msg_len i32) (result i32)
      (call $take
        (local.get $some) (local.get $state) (local.get $state_len)
        (local.get $msg) (local.get $msg_len)))

    ;; The reply, some of the new state, is at +16, +20, +24.
    (func $handle-request (export "handle-request")
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $id i32) (param $id_len i32)
        (param $msg i32) (param $msg_len i32) (result i32)
      (local $result i32)
      (local.set $result
        (call $take
          (local.get $some) (local.get $state) (local.get $state_len)
          (local.get $msg) (local.get $msg_len)))
      (i32.store (i32.const 0x30) (i32.const 1))
      (i32.store (i32.const 0x34) (i32.load (i32.const 0x28)))
      (i32.store (i32.const 0x38) (i32.load (i32.const 0x2c)))
      (local.get $result)))
  (core instance $gate (instantiate $Gate))
  (alias core export $gate "memory" (core memory $memory))
  (alias core export $gate "realloc" (core func $realloc))
  (alias core export $gate "reset" (core func $reset))

  (func $init
      (param "state" (option (list u8))) (param "params" (tuple string))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $gate "init")
      (memory $memory) (realloc $realloc) (post-return $reset)))
  (func $handle-send
      (param "state" (option (list u8))) (param "params" (tuple (list u8)))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $gate "handle-send")
      (memory $memory) (realloc $realloc) (post-return $reset)))
  (func $handle-request
      (param "state" (option (list u8))) (param "params" (tuple string (list u8)))
      (result (result
        (tuple (option (list u8)) (tuple (option (list u8))))
        (error string)))
    (canon lift (core func $gate "handle-request")
      (memory $memory) (realloc $realloc) (post-return $reset)))

  (instance $actor (export "init" (func $init)))
  (instance $client
    (export "handle-send" (func $handle-send))
    (export "handle-request" (func $handle-request)))
  (export "theater:simple/actor" (instance $actor))
  (export "theater:simple/message-server-client" (instance $client)))
