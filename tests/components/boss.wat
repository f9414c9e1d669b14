;; An actor that spawns: a message or a request is one command, a letter and what it is about.
;;
;;   s NAME  spawn from the manifest NAME        n NAME  the same, with the state "41"
;;   r NAME  resume from NAME with the state "41"
;;   x ID    stop a child                        R ID    restart it
;;   l       list the children, a line each      g ID    a child's state
;;   e ID    how many events it has, 4 bytes     + ID    subscribe     - ID  unsubscribe
;;   ?       the state                           t       trap
;;
;; A request is answered with the Ok value (nothing for none) or the error's text. `init` with a
;; state spawns from each line of it, and begins without a state. What it is told of its children is
;; appended to the state, a line each: "error ID", "exit ID DATA", "stopped ID", "event ID TYPE",
;; and of a `skipped` event its data too.
(component
  (import "theater:simple/types" (instance $types
    (type $event' (record
      (field "hash" (list u8))
      (field "parent-hash" (option (list u8)))
      (field "event-type" string)
      (field "data" (list u8))))
    (export "chain-event" (type $event (eq $event')))
    (type $kind' (enum "operation-timeout" "channel-closed" "shutting-down"
      "function-not-found" "type-mismatch" "internal" "serialization-error"
      "update-component-error" "paused"))
    (export "wit-error-type" (type $kind (eq $kind')))
    (type $error' (record (field "error-type" $kind) (field "data" (option (list u8)))))
    (export "wit-actor-error" (type (eq $error')))))
  (alias export $types "chain-event" (type $event))
  (alias export $types "wit-actor-error" (type $error))

  (import "theater:simple/supervisor" (instance $supervisor
    (alias outer 1 $event (type $event'))
    (export "chain-event" (type $event (eq $event')))
    (export "spawn" (func (param "manifest" string) (param "init-bytes" (option (list u8)))
      (result (result string (error string)))))
    (export "resume" (func (param "manifest" string) (param "init-state" (option (list u8)))
      (result (result string (error string)))))
    (export "list-children" (func (result (list string))))
    (export "stop-child" (func (param "child-id" string) (result (result (error string)))))
    (export "restart-child" (func (param "child-id" string) (result (result (error string)))))
    (export "get-child-state" (func (param "child-id" string)
      (result (result (option (list u8)) (error string)))))
    (export "get-child-events" (func (param "child-id" string)
      (result (result (list $event) (error string)))))
    (export "subscribe-to-child" (func (param "child-id" string)
      (result (result (error string)))))
    (export "unsubscribe-from-child" (func (param "child-id" string)
      (result (result (error string)))))))

  ;; Constants below 0x100, scratch below 0x200, then a heap that is emptied after every call.
  (core module $Libc
    (memory (export "memory") 1)
    (global $heap (mut i32) (i32.const 0x200))
    (func $reset (export "reset") (param $result i32)
      (global.set $heap (i32.const 0x200)))
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
      (local.get $ptr)))
  (core instance $libc (instantiate $Libc))
  (alias core export $libc "memory" (core memory $memory))
  (alias core export $libc "realloc" (core func $realloc))
  (alias core export $libc "reset" (core func $reset))

  (core func $spawn (canon lower (func $supervisor "spawn")
    (memory $memory) (realloc $realloc)))
  (core func $resume (canon lower (func $supervisor "resume")
    (memory $memory) (realloc $realloc)))
  (core func $list (canon lower (func $supervisor "list-children")
    (memory $memory) (realloc $realloc)))
  (core func $stop (canon lower (func $supervisor "stop-child")
    (memory $memory) (realloc $realloc)))
  (core func $restart (canon lower (func $supervisor "restart-child")
    (memory $memory) (realloc $realloc)))
  (core func $state (canon lower (func $supervisor "get-child-state")
    (memory $memory) (realloc $realloc)))
  (core func $events (canon lower (func $supervisor "get-child-events")
    (memory $memory) (realloc $realloc)))
  (core func $subscribe (canon lower (func $supervisor "subscribe-to-child")
    (memory $memory) (realloc $realloc)))
  (core func $unsubscribe (canon lower (func $supervisor "unsubscribe-from-child")
    (memory $memory) (realloc $realloc)))

  (core module $Boss
    (import "libc" "memory" (memory 1))
    (import "libc" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
    (import "host" "spawn" (func $spawn (param i32 i32 i32 i32 i32 i32)))
    (import "host" "resume" (func $resume (param i32 i32 i32 i32 i32 i32)))
    (import "host" "list" (func $list (param i32)))
    (import "host" "stop" (func $stop (param i32 i32 i32)))
    (import "host" "restart" (func $restart (param i32 i32 i32)))
    (import "host" "state" (func $state (param i32 i32 i32)))
    (import "host" "events" (func $events (param i32 i32 i32)))
    (import "host" "subscribe" (func $subscribe (param i32 i32 i32)))
    (import "host" "unsubscribe" (func $unsubscribe (param i32 i32 i32)))
    (data (i32.const 0x20) "41")
    (data (i32.const 0x40) "error exit stopped event skipped")

    ;; What has been appended: at 0x80 where it begins, at 0x84 its length.
    (func $append (param $from i32) (param $len i32)
      (local $new i32) (local $before i32)
      (local.set $before (i32.load (i32.const 0x84)))
      (local.set $new
        (call $realloc
          (i32.const 0) (i32.const 0) (i32.const 1)
          (i32.add (local.get $before) (local.get $len))))
      (memory.copy (local.get $new) (i32.load (i32.const 0x80)) (local.get $before))
      (memory.copy
        (i32.add (local.get $new) (local.get $before)) (local.get $from) (local.get $len))
      (i32.store (i32.const 0x80) (local.get $new))
      (i32.store (i32.const 0x84) (i32.add (local.get $before) (local.get $len))))
    (func $append_byte (param $byte i32)
      (i32.store8 (i32.const 0x8c) (local.get $byte))
      (call $append (i32.const 0x8c) (i32.const 1)))
    (func $begin (param $some i32) (param $ptr i32) (param $len i32)
      (i32.store (i32.const 0x80) (local.get $ptr))
      (i32.store (i32.const 0x84)
        (if (result i32) (local.get $some)
          (then (local.get $len)) (else (i32.const 0)))))

    ;; Ok of a state: the case at +0x90, the option at +0x94, +0x98, +0x9c; for a request the reply
    ;; after it, at +0xa0, +0xa4, +0xa8.
    (func $result (param $some i32) (param $ptr i32) (param $len i32) (result i32)
      (i32.store (i32.const 0x90) (i32.const 0))
      (i32.store (i32.const 0x94) (local.get $some))
      (i32.store (i32.const 0x98) (local.get $ptr))
      (i32.store (i32.const 0x9c) (local.get $len))
      (i32.const 0x90))

    ;; A line for the state: a word, a child, and maybe more.
    (func $line (param $word i32) (param $word_len i32) (param $child i32) (param $child_len i32)
        (param $more i32) (param $more_len i32)
      (call $append (local.get $word) (local.get $word_len))
      (call $append_byte (i32.const 0x20))
      (call $append (local.get $child) (local.get $child_len))
      (if (local.get $more_len)
        (then
          (call $append_byte (i32.const 0x20))
          (call $append (local.get $more) (local.get $more_len)))))
    (func $end (result i32)
      (call $append_byte (i32.const 0x0a))
      (call $result
        (i32.const 1) (i32.load (i32.const 0x80)) (i32.load (i32.const 0x84))))

    (func (export "child-error")
        (param $some i32) (param $state i32) (param $len i32)
        (param $child i32) (param $child_len i32)
        (param $kind i32) (param $data_some i32) (param $data i32) (param $data_len i32)
        (result i32)
      (call $begin (local.get $some) (local.get $state) (local.get $len))
      (call $line
        (i32.const 0x40) (i32.const 5) (local.get $child) (local.get $child_len)
        (i32.const 0) (i32.const 0))
      (call $end))
    (func (export "child-exit")
        (param $some i32) (param $state i32) (param $len i32)
        (param $child i32) (param $child_len i32)
        (param $data_some i32) (param $data i32) (param $data_len i32) (result i32)
      (call $begin (local.get $some) (local.get $state) (local.get $len))
      (call $line
        (i32.const 0x46) (i32.const 4) (local.get $child) (local.get $child_len)
        (local.get $data)
        (if (result i32) (local.get $data_some)
          (then (local.get $data_len)) (else (i32.const 0))))
      (call $end))
    (func (export "child-external-stop")
        (param $some i32) (param $state i32) (param $len i32)
        (param $child i32) (param $child_len i32) (result i32)
      (call $begin (local.get $some) (local.get $state) (local.get $len))
      (call $line
        (i32.const 0x4b) (i32.const 7) (local.get $child) (local.get $child_len)
        (i32.const 0) (i32.const 0))
      (call $end))
    (func (export "child-event")
        (param $some i32) (param $state i32) (param $len i32)
        (param $child i32) (param $child_len i32)
        (param $type i32) (param $type_len i32) (param $data i32) (param $data_len i32)
        (result i32)
      (call $begin (local.get $some) (local.get $state) (local.get $len))
      (call $line
        (i32.const 0x53) (i32.const 5) (local.get $child) (local.get $child_len)
        (local.get $type) (local.get $type_len))
      (if ;; "skipped": nothing else begins with sk
        (i32.eq (i32.load16_u (local.get $type)) (i32.const 0x6b73))
        (then
          (call $append_byte (i32.const 0x20))
          (call $append (local.get $data) (local.get $data_len))))
      (call $end))

    ;; Some "41", or none, as init-bytes.
    (func $born (param $letter i32) (param $at i32) (param $len i32) (param $forty-one i32)
      (if (i32.eq (local.get $letter) (i32.const 0x72)) ;; r
        (then
          (call $resume
            (local.get $at) (local.get $len)
            (i32.const 1) (i32.const 0x20) (i32.const 2) (i32.const 0xc0)))
        (else
          (call $spawn
            (local.get $at) (local.get $len)
            (local.get $forty-one) (i32.const 0x20) (i32.const 2) (i32.const 0xc0)))))

    ;; What is answered: at 0xb0 and 0xb4.
    (func $answer (param $ptr i32) (param $len i32)
      (i32.store (i32.const 0xb0) (local.get $ptr))
      (i32.store (i32.const 0xb4) (local.get $len)))

    (func $command (param $msg i32) (param $msg_len i32)
      (local $letter i32) (local $at i32) (local $len i32) (local $names i32) (local $end i32)
      (call $answer (i32.const 0) (i32.const 0))
      (local.set $letter (i32.load8_u (local.get $msg)))
      (local.set $at (i32.add (local.get $msg) (i32.const 2)))
      (local.set $len (i32.sub (local.get $msg_len) (i32.const 2)))
      (if (i32.eq (local.get $letter) (i32.const 0x74)) (then unreachable)) ;; t
      (if (i32.eq (local.get $letter) (i32.const 0x3f)) (then return)) ;; ?
      (if (i32.eq (local.get $letter) (i32.const 0x6c)) ;; l
        (then
          (call $list (i32.const 0xc0))
          (i32.store (i32.const 0x80) (i32.const 0))
          (i32.store (i32.const 0x84) (i32.const 0))
          (local.set $names (i32.load (i32.const 0xc0)))
          (local.set $end
            (i32.add (local.get $names) (i32.mul (i32.load (i32.const 0xc4)) (i32.const 8))))
          (block $done
            (loop $next
              (br_if $done (i32.eq (local.get $names) (local.get $end)))
              (call $append
                (i32.load (local.get $names))
                (i32.load (i32.add (local.get $names) (i32.const 4))))
              (call $append_byte (i32.const 0x0a))
              (local.set $names (i32.add (local.get $names) (i32.const 8)))
              (br $next)))
          (call $answer (i32.load (i32.const 0x80)) (i32.load (i32.const 0x84)))
          (return)))
      (block $called
        (if
          (i32.or
            (i32.eq (local.get $letter) (i32.const 0x73)) ;; s
            (i32.or
              (i32.eq (local.get $letter) (i32.const 0x6e)) ;; n
              (i32.eq (local.get $letter) (i32.const 0x72)))) ;; r
          (then
            (call $born
              (local.get $letter) (local.get $at) (local.get $len)
              (i32.eq (local.get $letter) (i32.const 0x6e)))
            (call $answer (i32.load (i32.const 0xc4)) (i32.load (i32.const 0xc8)))
            (return)))
        (if (i32.eq (local.get $letter) (i32.const 0x67)) ;; g
          (then
            (call $state (local.get $at) (local.get $len) (i32.const 0xc0))
            (if (i32.eqz (i32.load8_u (i32.const 0xc0)))
              (then
                (if (i32.load8_u (i32.const 0xc4))
                  (then
                    (call $answer (i32.load (i32.const 0xc8)) (i32.load (i32.const 0xcc)))))
                (return)))
            (br $called)))
        (if (i32.eq (local.get $letter) (i32.const 0x65)) ;; e
          (then
            (call $events (local.get $at) (local.get $len) (i32.const 0xc0))
            (if (i32.eqz (i32.load8_u (i32.const 0xc0)))
              (then
                (call $answer (i32.const 0xc8) (i32.const 4))
                (return)))
            (br $called)))
        (if (i32.eq (local.get $letter) (i32.const 0x78)) ;; x
          (then
            (call $stop (local.get $at) (local.get $len) (i32.const 0xc0))
            (br $called)))
        (if (i32.eq (local.get $letter) (i32.const 0x52)) ;; R
          (then
            (call $restart (local.get $at) (local.get $len) (i32.const 0xc0))
            (br $called)))
        (if (i32.eq (local.get $letter) (i32.const 0x2b)) ;; +
          (then
            (call $subscribe (local.get $at) (local.get $len) (i32.const 0xc0))
            (br $called)))
        (if (i32.eq (local.get $letter) (i32.const 0x2d)) ;; -
          (then
            (call $unsubscribe (local.get $at) (local.get $len) (i32.const 0xc0))
            (br $called)))
        unreachable)
      (if (i32.load8_u (i32.const 0xc0))
        (then (call $answer (i32.load (i32.const 0xc4)) (i32.load (i32.const 0xc8))))))

    (func (export "init")
        (param $some i32) (param $state i32) (param $len i32)
        (param $id i32) (param $id_len i32) (result i32)
      (local $at i32) (local $end i32)
      (if (local.get $some)
        (then
          (local.set $at (local.get $state))
          (local.set $end (i32.add (local.get $state) (local.get $len)))
          (block $done
            (loop $next
              (br_if $done (i32.ge_u (local.get $state) (local.get $end)))
              (block $found
                (loop $look
                  (br_if $found (i32.eq (local.get $at) (local.get $end)))
                  (br_if $found (i32.eq (i32.load8_u (local.get $at)) (i32.const 0x0a)))
                  (local.set $at (i32.add (local.get $at) (i32.const 1)))
                  (br $look)))
              (call $spawn
                (local.get $state) (i32.sub (local.get $at) (local.get $state))
                (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0xc0))
              (local.set $at (i32.add (local.get $at) (i32.const 1)))
              (local.set $state (local.get $at))
              (br $next)))))
      (call $result (i32.const 0) (i32.const 0) (i32.const 0)))

    (func (export "handle-send")
        (param $some i32) (param $state i32) (param $len i32)
        (param $msg i32) (param $msg_len i32) (result i32)
      (call $command (local.get $msg) (local.get $msg_len))
      (call $result (local.get $some) (local.get $state) (local.get $len)))

    (func (export "handle-request")
        (param $some i32) (param $state i32) (param $len i32)
        (param $id i32) (param $id_len i32)
        (param $msg i32) (param $msg_len i32) (result i32)
      (call $command (local.get $msg) (local.get $msg_len))
      (if
        (i32.and
          (i32.eq (i32.load8_u (local.get $msg)) (i32.const 0x3f)) ;; ?
          (local.get $some))
        (then (call $answer (local.get $state) (local.get $len))))
      (i32.store (i32.const 0xa0) (i32.const 1))
      (i32.store (i32.const 0xa4) (i32.load (i32.const 0xb0)))
      (i32.store (i32.const 0xa8) (i32.load (i32.const 0xb4)))
      (call $result (local.get $some) (local.get $state) (local.get $len))))
  (core instance $boss (instantiate $Boss
    (with "libc" (instance $libc))
    (with "host" (instance
      (export "spawn" (func $spawn))
      (export "resume" (func $resume))
      (export "list" (func $list))
      (export "stop" (func $stop))
      (export "restart" (func $restart))
      (export "state" (func $state))
      (export "events" (func $events))
      (export "subscribe" (func $subscribe))
      (export "unsubscribe" (func $unsubscribe))))))

  (func $init
      (param "state" (option (list u8))) (param "params" (tuple string))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $boss "init")
      (memory $memory) (realloc $realloc) (post-return $reset)))
  (func $handle-send
      (param "state" (option (list u8))) (param "params" (tuple (list u8)))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $boss "handle-send")
      (memory $memory) (realloc $realloc) (post-return $reset)))
  (func $handle-request
      (param "state" (option (list u8))) (param "params" (tuple string (list u8)))
      (result (result
        (tuple (option (list u8)) (tuple (option (list u8))))
        (error string)))
    (canon lift (core func $boss "handle-request")
      (memory $memory) (realloc $realloc) (post-return $reset)))
  (func $child-error
      (param "state" (option (list u8))) (param "params" (tuple string $error))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $boss "child-error")
      (memory $memory) (realloc $realloc) (post-return $reset)))
  (func $child-exit
      (param "state" (option (list u8))) (param "params" (tuple string (option (list u8))))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $boss "child-exit")
      (memory $memory) (realloc $realloc) (post-return $reset)))
  (func $child-external-stop
      (param "state" (option (list u8))) (param "params" (tuple string))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $boss "child-external-stop")
      (memory $memory) (realloc $realloc) (post-return $reset)))
  (func $child-event
      (param "state" (option (list u8))) (param "params" (tuple string string (list u8)))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $boss "child-event")
      (memory $memory) (realloc $realloc) (post-return $reset)))

  (instance $actor (export "init" (func $init)))
  (instance $client
    (export "handle-send" (func $handle-send))
    (export "handle-request" (func $handle-request)))
  (instance $handlers
    (export "handle-child-error" (func $child-error))
    (export "handle-child-exit" (func $child-exit))
    (export "handle-child-external-stop" (func $child-external-stop))
    (export "handle-child-event" (func $child-event)))
  (export "theater:simple/actor" (instance $actor))
  (export "theater:simple/message-server-client" (instance $client))
  (export "theater:simple/supervisor-handlers" (instance $handlers)))
