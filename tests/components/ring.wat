;; Passes on what it takes.
;;
;; The state is an address. A message is sent to there as it is, N times, where N is its first
;; character, a digit. What is refused is Err of the export. The state stays as it is. Two of these
;; with each other's address keep a message `1` going for ever; `2` doubles with every turn.
(component
  (import "theater:simple/message-server-host" (instance $messages
    (export "send" (func (param "actor-id" string) (param "msg" (list u8))
      (result (result (error string)))))))

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

  (core func $send
    (canon lower (func $messages "send") (memory $memory) (realloc $realloc)))

  (core module $Ring
    (import "libc" "memory" (memory 1))
    (import "host" "send" (func $send
      (param $to i32) (param $to_len i32) (param $msg i32) (param $msg_len i32) (param $into i32)))

    ;; Ok of the state as it came: result<tuple<option<list<u8>>>, string> has the case at +0 (0 is
    ;; ok) and the option at +4, +8, +12.
    (func $keep (export "init")
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $id i32) (param $id_len i32) (result i32)
      (i32.store (i32.const 0x24) (local.get $some))
      (i32.store (i32.const 0x28) (local.get $state))
      (i32.store (i32.const 0x2c) (local.get $state_len))
      (i32.const 0x20))

    ;; The result of a send is left at 0x10: the case at +0, a string at +4, +8.
    (func $handle-send (export "handle-send")
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $msg i32) (param $msg_len i32) (result i32)
      (local $n i32)
      (if (local.get $msg_len)
        (then (local.set $n (i32.sub (i32.load8_u (local.get $msg)) (i32.const 0x30)))))
      (block $done
        (loop $next
          (br_if $done (i32.le_s (local.get $n) (i32.const 0)))
          (local.set $n (i32.sub (local.get $n) (i32.const 1)))
          (call $send
            (local.get $state) (local.get $state_len)
            (local.get $msg) (local.get $msg_len)
            (i32.const 0x10))
          (br_if $next (i32.eqz (i32.load8_u (i32.const 0x10))))
          (i32.store (i32.const 0x20) (i32.const 1))
          (i32.store (i32.const 0x24) (i32.load (i32.const 0x14)))
          (i32.store (i32.const 0x28) (i32.load (i32.const 0x18)))
          (return (i32.const 0x20))))
      (i32.store (i32.const 0x20) (i32.const 0))
      (call $keep
        (local.get $some) (local.get $state) (local.get $state_len)
        (local.get $msg) (local.get $msg_len))))

  (core instance $ring (instantiate $Ring
    (with "libc" (instance $libc))
    (with "host" (instance (export "send" (func $send))))))

  (func $init
      (param "state" (option (list u8))) (param "params" (tuple string))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $ring "init")
      (memory $memory) (realloc $realloc) (post-return $reset)))
  (func $handle-send
      (param "state" (option (list u8))) (param "params" (tuple (list u8)))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $ring "handle-send")
      (memory $memory) (realloc $realloc) (post-return $reset)))

  (instance $actor (export "init" (func $init)))
  (instance $client (export "handle-send" (func $handle-send)))
  (export "theater:simple/actor" (instance $actor))
  (export "theater:simple/message-server-client" (instance $client)))
