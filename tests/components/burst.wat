;; The cheapest sender: what a measurement starts with.
;;
;; A message "N TO BODY" sends BODY to TO, N times in one turn. A request "N TO BODY" asks TO for
;; BODY, N times one after the other in one turn, and is answered with the last answer. What is
;; refused is Err of the export. The state stays as it is.
(component
  (import "theater:simple/message-server-host" (instance $messages
    (export "send" (func (param "actor-id" string) (param "msg" (list u8))
      (result (result (error string)))))
    (export "request" (func (param "actor-id" string) (param "msg" (list u8))
      (result (result (list u8) (error string)))))))

  (core module $Libc
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

    ;; Where the heap ends now, and back to there: the loop forgets every answer but the last.
    (func $mark (export "mark") (result i32)
      (global.get $heap))
    (func $release (export "release") (param $mark i32)
      (global.set $heap (local.get $mark))))
  (core instance $libc (instantiate $Libc))
  (alias core export $libc "memory" (core memory $memory))
  (alias core export $libc "realloc" (core func $realloc))
  (alias core export $libc "reset" (core func $reset))

  (core func $send
    (canon lower (func $messages "send") (memory $memory) (realloc $realloc)))
  (core func $request
    (canon lower (func $messages "request") (memory $memory) (realloc $realloc)))

  (core module $Burst
    (import "libc" "memory" (memory 1))
    (import "libc" "mark" (func $mark (result i32)))
    (import "libc" "release" (func $release (param i32)))
    (type $call (func
      (param $to i32) (param $to_len i32) (param $msg i32) (param $msg_len i32) (param $into i32)))
    (import "host" "send" (func $send (type $call)))
    (import "host" "request" (func $request (type $call)))
    (table funcref (elem $send $request))

    ;; Ok of the state as it came: result<tuple<option<list<u8>>>, string> has the case at +0 (0 is
    ;; ok) and the option at +4, +8, +12.
    (func $keep (export "init")
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $id i32) (param $id_len i32) (result i32)
      (i32.store (i32.const 0x24) (local.get $some))
      (i32.store (i32.const 0x28) (local.get $state))
      (i32.store (i32.const 0x2c) (local.get $state_len))
      (i32.const 0x20))

    ;; Where the next space is. A message without two spaces runs out of memory and traps.
    (func $space (param $at i32) (result i32)
      (loop $next
        (if (i32.ne (i32.load8_u (local.get $at)) (i32.const 0x20))
          (then
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br $next))))
      (local.get $at))

    ;; Do what "N TO BODY" says with the function at this place of the table. Its last result is
    ;; left at 0x10: the case at +0, a list or string at +4, +8. True if that is an Err.
    (func $repeat (param $function i32) (param $text i32) (param $len i32) (result i32)
      (local $n i32) (local $at i32) (local $to i32) (local $to_len i32) (local $end i32)
      (local $mark i32)
      (local.set $end (i32.add (local.get $text) (local.get $len)))
      (local.set $at (call $space (local.get $text)))
      (local.set $to (i32.add (local.get $at) (i32.const 1)))
      (loop $digit
        (local.set $n
          (i32.add
            (i32.mul (local.get $n) (i32.const 10))
            (i32.sub (i32.load8_u (local.get $text)) (i32.const 0x30))))
        (local.set $text (i32.add (local.get $text) (i32.const 1)))
        (br_if $digit (i32.lt_u (local.get $text) (local.get $at))))
      (local.set $at (call $space (local.get $to)))
      (local.set $to_len (i32.sub (local.get $at) (local.get $to)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (local.set $mark (call $mark))
      (i64.store (i32.const 0x10) (i64.const 0))
      (i32.store (i32.const 0x18) (i32.const 0))
      (block $done
        (loop $next
          (br_if $done (i32.eqz (local.get $n)))
          (local.set $n (i32.sub (local.get $n) (i32.const 1)))
          (call $release (local.get $mark))
          (call_indirect (type $call)
            (local.get $to) (local.get $to_len)
            (local.get $at) (i32.sub (local.get $end) (local.get $at))
            (i32.const 0x10)
            (local.get $function))
          (br_if $next (i32.eqz (i32.load8_u (i32.const 0x10))))))
      (i32.load8_u (i32.const 0x10)))

    ;; Err of the text that is at 0x14, 0x18.
    (func $fail (result i32)
      (i32.store (i32.const 0x24) (i32.load (i32.const 0x14)))
      (i32.store (i32.const 0x28) (i32.load (i32.const 0x18)))
      (i32.const 0x20))

    (func $handle-send (export "handle-send")
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $msg i32) (param $msg_len i32) (result i32)
      (i32.store (i32.const 0x20)
        (call $repeat (i32.const 0) (local.get $msg) (local.get $msg_len)))
      (if (i32.load (i32.const 0x20)) (then (return (call $fail))))
      (call $keep
        (local.get $some) (local.get $state) (local.get $state_len)
        (local.get $msg) (local.get $msg_len)))

    ;; The reply is some of the last answer, at +16, +20, +24.
    (func $handle-request (export "handle-request")
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $id i32) (param $id_len i32)
        (param $msg i32) (param $msg_len i32) (result i32)
      (i32.store (i32.const 0x20)
        (call $repeat (i32.const 1) (local.get $msg) (local.get $msg_len)))
      (if (i32.load (i32.const 0x20)) (then (return (call $fail))))
      (i32.store (i32.const 0x30) (i32.const 1))
      (i32.store (i32.const 0x34) (i32.load (i32.const 0x14)))
      (i32.store (i32.const 0x38) (i32.load (i32.const 0x18)))
      (call $keep
        (local.get $some) (local.get $state) (local.get $state_len)
        (local.get $id) (local.get $id_len))))

  (core instance $burst (instantiate $Burst
    (with "libc" (instance $libc))
    (with "host" (instance
      (export "send" (func $send))
      (export "request" (func $request))))))

  (func $init
      (param "state" (option (list u8))) (param "params" (tuple string))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $burst "init")
      (memory $memory) (realloc $realloc) (post-return $reset)))
  (func $handle-send
      (param "state" (option (list u8))) (param "params" (tuple (list u8)))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $burst "handle-send")
      (memory $memory) (realloc $realloc) (post-return $reset)))
  (func $handle-request
      (param "state" (option (list u8))) (param "params" (tuple string (list u8)))
      (result (result
        (tuple (option (list u8)) (tuple (option (list u8))))
        (error string)))
    (canon lift (core func $burst "handle-request")
      (memory $memory) (realloc $realloc) (post-return $reset)))

  (instance $actor (export "init" (func $init)))
  (instance $client
    (export "handle-send" (func $handle-send))
    (export "handle-request" (func $handle-request)))
  (export "theater:simple/actor" (instance $actor))
  (export "theater:simple/message-server-client" (instance $client)))
