;; An actor with timers.
;;
;; A message is one or more lines, each a command: `i MS NAME` sets an interval, `t MS NAME` a
;; timeout, `c NAME` clears, `n` asks what time it is, `r TO` asks TO to `echo on`, `x` traps. They run
;; in order; what is answered with an error ends them. A request does the same, and is answered with
;; the error, else with the time if that was asked for, else with the state. A message that is
;; answered with an error is an Err.
;;
;; A tick appends the name of its timer and a comma to the state. Of a timer whose name begins with
;; `trap` it traps, with `spin` it never ends, with `ask ` it asks the rest of the name first.
(component
  (import "theater:simple/timer" (instance $timer
    (export "set-interval" (func (param "name" string) (param "interval-ms" u64)
      (result (result string (error string)))))
    (export "clear-interval" (func (param "name" string) (result (result (error string)))))
    (export "set-timeout" (func (param "name" string) (param "delay-ms" u64)
      (result (result string (error string)))))
    (export "now" (func (result u64)))))
  (import "theater:simple/message-server-host" (instance $messages
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
      (local.get $ptr)))
  (core instance $libc (instantiate $Libc))
  (alias core export $libc "memory" (core memory $memory))
  (alias core export $libc "realloc" (core func $realloc))
  (alias core export $libc "reset" (core func $reset))

  (core func $set-interval
    (canon lower (func $timer "set-interval") (memory $memory) (realloc $realloc)))
  (core func $clear-interval
    (canon lower (func $timer "clear-interval") (memory $memory) (realloc $realloc)))
  (core func $set-timeout
    (canon lower (func $timer "set-timeout") (memory $memory) (realloc $realloc)))
  (core func $now (canon lower (func $timer "now")))
  (core func $request
    (canon lower (func $messages "request") (memory $memory) (realloc $realloc)))

  (core module $Clock
    (import "libc" "memory" (memory 1))
    (import "libc" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
    (import "host" "set-interval" (func $set-interval
      (param $name i32) (param $name_len i32) (param $ms i64) (param $into i32)))
    (import "host" "clear-interval" (func $clear-interval
      (param $name i32) (param $name_len i32) (param $into i32)))
    (import "host" "set-timeout" (func $set-timeout
      (param $name i32) (param $name_len i32) (param $ms i64) (param $into i32)))
    (import "host" "now" (func $now (result i64)))
    (import "host" "request" (func $request
      (param $to i32) (param $to_len i32) (param $msg i32) (param $msg_len i32) (param $into i32)))

    ;; What is read, and what the last word in it was.
    (global $at (mut i32) (i32.const 0))
    (global $end (mut i32) (i32.const 0))
    (global $word (mut i32) (i32.const 0))
    (global $word_len (mut i32) (i32.const 0))
    ;; What a request is answered with, unless it is the state.
    (global $answer (mut i32) (i32.const 0))
    (global $answer_len (mut i32) (i32.const 0))

    (data (i32.const 0x40) "echo on")

    ;; Ok of a state: result<tuple<option<list<u8>>>, string> has the case at +0 (0 is ok) and the
    ;; option at +4, +8, +12.
    (func $keep (export "init")
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $id i32) (param $id_len i32) (result i32)
      (i32.store (i32.const 0x20) (i32.const 0))
      (i32.store (i32.const 0x24) (local.get $some))
      (i32.store (i32.const 0x28) (local.get $state))
      (i32.store (i32.const 0x2c) (local.get $state_len))
      (i32.const 0x20))

    ;; Digits, and what ends them.
    (func $number (result i64)
      (local $n i64) (local $digit i32)
      (block $done
        (loop $next
          (br_if $done (i32.ge_u (global.get $at) (global.get $end)))
          (local.set $digit
            (i32.sub (i32.load8_u (global.get $at)) (i32.const 0x30)))
          (global.set $at (i32.add (global.get $at) (i32.const 1)))
          (br_if $done (i32.gt_u (local.get $digit) (i32.const 9)))
          (local.set $n
            (i64.add
              (i64.mul (local.get $n) (i64.const 10))
              (i64.extend_i32_u (local.get $digit))))
          (br $next)))
      (local.get $n))

    ;; The rest of the line.
    (func $line
      (global.set $word (global.get $at))
      (block $done
        (loop $next
          (br_if $done (i32.ge_u (global.get $at) (global.get $end)))
          (br_if $done (i32.eq (i32.load8_u (global.get $at)) (i32.const 0x0a)))
          (global.set $at (i32.add (global.get $at) (i32.const 1)))
          (br $next)))
      (global.set $word_len (i32.sub (global.get $at) (global.get $word)))
      (global.set $at (i32.add (global.get $at) (i32.const 1))))

    ;; A number in decimal digits becomes the answer.
    (func $tell (param $n i64)
      (local $to i32) (local $last i32)
      (local.set $last
        (i32.add
          (call $realloc (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 20))
          (i32.const 20)))
      (local.set $to (local.get $last))
      (loop $next
        (local.set $to (i32.sub (local.get $to) (i32.const 1)))
        (i32.store8 (local.get $to)
          (i32.add
            (i32.wrap_i64 (i64.rem_u (local.get $n) (i64.const 10)))
            (i32.const 0x30)))
        (local.set $n (i64.div_u (local.get $n) (i64.const 10)))
        (br_if $next (i64.ne (local.get $n) (i64.const 0))))
      (global.set $answer (local.get $to))
      (global.set $answer_len (i32.sub (local.get $last) (local.get $to))))

    (func $ask (param $to i32) (param $to_len i32)
      (call $request
        (local.get $to) (local.get $to_len) (i32.const 0x40) (i32.const 7) (i32.const 0x10)))

    ;; One command. What it was answered is left at 0x10: the case at +0, a string at +4, +8.
    (func $command (param $what i32)
      (local $ms i64)
      (i32.store (i32.const 0x10) (i32.const 0))
      (if (i32.eq (local.get $what) (i32.const 0x69)) ;; "i"
        (then
          (local.set $ms (call $number))
          (call $line)
          (call $set-interval
            (global.get $word) (global.get $word_len) (local.get $ms) (i32.const 0x10))
          (return)))
      (if (i32.eq (local.get $what) (i32.const 0x74)) ;; "t"
        (then
          (local.set $ms (call $number))
          (call $line)
          (call $set-timeout
            (global.get $word) (global.get $word_len) (local.get $ms) (i32.const 0x10))
          (return)))
      (call $line)
      (if (i32.eq (local.get $what) (i32.const 0x63)) ;; "c"
        (then
          (call $clear-interval (global.get $word) (global.get $word_len) (i32.const 0x10))
          (return)))
      (if (i32.eq (local.get $what) (i32.const 0x6e)) ;; "n"
        (then (call $tell (call $now)) (return)))
      (if (i32.eq (local.get $what) (i32.const 0x72)) ;; "r"
        (then (call $ask (global.get $word) (global.get $word_len)) (return)))
      (if (i32.eq (local.get $what) (i32.const 0x78)) ;; "x"
        (then unreachable)))

    ;; All of them; 1: the last one was answered with an error, which is the answer.
    (func $run (param $msg i32) (param $msg_len i32) (result i32)
      (local $what i32)
      (global.set $answer (i32.const 0))
      (global.set $at (local.get $msg))
      (global.set $end (i32.add (local.get $msg) (local.get $msg_len)))
      (block $done
        (loop $next
          (br_if $done (i32.ge_u (global.get $at) (global.get $end)))
          (local.set $what (i32.load8_u (global.get $at)))
          (global.set $at (i32.add (global.get $at) (i32.const 2)))
          (call $command (local.get $what))
          (br_if $next (i32.eqz (i32.load8_u (i32.const 0x10))))
          (global.set $answer (i32.load (i32.const 0x14)))
          (global.set $answer_len (i32.load (i32.const 0x18)))
          (return (i32.const 1))))
      (i32.const 0))

    (func $handle-send (export "handle-send")
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $msg i32) (param $msg_len i32) (result i32)
      (local $result i32)
      (if (call $run (local.get $msg) (local.get $msg_len))
        (then
          (i32.store (i32.const 0x20) (i32.const 1))
          (i32.store (i32.const 0x24) (global.get $answer))
          (i32.store (i32.const 0x28) (global.get $answer_len))
          (return (i32.const 0x20))))
      (call $keep
        (local.get $some) (local.get $state) (local.get $state_len)
        (i32.const 0) (i32.const 0)))

    ;; The reply is at +16, +20, +24.
    (func $handle-request (export "handle-request")
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $id i32) (param $id_len i32)
        (param $msg i32) (param $msg_len i32) (result i32)
      (drop (call $run (local.get $msg) (local.get $msg_len)))
      (if (i32.eqz (global.get $answer))
        (then
          (global.set $answer (local.get $state))
          (global.set $answer_len
            (select (local.get $state_len) (i32.const 0) (local.get $some)))))
      (i32.store (i32.const 0x30) (i32.const 1))
      (i32.store (i32.const 0x34) (global.get $answer))
      (i32.store (i32.const 0x38) (global.get $answer_len))
      (call $keep
        (local.get $some) (local.get $state) (local.get $state_len)
        (i32.const 0) (i32.const 0)))

    (func $begins-with (param $name i32) (param $name_len i32) (param $word i32) (result i32)
      (if (i32.lt_u (local.get $name_len) (i32.const 4)) (then (return (i32.const 0))))
      (i32.eq (i32.load align=1 (local.get $name)) (local.get $word)))

    (func $handle-tick (export "handle-tick")
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $name i32) (param $name_len i32) (result i32)
      (local $longer i32)
      (if (call $begins-with
            (local.get $name) (local.get $name_len) (i32.const 0x70617274)) ;; "trap"
        (then unreachable))
      (if (call $begins-with
            (local.get $name) (local.get $name_len) (i32.const 0x6e697073)) ;; "spin"
        (then (loop $ever (br $ever))))
      (if (call $begins-with
            (local.get $name) (local.get $name_len) (i32.const 0x206b7361)) ;; "ask "
        (then
          (call $ask
            (i32.add (local.get $name) (i32.const 4))
            (i32.sub (local.get $name_len) (i32.const 4)))))
      (if (i32.eqz (local.get $some)) (then (local.set $state_len (i32.const 0))))
      (local.set $longer
        (call $realloc
          (i32.const 0) (i32.const 0) (i32.const 1)
          (i32.add (i32.add (local.get $state_len) (local.get $name_len)) (i32.const 1))))
      (memory.copy (local.get $longer) (local.get $state) (local.get $state_len))
      (memory.copy
        (i32.add (local.get $longer) (local.get $state_len))
        (local.get $name) (local.get $name_len))
      (local.set $state_len (i32.add (local.get $state_len) (local.get $name_len)))
      (i32.store8 (i32.add (local.get $longer) (local.get $state_len)) (i32.const 0x2c)) ;; ","
      (call $keep
        (i32.const 1) (local.get $longer)
        (i32.add (local.get $state_len) (i32.const 1))
        (i32.const 0) (i32.const 0))))

  (core instance $clock (instantiate $Clock
    (with "libc" (instance $libc))
    (with "host" (instance
      (export "set-interval" (func $set-interval))
      (export "clear-interval" (func $clear-interval))
      (export "set-timeout" (func $set-timeout))
      (export "now" (func $now))
      (export "request" (func $request))))))

  (func $init
      (param "state" (option (list u8))) (param "params" (tuple string))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $clock "init")
      (memory $memory) (realloc $realloc) (post-return $reset)))
  (func $handle-send
      (param "state" (option (list u8))) (param "params" (tuple (list u8)))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $clock "handle-send")
      (memory $memory) (realloc $realloc) (post-return $reset)))
  (func $handle-request
      (param "state" (option (list u8))) (param "params" (tuple string (list u8)))
      (result (result
        (tuple (option (list u8)) (tuple (option (list u8))))
        (error string)))
    (canon lift (core func $clock "handle-request")
      (memory $memory) (realloc $realloc) (post-return $reset)))
  (func $handle-tick
      (param "state" (option (list u8))) (param "params" (tuple string))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $clock "handle-tick")
      (memory $memory) (realloc $realloc) (post-return $reset)))

  (instance $actor (export "init" (func $init)))
  (instance $client
    (export "handle-send" (func $handle-send))
    (export "handle-request" (func $handle-request)))
  (instance $timer-client (export "handle-tick" (func $handle-tick)))
  (export "theater:simple/actor" (instance $actor))
  (export "theater:simple/message-server-client" (instance $client))
  (export "theater:simple/timer-client" (instance $timer-client)))
