;; An actor that calls a handler which an author has written: the tests have several.
;;
;; A message that begins with `post`, `look` or `bare` calls that function of test:outside/post with
;; it, any other one `put`. The state becomes the answer, or the error.
(component
  (import "test:outside/post" (instance $outside
    (export "post" (func (param "text" string) (result (result string (error string)))))
    (export "put" (func (param "text" string) (result (result string (error string)))))
    (export "look" (func (param "text" string) (result (result string (error string)))))
    (export "bare" (func (param "text" string) (result string)))))

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

  (core func $post
    (canon lower (func $outside "post") (memory $memory) (realloc $realloc)))
  (core func $put
    (canon lower (func $outside "put") (memory $memory) (realloc $realloc)))
  (core func $look
    (canon lower (func $outside "look") (memory $memory) (realloc $realloc)))
  (core func $bare
    (canon lower (func $outside "bare") (memory $memory) (realloc $realloc)))

  (core module $Outside
    (import "libc" "memory" (memory 1))
    (import "host" "post" (func $post (param $text i32) (param $len i32) (param $into i32)))
    (import "host" "put" (func $put (param $text i32) (param $len i32) (param $into i32)))
    (import "host" "look" (func $look (param $text i32) (param $len i32) (param $into i32)))
    (import "host" "bare" (func $bare (param $text i32) (param $len i32) (param $into i32)))

    ;; Ok of the state: result<tuple<option<list<u8>>>, string> has the case at +0 (0 is ok) and the
    ;; option at +4, +8, +12.
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
      (call $keep (local.get $some) (local.get $state) (local.get $state_len)))

    (func $handle-send (export "handle-send")
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $msg i32) (param $msg_len i32) (result i32)
      (local $name i32)
      (local.set $name (i32.load align=1 (local.get $msg)))
      (if (i32.eq (local.get $name) (i32.const 0x65726162)) ;; "bare"
        (then
          (call $bare (local.get $msg) (local.get $msg_len) (i32.const 0x10))
          (return
            (call $keep
              (i32.const 1) (i32.load (i32.const 0x10)) (i32.load (i32.const 0x14))))))
      (if (i32.eq (local.get $name) (i32.const 0x74736f70)) ;; "post"
        (then (call $post (local.get $msg) (local.get $msg_len) (i32.const 0x10)))
        (else
          (if (i32.eq (local.get $name) (i32.const 0x6b6f6f6c)) ;; "look"
            (then (call $look (local.get $msg) (local.get $msg_len) (i32.const 0x10)))
            (else (call $put (local.get $msg) (local.get $msg_len) (i32.const 0x10))))))
      ;; Both cases of the result are a string.
      (call $keep (i32.const 1) (i32.load (i32.const 0x14)) (i32.load (i32.const 0x18)))))

  (core instance $outside-actor (instantiate $Outside
    (with "libc" (instance $libc))
    (with "host" (instance
      (export "post" (func $post))
      (export "put" (func $put))
      (export "look" (func $look))
      (export "bare" (func $bare))))))

  (func $init
      (param "state" (option (list u8))) (param "params" (tuple string))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $outside-actor "init")
      (memory $memory) (realloc $realloc) (post-return $reset)))
  (func $handle-send
      (param "state" (option (list u8))) (param "params" (tuple (list u8)))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $outside-actor "handle-send")
      (memory $memory) (realloc $realloc) (post-return $reset)))

  (instance $actor (export "init" (func $init)))
  (instance $client (export "handle-send" (func $handle-send)))
  (export "theater:simple/actor" (instance $actor))
  (export "theater:simple/message-server-client" (instance $client)))
