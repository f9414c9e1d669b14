;; An actor that counts greetings, and still knows how many there were after a crash.
;;
;; It is a component in the text form of WebAssembly, compiled as it is. The state is the number of
;; greetings in decimal digits. A message is a greeting; so is a request, which is answered with the
;; number. It exports what it has: channels are refused, since nothing here takes them.
;;
;; Shape of the file: what is imported; the memory; the program, a core module; then the wiring of
;; the program's functions to those of the component, by the canonical ABI.
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

  (core module $Program
    (import "libc" "memory" (memory 1))
    (import "libc" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
    (import "host" "log" (func $log (param $msg i32) (param $msg_len i32)))

    (data (i32.const 0x100) "hello, ") ;; 7 bytes

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

    ;; The number at the start of a text; 0 where there is none.
    (func $number (param $text i32) (param $len i32) (result i64)
      (local $end i32) (local $digit i32) (local $value i64)
      (local.set $end (i32.add (local.get $text) (local.get $len)))
      (block $done
        (loop $next
          (br_if $done (i32.ge_u (local.get $text) (local.get $end)))
          (local.set $digit (i32.sub (i32.load8_u (local.get $text)) (i32.const 0x30)))
          (br_if $done (i32.gt_u (local.get $digit) (i32.const 9)))
          (local.set $value
            (i64.add
              (i64.mul (local.get $value) (i64.const 10))
              (i64.extend_i32_u (local.get $digit))))
          (local.set $text (i32.add (local.get $text) (i32.const 1)))
          (br $next)))
      (local.get $value))

    ;; A number in digits: (pointer, length).
    (func $decimal (param $value i64) (result i32 i32)
      (local $ptr i32) (local $end i32)
      (local.set $end
        (i32.add
          (call $realloc (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 20))
          (i32.const 20)))
      (local.set $ptr (local.get $end))
      (loop $next
        (local.set $ptr (i32.sub (local.get $ptr) (i32.const 1)))
        (i32.store8 (local.get $ptr)
          (i32.add
            (i32.wrap_i64 (i64.rem_u (local.get $value) (i64.const 10)))
            (i32.const 0x30)))
        (local.set $value (i64.div_u (local.get $value) (i64.const 10)))
        (br_if $next (i64.ne (local.get $value) (i64.const 0))))
      (local.get $ptr)
      (i32.sub (local.get $end) (local.get $ptr)))

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

    ;; Called once, before anything else. Each function is given the state and returns the new one.
    (func $init (export "init")
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $id i32) (param $id_len i32) (result i32)
      (call $ok
        (call $decimal
          (call $number
            (local.get $state)
            (select (local.get $state_len) (i32.const 0) (local.get $some))))))

    ;; Say "hello, ann", and count it: the new state, (pointer, length).
    (func $greet
        (param $state i32) (param $state_len i32) (param $msg i32) (param $msg_len i32)
        (result i32 i32)
      (call $log
        (call $join (i32.const 0x100) (i32.const 7) (local.get $msg) (local.get $msg_len)))
      (call $decimal
        (i64.add
          (call $number (local.get $state) (local.get $state_len))
          (i64.const 1))))

    ;; A message.
    (func $handle-send (export "handle-send")
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $msg i32) (param $msg_len i32) (result i32)
      (call $ok
        (call $greet
          (local.get $state) (local.get $state_len) (local.get $msg) (local.get $msg_len))))

    ;; A request: answered with the number, which is the state.
    (func $handle-request (export "handle-request")
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $id i32) (param $id_len i32)
        (param $msg i32) (param $msg_len i32) (result i32)
      (call $greet
        (local.get $state) (local.get $state_len) (local.get $msg) (local.get $msg_len))
      (local.set $state_len)
      (local.set $state)
      (call $ok_reply
        (local.get $state) (local.get $state_len)
        (local.get $state) (local.get $state_len))))

  (core instance $program (instantiate $Program
    (with "libc" (instance $libc))
    (with "host" (instance (export "log" (func $log))))))

  (func $init
      (param "state" (option (list u8))) (param "params" (tuple string))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $program "init")
      (memory $memory) (realloc $realloc) (post-return $reset)))
  (func $handle-send
      (param "state" (option (list u8))) (param "params" (tuple (list u8)))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $program "handle-send")
      (memory $memory) (realloc $realloc) (post-return $reset)))
  (func $handle-request
      (param "state" (option (list u8))) (param "params" (tuple string (list u8)))
      (result (result
        (tuple (option (list u8)) (tuple (option (list u8))))
        (error string)))
    (canon lift (core func $program "handle-request")
      (memory $memory) (realloc $realloc) (post-return $reset)))

  (instance $actor (export "init" (func $init)))
  (instance $client
    (export "handle-send" (func $handle-send))
    (export "handle-request" (func $handle-request)))
  (export "theater:simple/actor" (instance $actor))
  (export "theater:simple/message-server-client" (instance $client)))
