;; An actor that remembers in its own memory what is not in its state, and does other things for it:
;; what a program must not do if its turns are to be carried on by a fresh instance.
;;
;; After `init`, in the same instance, a message TO logs `warm` and asks TO to `echo x`. In an
;; instance that has not run `init` it only asks.
(component
  (import "theater:simple/runtime" (instance $runtime
    (export "log" (func (param "msg" string)))))
  (import "theater:simple/message-server-host" (instance $messages
    (export "request" (func (param "actor-id" string) (param "msg" (list u8))
      (result (result (list u8) (error string)))))))

  (core module $Libc
    ;; A bump allocator whose heap is emptied after every call (the post-return function).
    (memory (export "memory") 1)
    (data (i32.const 0x40) "warmecho x")
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

  (core func $log
    (canon lower (func $runtime "log") (memory $memory) (realloc $realloc)))
  (core func $request
    (canon lower (func $messages "request") (memory $memory) (realloc $realloc)))

  (core module $Fickle
    (import "libc" "memory" (memory 1))
    (import "host" "log" (func $log (param $text i32) (param $len i32)))
    (import "host" "request" (func $request
      (param $to i32) (param $to_len i32) (param $msg i32) (param $msg_len i32) (param $into i32)))
    (global $warm (mut i32) (i32.const 0))

    ;; Ok of the state as it came: result<tuple<option<list<u8>>>, string> has the case at +0 (0 is
    ;; ok) and the option at +4, +8, +12.
    (func $keep
        (param $some i32) (param $state i32) (param $state_len i32) (result i32)
      (i32.store (i32.const 0x20) (i32.const 0))
      (i32.store (i32.const 0x24) (local.get $some))
      (i32.store (i32.const 0x28) (local.get $state))
      (i32.store (i32.const 0x2c) (local.get $state_len))
      (i32.const 0x20))

    (func $init (export "init")
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $id i32) (param $id_len i32) (result i32)
      (global.set $warm (i32.const 1))
      (call $keep (local.get $some) (local.get $state) (local.get $state_len)))

    (func $handle-send (export "handle-send")
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $msg i32) (param $msg_len i32) (result i32)
      (if (global.get $warm) (then (call $log (i32.const 0x40) (i32.const 4))))
      (call $request
        (local.get $msg) (local.get $msg_len) (i32.const 0x44) (i32.const 6) (i32.const 0x10))
      (call $keep (local.get $some) (local.get $state) (local.get $state_len))))

  (core instance $fickle (instantiate $Fickle
    (with "libc" (instance $libc))
    (with "host" (instance
      (export "log" (func $log))
      (export "request" (func $request))))))

  (func $init
      (param "state" (option (list u8))) (param "params" (tuple string))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $fickle "init")
      (memory $memory) (realloc $realloc) (post-return $reset)))
  (func $handle-send
      (param "state" (option (list u8))) (param "params" (tuple (list u8)))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $fickle "handle-send")
      (memory $memory) (realloc $realloc) (post-return $reset)))

  (instance $actor (export "init" (func $init)))
  (instance $client (export "handle-send" (func $handle-send)))
  (export "theater:simple/actor" (instance $actor))
  (export "theater:simple/message-server-client" (instance $client)))
