;; The price list: a request names an item, the reply is its price.
;;
;; The state is the list itself, "apple 3 bread 4". A message "unicorn 90" is put in front of it. An
;; item that is not on the list makes this actor crash (`unreachable`): the one bug in the market,
;; left in on purpose. The asker gets an error, the supervisor starts the actor again with the same
;; list, and nobody else notices.
(component
  (import "theater:simple/runtime" (instance $runtime
    (export "log" (func (param "msg" string)))))

  ;; Memory, and where the host puts what it passes in: a bump allocator whose heap is emptied after
  ;; every call (`reset`, the post-return function).
  (core module $Libc
    (memory (export "memory") 1)
    (global $heap (mut i32) (i32.const 0x200))
    (func (export "reset") (param $result i32)
      (global.set $heap (i32.const 0x200)))
    (func (export "realloc")
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
  (core func $log (canon lower (func $runtime "log") (memory $memory)))

  (core module $Prices
    (import "libc" "memory" (memory 1))
    (import "libc" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
    (import "host" "log" (func $log (param $msg i32) (param $msg_len i32)))

    (data (i32.const 0x100) "the prices are: ") ;; 16 bytes
    (data (i32.const 0x110) "new price: ") ;; 11 bytes
    (data (i32.const 0x120) " ")

    ;; Two texts after one another, in new memory: (pointer, length).
    (func $join
        (param $a i32) (param $a_len i32) (param $b i32) (param $b_len i32) (result i32 i32)
      (local $ptr i32) (local $len i32)
      (local.set $len (i32.add (local.get $a_len) (local.get $b_len)))
      (local.set $ptr
        (call $realloc (i32.const 0) (i32.const 0) (i32.const 1) (local.get $len)))
      (memory.copy (local.get $ptr) (local.get $a) (local.get $a_len))
      (memory.copy
        (i32.add (local.get $ptr) (local.get $a_len)) (local.get $b) (local.get $b_len))
      (local.get $ptr)
      (local.get $len))

    ;; How long the word at the start of a text is: up to a space or the end.
    (func $word_length (param $text i32) (param $len i32) (result i32)
      (local $n i32)
      (block $done
        (loop $next
          (br_if $done (i32.ge_u (local.get $n) (local.get $len)))
          (br_if $done
            (i32.eq (i32.load8_u (i32.add (local.get $text) (local.get $n))) (i32.const 0x20)))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br $next)))
      (local.get $n))

    (func $same (param $a i32) (param $b i32) (param $len i32) (result i32)
      (local $n i32)
      (block $done
        (loop $next
          (br_if $done (i32.ge_u (local.get $n) (local.get $len)))
          (if (i32.ne
                (i32.load8_u (i32.add (local.get $a) (local.get $n)))
                (i32.load8_u (i32.add (local.get $b) (local.get $n))))
            (then (return (i32.const 0))))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br $next)))
      (i32.const 1))

    ;; Ok of this state, as the canonical ABI lays result<tuple<option<list<u8>>>, string> out: the
    ;; case at +0 (0 is ok), then the option: is there one, pointer, length.
    (func $ok (param $state i32) (param $state_len i32) (result i32)
      (i32.store (i32.const 0x20) (i32.const 0))
      (i32.store (i32.const 0x24) (i32.const 1))
      (i32.store (i32.const 0x28) (local.get $state))
      (i32.store (i32.const 0x2c) (local.get $state_len))
      (i32.const 0x20))

    ;; The same and a reply: the result of handle-request has a second option after the first.
    (func $ok_reply
        (param $state i32) (param $state_len i32) (param $reply i32) (param $reply_len i32)
        (result i32)
      (i32.store (i32.const 0x30) (i32.const 1))
      (i32.store (i32.const 0x34) (local.get $reply))
      (i32.store (i32.const 0x38) (local.get $reply_len))
      (call $ok (local.get $state) (local.get $state_len)))

    ;; The list is the initial state that the manifest gives.
    (func $init (export "init")
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $id i32) (param $id_len i32) (result i32)
      (call $log
        (call $join
          (i32.const 0x100) (i32.const 16) (local.get $state) (local.get $state_len)))
      (call $ok (local.get $state) (local.get $state_len)))

    (func $handle-send (export "handle-send")
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $msg i32) (param $msg_len i32) (result i32)
      (call $log
        (call $join (i32.const 0x110) (i32.const 11) (local.get $msg) (local.get $msg_len)))
      (call $join (local.get $msg) (local.get $msg_len) (i32.const 0x120) (i32.const 1))
      (call $join (local.get $state) (local.get $state_len))
      (call $ok))

    (func $handle-request (export "handle-request")
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $id i32) (param $id_len i32)
        (param $item i32) (param $item_len i32) (result i32)
      (local $at i32) (local $left i32) (local $word i32) (local $word_len i32) (local $step i32)
      (local.set $at (local.get $state))
      (local.set $left (local.get $state_len))
      (loop $next
        (if (i32.eqz (local.get $left))
          (then unreachable)) ;; not on the list: the bug
        ;; Cut off an item ...
        (local.set $word (local.get $at))
        (local.set $word_len (call $word_length (local.get $at) (local.get $left)))
        (local.set $step (call $step (local.get $word_len) (local.get $left)))
        (local.set $at (i32.add (local.get $at) (local.get $step)))
        (local.set $left (i32.sub (local.get $left) (local.get $step)))
        ;; ... and its price is the word after it.
        (local.set $step (call $word_length (local.get $at) (local.get $left)))
        (if (i32.eq (local.get $word_len) (local.get $item_len))
          (then
            (if (call $same (local.get $word) (local.get $item) (local.get $item_len))
              (then
                (return
                  (call $ok_reply
                    (local.get $state) (local.get $state_len)
                    (local.get $at) (local.get $step)))))))
        (local.set $step (call $step (local.get $step) (local.get $left)))
        (local.set $at (i32.add (local.get $at) (local.get $step)))
        (local.set $left (i32.sub (local.get $left) (local.get $step)))
        (br $next))
      unreachable)

    ;; From the start of a word to the start of the next: the word, and the space if there is one.
    (func $step (param $word_len i32) (param $left i32) (result i32)
      (i32.add (local.get $word_len) (i32.lt_u (local.get $word_len) (local.get $left)))))

  (core instance $prices (instantiate $Prices
    (with "libc" (instance $libc))
    (with "host" (instance (export "log" (func $log))))))

  (func $init
      (param "state" (option (list u8))) (param "params" (tuple string))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $prices "init")
      (memory $memory) (realloc $realloc) (post-return $reset)))
  (func $handle-send
      (param "state" (option (list u8))) (param "params" (tuple (list u8)))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $prices "handle-send")
      (memory $memory) (realloc $realloc) (post-return $reset)))
  (func $handle-request
      (param "state" (option (list u8))) (param "params" (tuple string (list u8)))
      (result (result
        (tuple (option (list u8)) (tuple (option (list u8))))
        (error string)))
    (canon lift (core func $prices "handle-request")
      (memory $memory) (realloc $realloc) (post-return $reset)))

  (instance $actor (export "init" (func $init)))
  (instance $client
    (export "handle-send" (func $handle-send))
    (export "handle-request" (func $handle-request)))
  (export "theater:simple/actor" (instance $actor))
  (export "theater:simple/message-server-client" (instance $client)))
