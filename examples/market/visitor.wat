;; A visitor: orders the first item of a shopping list; when an answer comes, thinks for a while and
;; orders the next.
;;
;; The state is the list, "apple bread unicorn"; what was ordered goes to its end, so the visitor
;; never leaves. There is always one order, or one answer to it, on its way: were a single message
;; ever lost, the visitor would wait for ever.
(component
  (import "theater:simple/runtime" (instance $runtime
    (export "log" (func (param "msg" string)))
    (export "self" (func (result string)))))
  (import "theater:simple/message-server-host" (instance $messages
    (export "send" (func (param "actor-id" string) (param "msg" (list u8))
      (result (result (error string)))))))
  ;; A clock needs no grant, but what it says is recorded like everything else.
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable (type $pollable'))
    (export "pollable" (type $pollable (eq $pollable')))
    (export "subscribe-duration" (func (param "when" u64) (result (own $pollable))))))

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
  (core func $self
    (canon lower (func $runtime "self") (memory $memory) (realloc $realloc)))
  (core func $send
    (canon lower (func $messages "send") (memory $memory) (realloc $realloc)))
  (core func $subscribe-duration (canon lower (func $clock "subscribe-duration")))
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core func $drop (canon resource.drop $pollable))

  (core module $Visitor
    (import "libc" "memory" (memory 1))
    (import "libc" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
    (import "host" "log" (func $log (param $msg i32) (param $msg_len i32)))
    ;; A result that does not fit in one i32 goes where the last parameter points.
    (import "host" "self" (func $self (param $into i32)))
    (import "host" "send" (func $send
      (param $to i32) (param $to_len i32) (param $msg i32) (param $msg_len i32) (param $into i32)))

    (import "host" "subscribe-duration" (func $subscribe-duration (param $ns i64) (result i32)))
    (import "host" "block" (func $block (param $pollable i32)))
    (import "host" "drop" (func $drop (param $pollable i32)))

    (data (i32.const 0x100) "shop/clerk") ;; 10 bytes
    (data (i32.const 0x110) " ")
    (data (i32.const 0x120) "good morning") ;; 12 bytes

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

    ;; Ok of this state, as the canonical ABI lays result<tuple<option<list<u8>>>, string> out: the
    ;; case at +0 (0 is ok), then the option: is there one, pointer, length.
    (func $ok (param $state i32) (param $state_len i32) (result i32)
      (i32.store (i32.const 0x20) (i32.const 0))
      (i32.store (i32.const 0x24) (i32.const 1))
      (i32.store (i32.const 0x28) (local.get $state))
      (i32.store (i32.const 0x2c) (local.get $state_len))
      (i32.const 0x20))

    ;; Send "MY-ADDRESS ITEM" to the clerk; the new state is the list with that item at its end.
    (func $order (param $list i32) (param $list_len i32) (result i32)
      (local $item_len i32) (local $rest i32)
      (local.set $item_len (call $word_length (local.get $list) (local.get $list_len)))

      (i32.const 0x100) ;; to
      (i32.const 10)
      (call $self (i32.const 0x10))
      (call $join
        (i32.load (i32.const 0x10)) (i32.load (i32.const 0x14)) (i32.const 0x110) (i32.const 1))
      (call $join (local.get $list) (local.get $item_len)) ;; msg
      (call $send (i32.const 0x10))
      ;; An Err means that this send can never be: not permitted, too large. Nothing to do then.
      (if (i32.load8_u (i32.const 0x10))
        (then (call $log (i32.load (i32.const 0x14)) (i32.load (i32.const 0x18)))))

      (if (i32.eq (local.get $item_len) (local.get $list_len)) ;; a list of one, or of none
        (then (return (call $ok (local.get $list) (local.get $list_len)))))
      (local.set $rest (i32.add (local.get $item_len) (i32.const 1)))
      (call $join
        (i32.add (local.get $list) (local.get $rest))
        (i32.sub (local.get $list_len) (local.get $rest))
        (i32.const 0x110) (i32.const 1))
      (call $join (local.get $list) (local.get $item_len))
      (call $ok))

    (func $init (export "init")
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $id i32) (param $id_len i32) (result i32)
      (call $log (i32.const 0x120) (i32.const 12))
      (call $order (local.get $state) (local.get $state_len)))

    (func $handle-send (export "handle-send")
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $msg i32) (param $msg_len i32) (result i32)
      (local $pollable i32)
      (call $log (local.get $msg) (local.get $msg_len))
      (local.set $pollable (call $subscribe-duration (i64.const 1_500_000_000))) ;; ns
      (call $block (local.get $pollable))
      (call $drop (local.get $pollable))
      (call $order (local.get $state) (local.get $state_len))))

  (core instance $visitor (instantiate $Visitor
    (with "libc" (instance $libc))
    (with "host" (instance
      (export "log" (func $log))
      (export "self" (func $self))
      (export "send" (func $send))
      (export "subscribe-duration" (func $subscribe-duration))
      (export "block" (func $block))
      (export "drop" (func $drop))))))

  (func $init
      (param "state" (option (list u8))) (param "params" (tuple string))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $visitor "init")
      (memory $memory) (realloc $realloc) (post-return $reset)))
  (func $handle-send
      (param "state" (option (list u8))) (param "params" (tuple (list u8)))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $visitor "handle-send")
      (memory $memory) (realloc $realloc) (post-return $reset)))

  (instance $actor (export "init" (func $init)))
  (instance $client
    (export "handle-send" (func $handle-send)))
  (export "theater:simple/actor" (instance $actor))
  (export "theater:simple/message-server-client" (instance $client)))
