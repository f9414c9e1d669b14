;; The actor the tests talk to: a message is a small script, and the actor does what it says.
;;
;; A message is one or more lines, each a command; they run in order, in one turn. The commands are
;; listed in README.md beside this file, and each is one `if` in $command below. What the last
;; command answers is the reply to a request. An initial state "init-COMMAND" is run as a script
;; in `init`, e.g. "init-trap".
;;
;; Shape of the file: imports; a core module with the memory and a bump allocator; the program;
;; then the wiring by the canonical ABI, whose flattened signatures are noted where they are used.
(component
  (import "theater:simple/types" (instance $types
    (type $event' (record
      (field "hash" (list u8))
      (field "parent-hash" (option (list u8)))
      (field "event-type" string)
      (field "data" (list u8))))
    (export "chain-event" (type $event (eq $event')))
    (type $chain' (record (field "events" (list $event))))
    (export "chain" (type (eq $chain')))
    (type $accept' (record (field "accepted" bool) (field "message" (option (list u8)))))
    (export "channel-accept" (type (eq $accept')))))
  (alias export $types "chain" (type $chain))
  (alias export $types "channel-accept" (type $accept))

  (import "theater:simple/runtime" (instance $runtime
    (alias outer 1 $chain (type $chain'))
    (export "chain" (type $chain (eq $chain')))
    (export "log" (func (param "msg" string)))
    (export "self" (func (result string)))
    (export "get-chain" (func (result $chain)))
    (export "shutdown" (func (param "data" (option (list u8))) (result (result (error string)))))))

  (import "theater:simple/message-server-host" (instance $messages
    (export "register" (func (result (result (error string)))))
    (export "send" (func (param "actor-id" string) (param "msg" (list u8))
      (result (result (error string)))))
    (export "request" (func (param "actor-id" string) (param "msg" (list u8))
      (result (result (list u8) (error string)))))
    (export "list-outstanding-requests" (func (result (list string))))
    (export "respond-to-request" (func (param "request-id" string) (param "response" (list u8))
      (result (result (error string)))))
    (export "cancel-request" (func (param "request-id" string)
      (result (result (error string)))))
    (export "open-channel" (func (param "actor-id" string) (param "initial-msg" (list u8))
      (result (result string (error string)))))
    (export "send-on-channel" (func (param "channel-id" string) (param "msg" (list u8))
      (result (result (error string)))))
    (export "close-channel" (func (param "channel-id" string)
      (result (result (error string)))))))

  ;; Memory: constants below 0x1000, scratch below 0x1100, then a heap that is emptied after every
  ;; call (the post-return function), so that a million calls need no more memory than one.
  (core module $Libc
    (memory (export "memory") 1)
    (global $heap (mut i32) (i32.const 0x1100))

    (func $reset (export "reset") (param $result i32)
      (global.set $heap (i32.const 0x1100)))

    ;; Where the heap ends now, and back to there: what a loop uses to forget its garbage.
    (func $mark (export "mark") (result i32)
      (global.get $heap))
    (func $release (export "release") (param $mark i32)
      (global.set $heap (local.get $mark)))

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

  (core func $log (canon lower (func $runtime "log") (memory $memory)))
  (core func $self
    (canon lower (func $runtime "self") (memory $memory) (realloc $realloc)))
  (core func $get-chain
    (canon lower (func $runtime "get-chain") (memory $memory) (realloc $realloc)))
  (core func $shutdown
    (canon lower (func $runtime "shutdown") (memory $memory) (realloc $realloc)))
  (core func $register
    (canon lower (func $messages "register") (memory $memory) (realloc $realloc)))
  (core func $send
    (canon lower (func $messages "send") (memory $memory) (realloc $realloc)))
  (core func $request
    (canon lower (func $messages "request") (memory $memory) (realloc $realloc)))
  (core func $outstanding
    (canon lower (func $messages "list-outstanding-requests") (memory $memory) (realloc $realloc)))
  (core func $respond
    (canon lower (func $messages "respond-to-request") (memory $memory) (realloc $realloc)))
  (core func $cancel
    (canon lower (func $messages "cancel-request") (memory $memory) (realloc $realloc)))
  (core func $open
    (canon lower (func $messages "open-channel") (memory $memory) (realloc $realloc)))
  (core func $say
    (canon lower (func $messages "send-on-channel") (memory $memory) (realloc $realloc)))
  (core func $close
    (canon lower (func $messages "close-channel") (memory $memory) (realloc $realloc)))

  (core module $Probe
    (import "libc" "memory" (memory 1))
    (import "libc" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
    (import "libc" "mark" (func $mark (result i32)))
    (import "libc" "release" (func $release (param i32)))
    ;; A result that does not fit in one i32 goes where the last parameter points.
    (import "host" "log" (func $log (param $msg i32) (param $msg_len i32)))
    (import "host" "self" (func $self (param $into i32)))
    (import "host" "get-chain" (func $get-chain (param $into i32)))
    (import "host" "shutdown" (func $shutdown
      (param $some i32) (param $data i32) (param $data_len i32) (param $into i32)))
    (import "host" "register" (func $register (param $into i32)))
    (import "host" "send" (func $send
      (param $to i32) (param $to_len i32) (param $msg i32) (param $msg_len i32) (param $into i32)))
    (import "host" "request" (func $request
      (param $to i32) (param $to_len i32) (param $msg i32) (param $msg_len i32) (param $into i32)))
    (import "host" "outstanding" (func $outstanding (param $into i32)))
    (import "host" "respond" (func $respond
      (param $id i32) (param $id_len i32) (param $msg i32) (param $msg_len i32) (param $into i32)))
    (import "host" "cancel" (func $cancel
      (param $id i32) (param $id_len i32) (param $into i32)))
    (import "host" "open" (func $open
      (param $to i32) (param $to_len i32) (param $msg i32) (param $msg_len i32) (param $into i32)))
    (import "host" "say" (func $say
      (param $id i32) (param $id_len i32) (param $msg i32) (param $msg_len i32) (param $into i32)))
    (import "host" "close" (func $close
      (param $id i32) (param $id_len i32) (param $into i32)))

    ;; The state of the actor during a call: an option<list<u8>>.
    (global $state_some (mut i32) (i32.const 0))
    (global $state (mut i32) (i32.const 0))
    (global $state_len (mut i32) (i32.const 0))
    ;; The request or the channel that the call is about; is the channel accepted?
    (global $name (mut i32) (i32.const 0))
    (global $name_len (mut i32) (i32.const 0))
    (global $accepted (mut i32) (i32.const 0))
    ;; What the call answers: an option<list<u8>> again, or the text of an Err.
    (global $failed (mut i32) (i32.const 0))
    (global $answer_some (mut i32) (i32.const 0))
    (global $answer (mut i32) (i32.const 0))
    (global $answer_len (mut i32) (i32.const 0))
    ;; What $cut has cut: a word, and the rest of the text after one space.
    (global $word (mut i32) (i32.const 0))
    (global $word_len (mut i32) (i32.const 0))
    (global $rest (mut i32) (i32.const 0))
    (global $rest_len (mut i32) (i32.const 0))

    ;; Scratch. HOST = 0x1000: what a host function returns; RESULT = 0x1020: what an export does.

    ;; ---- text ----

    (func $alloc (param $size i32) (result i32)
      (call $realloc (i32.const 0) (i32.const 0) (i32.const 1) (local.get $size)))

    ;; The length of a constant: they end with a zero byte.
    (func $length (param $constant i32) (result i32)
      (local $n i32)
      (loop $next
        (if (i32.load8_u (i32.add (local.get $constant) (local.get $n)))
          (then
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br $next))))
      (local.get $n))

    ;; Where the byte is, or the length when it is nowhere.
    (func $find (param $text i32) (param $len i32) (param $byte i32) (result i32)
      (local $n i32)
      (block $done
        (loop $next
          (br_if $done (i32.ge_u (local.get $n) (local.get $len)))
          (br_if $done
            (i32.eq
              (i32.load8_u (i32.add (local.get $text) (local.get $n)))
              (local.get $byte)))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br $next)))
      (local.get $n))

    ;; Cut a text at the first such byte: "send b hi" at a space is "send" and "b hi".
    (func $cut (param $text i32) (param $len i32) (param $byte i32)
      (local $at i32)
      (local.set $at (call $find (local.get $text) (local.get $len) (local.get $byte)))
      (global.set $word (local.get $text))
      (global.set $word_len (local.get $at))
      (if (i32.lt_u (local.get $at) (local.get $len))
        (then (local.set $at (i32.add (local.get $at) (i32.const 1)))))
      (global.set $rest (i32.add (local.get $text) (local.get $at)))
      (global.set $rest_len (i32.sub (local.get $len) (local.get $at))))

    (func $starts_with (param $text i32) (param $len i32) (param $constant i32) (result i32)
      (local $n i32) (local $size i32)
      (local.set $size (call $length (local.get $constant)))
      (if (i32.lt_u (local.get $len) (local.get $size)) (then (return (i32.const 0))))
      (block $done
        (loop $next
          (br_if $done (i32.eq (local.get $n) (local.get $size)))
          (if (i32.ne
                (i32.load8_u (i32.add (local.get $text) (local.get $n)))
                (i32.load8_u (i32.add (local.get $constant) (local.get $n))))
            (then (return (i32.const 0))))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br $next)))
      (i32.const 1))

    ;; Is the word just cut this constant?
    (func $is (param $constant i32) (result i32)
      (if (i32.ne (global.get $word_len) (call $length (local.get $constant)))
        (then (return (i32.const 0))))
      (call $starts_with (global.get $word) (global.get $word_len) (local.get $constant)))

    ;; Two texts after one another, in new memory.
    (func $join (param $a i32) (param $a_len i32) (param $b i32) (param $b_len i32) (result i32)
      (local $ptr i32)
      (local.set $ptr (call $alloc (i32.add (local.get $a_len) (local.get $b_len))))
      (memory.copy (local.get $ptr) (local.get $a) (local.get $a_len))
      (memory.copy
        (i32.add (local.get $ptr) (local.get $a_len)) (local.get $b) (local.get $b_len))
      (local.get $ptr))

    ;; Decimal digits to a number; stops at the first byte that is no digit.
    (func $number (param $text i32) (param $len i32) (result i64)
      (local $n i32) (local $digit i32) (local $value i64)
      (block $done
        (loop $next
          (br_if $done (i32.ge_u (local.get $n) (local.get $len)))
          (local.set $digit
            (i32.sub
              (i32.load8_u (i32.add (local.get $text) (local.get $n)))
              (i32.const 0x30)))
          (br_if $done (i32.gt_u (local.get $digit) (i32.const 9)))
          (local.set $value
            (i64.add
              (i64.mul (local.get $value) (i64.const 10))
              (i64.extend_i32_u (local.get $digit))))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br $next)))
      (local.get $value))

    ;; A number to decimal digits: (pointer, length).
    (func $decimal (param $value i64) (result i32 i32)
      (local $end i32) (local $ptr i32)
      (local.set $end (i32.add (call $alloc (i32.const 20)) (i32.const 20)))
      (local.set $ptr (local.get $end))
      (loop $next
        (local.set $ptr (i32.sub (local.get $ptr) (i32.const 1)))
        (i32.store8
          (local.get $ptr)
          (i32.add
            (i32.wrap_i64 (i64.rem_u (local.get $value) (i64.const 10)))
            (i32.const 0x30)))
        (local.set $value (i64.div_u (local.get $value) (i64.const 10)))
        (br_if $next (i64.ne (local.get $value) (i64.const 0))))
      (local.get $ptr)
      (i32.sub (local.get $end) (local.get $ptr)))

    ;; The same with a minus sign in front if need be.
    (func $signed (param $text i32) (param $len i32) (result i64)
      (if (result i64) (call $starts_with (local.get $text) (local.get $len) (i32.const 0x300))
        (then
          (i64.sub
            (i64.const 0)
            (call $number
              (i32.add (local.get $text) (i32.const 1))
              (i32.sub (local.get $len) (i32.const 1)))))
        (else (call $number (local.get $text) (local.get $len)))))

    (func $signed_decimal (param $value i64) (result i32 i32)
      (local $ptr i32) (local $len i32)
      (if (i64.ge_s (local.get $value) (i64.const 0))
        (then (return (call $decimal (local.get $value)))))
      (call $decimal (i64.sub (i64.const 0) (local.get $value)))
      (local.set $len)
      (local.set $ptr)
      (call $join (i32.const 0x300) (i32.const 1) (local.get $ptr) (local.get $len))
      (i32.add (local.get $len) (i32.const 1)))

    ;; ---- state and answer ----

    (func $set_state (param $ptr i32) (param $len i32)
      (global.set $state_some (i32.const 1))
      (global.set $state (local.get $ptr))
      (global.set $state_len (local.get $len)))

    (func $set_answer (param $ptr i32) (param $len i32)
      (global.set $answer_some (i32.const 1))
      (global.set $answer (local.get $ptr))
      (global.set $answer_len (local.get $len)))

    (func $fail (param $ptr i32) (param $len i32)
      (global.set $failed (i32.const 1))
      (call $set_answer (local.get $ptr) (local.get $len)))

    (func $log_answer
      (call $log (global.get $answer) (global.get $answer_len)))

    ;; ---- host calls ----

    (data (i32.const 0x000) "err: \00")

    ;; Answer and log "err: " and the text that HOST holds, if it holds the Err of a
    ;; result<_, string>: the case at +0, the text at +4 and +8.
    (func $note_err
      (if (i32.load8_u (i32.const 0x1000))
        (then
          (call $set_answer
            (call $join
              (i32.const 0x000) (i32.const 5)
              (i32.load (i32.const 0x1004)) (i32.load (i32.const 0x1008)))
            (i32.add (i32.const 5) (i32.load (i32.const 0x1008))))
          (call $log_answer))))

    (func $do_send (param $to i32) (param $to_len i32) (param $msg i32) (param $msg_len i32)
      (call $send
        (local.get $to) (local.get $to_len) (local.get $msg) (local.get $msg_len)
        (i32.const 0x1000))
      (call $note_err))

    (func $do_request (param $to i32) (param $to_len i32) (param $msg i32) (param $msg_len i32)
      (call $request
        (local.get $to) (local.get $to_len) (local.get $msg) (local.get $msg_len)
        (i32.const 0x1000))
      (if (i32.load8_u (i32.const 0x1000))
        (then (call $note_err))
        (else
          (call $set_answer (i32.load (i32.const 0x1004)) (i32.load (i32.const 0x1008)))
          (call $log_answer))))

    ;; What open-channel returns has the shape of what request returns.
    (func $do_open (param $to i32) (param $to_len i32) (param $msg i32) (param $msg_len i32)
      (call $open
        (local.get $to) (local.get $to_len) (local.get $msg) (local.get $msg_len)
        (i32.const 0x1000))
      (if (i32.load8_u (i32.const 0x1000))
        (then (call $note_err))
        (else
          (call $set_answer (i32.load (i32.const 0x1004)) (i32.load (i32.const 0x1008)))
          (call $log_answer))))

    ;; Cut the rest ("ID BODY") at the space; an id "$" is the one that the call is about.
    (func $cut_id
      (call $cut (global.get $rest) (global.get $rest_len) (i32.const 0x20))
      (if (call $is (i32.const 0x250))
        (then
          (global.set $word (global.get $name))
          (global.set $word_len (global.get $name_len)))))

    ;; The ids of a list<string> (pointer, length), each with a space after it.
    (func $joined (param $list i32) (param $count i32)
      (call $set_answer (i32.const 0) (i32.const 0))
      (block $done
        (loop $next
          (br_if $done (i32.eqz (local.get $count)))
          (local.set $count (i32.sub (local.get $count) (i32.const 1)))
          (call $add_answer (i32.load (local.get $list)) (i32.load offset=4 (local.get $list)))
          (call $add_answer (i32.const 0x260) (i32.const 1))
          (local.set $list (i32.add (local.get $list) (i32.const 8)))
          (br $next))))

    (func $add_answer (param $text i32) (param $len i32)
      (call $set_answer
        (call $join
          (global.get $answer) (global.get $answer_len) (local.get $text) (local.get $len))
        (i32.add (global.get $answer_len) (local.get $len))))

    ;; Send the rest ("TO BODY") n times, numbered: with the number, from 1, after the body.
    (func $send_many (param $n i64) (param $numbered i32)
      (local $i i64) (local $mark i32) (local $msg i32) (local $msg_len i32)
      (local $digits i32) (local $digits_len i32)
      (call $cut (global.get $rest) (global.get $rest_len) (i32.const 0x20))
      (local.set $mark (call $mark))
      (block $done
        (loop $next
          (br_if $done (i64.ge_u (local.get $i) (local.get $n)))
          (local.set $i (i64.add (local.get $i) (i64.const 1)))
          (call $release (local.get $mark))
          (local.set $msg (global.get $rest))
          (local.set $msg_len (global.get $rest_len))
          (if (local.get $numbered)
            (then
              (call $decimal (local.get $i))
              (local.set $digits_len)
              (local.set $digits)
              (local.set $msg
                (call $join
                  (local.get $msg) (local.get $msg_len)
                  (local.get $digits) (local.get $digits_len)))
              (local.set $msg_len (i32.add (local.get $msg_len) (local.get $digits_len)))))
          (call $do_send
            (global.get $word) (global.get $word_len) (local.get $msg) (local.get $msg_len))
          (br_if $next (i32.eqz (i32.load8_u (i32.const 0x1000)))))))

    ;; Put the state after the rest: "BODY" is "BODYstate" now.
    (func $with_state
      (global.set $rest
        (call $join
          (global.get $rest) (global.get $rest_len)
          (global.get $state) (global.get $state_len)))
      (global.set $rest_len (i32.add (global.get $rest_len) (global.get $state_len))))

    ;; "respond ID X" of the request that the message is, with the rest for X.
    (func $response (result i32 i32)
      (local $ptr i32) (local $len i32)
      (local.set $len (i32.add (i32.const 8) (global.get $name_len)))
      (local.set $ptr
        (call $join
          (i32.const 0x360) (i32.const 8) (global.get $name) (global.get $name_len)))
      (local.set $ptr
        (call $join (local.get $ptr) (local.get $len) (i32.const 0x260) (i32.const 1)))
      (local.set $len (i32.add (local.get $len) (i32.const 1)))
      (call $join
        (local.get $ptr) (local.get $len) (global.get $rest) (global.get $rest_len))
      (i32.add (local.get $len) (global.get $rest_len)))

    ;; ---- ways to die ----

    (func $deep (param $n i32) (result i32)
      (i32.add (call $deep (i32.add (local.get $n) (i32.const 1))) (local.get $n)))

    ;; ---- the commands ----

    (data (i32.const 0x010) "set\00")
    (data (i32.const 0x020) "unset\00")
    (data (i32.const 0x030) "get\00")
    (data (i32.const 0x040) "append\00")
    (data (i32.const 0x050) "count\00")
    (data (i32.const 0x060) "echo\00")
    (data (i32.const 0x070) "big\00")
    (data (i32.const 0x080) "defer\00")
    (data (i32.const 0x090) "err\00")
    (data (i32.const 0x0a0) "log\00")
    (data (i32.const 0x0b0) "self\00")
    (data (i32.const 0x0c0) "chain\00")
    (data (i32.const 0x0d0) "shutdown\00")
    (data (i32.const 0x0e0) "register\00")
    (data (i32.const 0x0f0) "send\00")
    (data (i32.const 0x100) "sends\00")
    (data (i32.const 0x110) "series\00")
    (data (i32.const 0x120) "request\00")
    (data (i32.const 0x130) "send-request\00")
    (data (i32.const 0x140) "request-send\00")
    (data (i32.const 0x150) "trap\00")
    (data (i32.const 0x160) "loop\00")
    (data (i32.const 0x170) "grow\00")
    (data (i32.const 0x180) "deep\00")
    (data (i32.const 0x190) "oob\00")
    (data (i32.const 0x1a0) "spin\00")
    (data (i32.const 0x1b0) "unknown command\00")
    (data (i32.const 0x300) "-\00")
    (data (i32.const 0x310) "add\00")
    (data (i32.const 0x320) "send-state\00")
    (data (i32.const 0x330) "request-state\00")
    (data (i32.const 0x340) "say-state\00")
    (data (i32.const 0x350) "postpone\00")
    (data (i32.const 0x360) "respond \00")
    (data (i32.const 0x1e0) "id\00")
    (data (i32.const 0x1f0) "outstanding\00")
    (data (i32.const 0x200) "respond\00")
    (data (i32.const 0x210) "cancel\00")
    (data (i32.const 0x220) "open\00")
    (data (i32.const 0x230) "say\00")
    (data (i32.const 0x240) "close\00")
    (data (i32.const 0x250) "$\00")
    (data (i32.const 0x260) " \00")
    (data (i32.const 0x270) "refuse\00")

    ;; Run one command: one line of a message.
    (func $command (param $line i32) (param $len i32)
      (local $n i64) (local $ptr i32)
      (call $cut (local.get $line) (local.get $len) (i32.const 0x20))

      ;; The state.
      (if (call $is (i32.const 0x010)) ;; set X
        (then
          (call $set_state (global.get $rest) (global.get $rest_len))
          (return)))
      (if (call $is (i32.const 0x020)) ;; unset
        (then
          (global.set $state_some (i32.const 0))
          (global.set $state_len (i32.const 0))
          (return)))
      (if (call $is (i32.const 0x030)) ;; get
        (then
          (call $set_answer (global.get $state) (global.get $state_len))
          (return)))
      (if (call $is (i32.const 0x040)) ;; append X
        (then
          (call $set_state
            (call $join
              (global.get $state) (global.get $state_len)
              (global.get $rest) (global.get $rest_len))
            (i32.add (global.get $state_len) (global.get $rest_len)))
          (return)))
      (if (call $is (i32.const 0x050)) ;; count
        (then
          (call $set_state
            (call $decimal
              (i64.add
                (call $number (global.get $state) (global.get $state_len))
                (i64.const 1))))
          (call $set_answer (global.get $state) (global.get $state_len))
          (return)))
      (if (call $is (i32.const 0x310)) ;; add N
        (then
          (call $set_state
            (call $signed_decimal
              (i64.add
                (call $signed (global.get $state) (global.get $state_len))
                (call $signed (global.get $rest) (global.get $rest_len)))))
          (call $set_answer (global.get $state) (global.get $state_len))
          (return)))

      ;; Answers.
      (if (call $is (i32.const 0x060)) ;; echo X
        (then
          (call $set_answer (global.get $rest) (global.get $rest_len))
          (return)))
      (if (call $is (i32.const 0x070)) ;; big N
        (then
          (local.set $n (call $number (global.get $rest) (global.get $rest_len)))
          (local.set $ptr (call $alloc (i32.wrap_i64 (local.get $n))))
          (memory.fill (local.get $ptr) (i32.const 0x78) (i32.wrap_i64 (local.get $n)))
          (call $set_answer (local.get $ptr) (i32.wrap_i64 (local.get $n)))
          (return)))
      (if (call $is (i32.const 0x080)) ;; defer
        (then
          (global.set $answer_some (i32.const 0))
          (return)))
      (if (call $is (i32.const 0x090)) ;; err X
        (then
          (call $fail (global.get $rest) (global.get $rest_len))
          (return)))

      ;; The runtime.
      (if (call $is (i32.const 0x0a0)) ;; log X
        (then
          (call $log (global.get $rest) (global.get $rest_len))
          (return)))
      (if (call $is (i32.const 0x0b0)) ;; self
        (then
          (call $self (i32.const 0x1000))
          (call $set_answer (i32.load (i32.const 0x1000)) (i32.load (i32.const 0x1004)))
          (call $log_answer)
          (return)))
      (if (call $is (i32.const 0x0c0)) ;; chain
        (then
          (call $get-chain (i32.const 0x1000)) ;; the list of events: pointer, length
          (call $set_answer
            (call $decimal (i64.extend_i32_u (i32.load (i32.const 0x1004)))))
          (call $log_answer)
          (return)))
      (if (call $is (i32.const 0x0d0)) ;; shutdown X
        (then
          (call $shutdown
            (i32.const 1) (global.get $rest) (global.get $rest_len) (i32.const 0x1000))
          (call $note_err)
          (return)))

      ;; Messages.
      (if (call $is (i32.const 0x0e0)) ;; register
        (then
          (call $register (i32.const 0x1000))
          (call $note_err)
          (return)))
      (if (call $is (i32.const 0x0f0)) ;; send TO BODY
        (then
          (call $cut (global.get $rest) (global.get $rest_len) (i32.const 0x20))
          (call $do_send
            (global.get $word) (global.get $word_len) (global.get $rest) (global.get $rest_len))
          (return)))
      (if (call $is (i32.const 0x320)) ;; send-state TO BODY
        (then
          (call $with_state)
          (call $cut (global.get $rest) (global.get $rest_len) (i32.const 0x20))
          (call $do_send
            (global.get $word) (global.get $word_len) (global.get $rest) (global.get $rest_len))
          (return)))
      (if (call $is (i32.const 0x330)) ;; request-state TO BODY
        (then
          (call $with_state)
          (call $cut (global.get $rest) (global.get $rest_len) (i32.const 0x20))
          (call $do_request
            (global.get $word) (global.get $word_len) (global.get $rest) (global.get $rest_len))
          (return)))
      (if (i32.or
            (call $is (i32.const 0x100)) ;; sends N TO BODY
            (call $is (i32.const 0x110))) ;; series N TO BODY
        (then
          (local.set $ptr (call $is (i32.const 0x110)))
          (call $cut (global.get $rest) (global.get $rest_len) (i32.const 0x20))
          (call $send_many
            (call $number (global.get $word) (global.get $word_len)) (local.get $ptr))
          (return)))
      (if (call $is (i32.const 0x120)) ;; request TO BODY
        (then
          (call $cut (global.get $rest) (global.get $rest_len) (i32.const 0x20))
          (call $do_request
            (global.get $word) (global.get $word_len) (global.get $rest) (global.get $rest_len))
          (return)))
      (if (call $is (i32.const 0x130)) ;; send-request TO BODY
        (then
          (call $cut (global.get $rest) (global.get $rest_len) (i32.const 0x20))
          (call $do_send
            (global.get $word) (global.get $word_len) (global.get $rest) (global.get $rest_len))
          (call $do_request
            (global.get $word) (global.get $word_len) (global.get $rest) (global.get $rest_len))
          (return)))
      (if (call $is (i32.const 0x140)) ;; request-send TO BODY
        (then
          (call $cut (global.get $rest) (global.get $rest_len) (i32.const 0x20))
          (call $do_request
            (global.get $word) (global.get $word_len) (global.get $rest) (global.get $rest_len))
          (call $do_send
            (global.get $word) (global.get $word_len) (global.get $rest) (global.get $rest_len))
          (return)))

      ;; Requests that are answered later, and channels.
      (if (call $is (i32.const 0x1e0)) ;; id
        (then
          (call $set_answer (global.get $name) (global.get $name_len))
          (return)))
      (if (call $is (i32.const 0x1f0)) ;; outstanding
        (then
          (call $outstanding (i32.const 0x1000)) ;; the list of ids: pointer, length
          (call $joined (i32.load (i32.const 0x1000)) (i32.load (i32.const 0x1004)))
          (return)))
      (if (call $is (i32.const 0x200)) ;; respond ID X
        (then
          (call $cut_id)
          (call $respond
            (global.get $word) (global.get $word_len) (global.get $rest) (global.get $rest_len)
            (i32.const 0x1000))
          (call $note_err)
          (return)))
      (if (call $is (i32.const 0x350)) ;; postpone X
        (then
          (call $response)
          (local.set $len)
          (local.set $ptr)
          (call $self (i32.const 0x1000))
          (call $do_send
            (i32.load (i32.const 0x1000)) (i32.load (i32.const 0x1004))
            (local.get $ptr) (local.get $len))
          (global.set $answer_some (i32.const 0))
          (return)))
      (if (call $is (i32.const 0x210)) ;; cancel ID
        (then
          (call $cut_id)
          (call $cancel (global.get $word) (global.get $word_len) (i32.const 0x1000))
          (call $note_err)
          (return)))
      (if (call $is (i32.const 0x220)) ;; open TO BODY
        (then
          (call $cut (global.get $rest) (global.get $rest_len) (i32.const 0x20))
          (call $do_open
            (global.get $word) (global.get $word_len) (global.get $rest) (global.get $rest_len))
          (return)))
      (if (i32.or
            (call $is (i32.const 0x230)) ;; say ID BODY
            (call $is (i32.const 0x340))) ;; say-state ID BODY
        (then
          (if (call $is (i32.const 0x340)) (then (call $with_state)))
          (call $cut_id)
          (call $say
            (global.get $word) (global.get $word_len) (global.get $rest) (global.get $rest_len)
            (i32.const 0x1000))
          (call $note_err)
          (return)))
      (if (call $is (i32.const 0x240)) ;; close ID
        (then
          (call $cut_id)
          (call $close (global.get $word) (global.get $word_len) (i32.const 0x1000))
          (call $note_err)
          (return)))
      (if (call $is (i32.const 0x270)) ;; refuse
        (then
          (global.set $accepted (i32.const 0))
          (return)))

      ;; Ways to die, and to take long.
      (if (call $is (i32.const 0x150)) ;; trap
        (then unreachable))
      (if (call $is (i32.const 0x160)) ;; loop
        (then (loop $forever (br $forever))))
      (if (call $is (i32.const 0x170)) ;; grow
        (then
          (loop $next
            (br_if $next (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
          unreachable))
      (if (call $is (i32.const 0x180)) ;; deep
        (then (drop (call $deep (i32.const 0)))))
      (if (call $is (i32.const 0x190)) ;; oob
        (then (drop (i32.load (i32.const 0xfffffff0)))))
      (if (call $is (i32.const 0x1a0)) ;; spin N
        (then
          (local.set $n (call $number (global.get $rest) (global.get $rest_len)))
          (block $done
            (loop $next
              (br_if $done (i64.eqz (local.get $n)))
              (local.set $n (i64.sub (local.get $n) (i64.const 1)))
              (br $next)))
          (return)))

      (call $fail (i32.const 0x1b0) (call $length (i32.const 0x1b0))))

    ;; Run a script: its lines in order, until one fails.
    (func $script (param $text i32) (param $len i32)
      (local $rest i32) (local $rest_len i32)
      (global.set $failed (i32.const 0))
      (loop $next
        (call $cut (local.get $text) (local.get $len) (i32.const 0x0a))
        (local.set $text (global.get $rest))
        (local.set $len (global.get $rest_len))
        (call $set_answer (i32.const 0) (i32.const 0))
        (call $command (global.get $word) (global.get $word_len))
        (br_if $next
          (i32.and
            (i32.eqz (global.get $failed))
            (i32.ne (local.get $len) (i32.const 0))))))

    ;; ---- the exports ----

    (data (i32.const 0x1c0) "started\00")
    (data (i32.const 0x1d0) "init-\00")
    (data (i32.const 0x280) "closed \00")

    ;; What an export returns, at RESULT: Err of the answer, or Ok of the new state and the answer.
    ;; result<tuple<option<list<u8>>>, string> has the case at +0, the option at +4, +8, +12; the
    ;; result of handle-request has a second option at +16, +20, +24; an Err has its text at +4, +8.
    (func $result (result i32)
      (i32.store (i32.const 0x1020) (global.get $failed))
      (if (global.get $failed)
        (then
          (i32.store (i32.const 0x1024) (global.get $answer))
          (i32.store (i32.const 0x1028) (global.get $answer_len)))
        (else
          (i32.store (i32.const 0x1024) (global.get $state_some))
          (i32.store (i32.const 0x1028) (global.get $state))
          (i32.store (i32.const 0x102c) (global.get $state_len))
          (i32.store (i32.const 0x1030) (global.get $answer_some))
          (i32.store (i32.const 0x1034) (global.get $answer))
          (i32.store (i32.const 0x1038) (global.get $answer_len))))
      (i32.const 0x1020))

    ;; As $result, of result<tuple<option<list<u8>>, tuple<channel-accept>>, string>: `accepted` is
    ;; at +16, its option at +20, +24, +28.
    (func $result_of_open (result i32)
      (drop (call $result))
      (if (i32.eqz (global.get $failed))
        (then
          (i32.store (i32.const 0x1030) (global.get $accepted))
          (i32.store (i32.const 0x1034) (i32.ne (global.get $answer_len) (i32.const 0)))
          (i32.store (i32.const 0x1038) (global.get $answer))
          (i32.store (i32.const 0x103c) (global.get $answer_len))))
      (i32.const 0x1020))

    (func $take_name (param $ptr i32) (param $len i32)
      (global.set $name (local.get $ptr))
      (global.set $name_len (local.get $len)))

    (func $take_state (param $some i32) (param $ptr i32) (param $len i32)
      (global.set $state_some (local.get $some))
      (global.set $state (local.get $ptr))
      (global.set $state_len (select (local.get $len) (i32.const 0) (local.get $some))))

    (func $init (export "init")
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $id i32) (param $id_len i32) (result i32)
      (global.set $failed (i32.const 0))
      (call $take_state (local.get $some) (local.get $state) (local.get $state_len))
      (global.set $state_some (i32.const 1)) ;; no initial state is an empty one
      (call $log (i32.const 0x1c0) (call $length (i32.const 0x1c0)))
      (if (call $starts_with (global.get $state) (global.get $state_len) (i32.const 0x1d0))
        (then
          (global.set $state_len (i32.const 0))
          (call $script
            (i32.add (local.get $state) (i32.const 5))
            (i32.sub (local.get $state_len) (i32.const 5)))))
      (call $result))

    (func $handle-send (export "handle-send")
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $msg i32) (param $msg_len i32) (result i32)
      (call $take_state (local.get $some) (local.get $state) (local.get $state_len))
      (call $take_name (i32.const 0) (i32.const 0))
      (call $script (local.get $msg) (local.get $msg_len))
      (call $result))

    (func $handle-request (export "handle-request")
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $id i32) (param $id_len i32)
        (param $msg i32) (param $msg_len i32) (result i32)
      (call $take_state (local.get $some) (local.get $state) (local.get $state_len))
      (call $take_name (local.get $id) (local.get $id_len))
      (call $script (local.get $msg) (local.get $msg_len))
      (call $result))

    (func $handle-channel-open (export "handle-channel-open")
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $id i32) (param $id_len i32)
        (param $msg i32) (param $msg_len i32) (result i32)
      (call $take_state (local.get $some) (local.get $state) (local.get $state_len))
      (call $take_name (local.get $id) (local.get $id_len))
      (global.set $accepted (i32.const 1))
      (call $script (local.get $msg) (local.get $msg_len))
      (call $result_of_open))

    (func $handle-channel-message (export "handle-channel-message")
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $id i32) (param $id_len i32)
        (param $msg i32) (param $msg_len i32) (result i32)
      (call $take_state (local.get $some) (local.get $state) (local.get $state_len))
      (call $take_name (local.get $id) (local.get $id_len))
      (call $script (local.get $msg) (local.get $msg_len))
      (call $result))

    (func $handle-channel-close (export "handle-channel-close")
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $id i32) (param $id_len i32) (result i32)
      (call $take_state (local.get $some) (local.get $state) (local.get $state_len))
      (global.set $failed (i32.const 0))
      (call $set_answer (i32.const 0x280) (i32.const 7))
      (call $add_answer (local.get $id) (local.get $id_len))
      (call $log_answer)
      (call $result)))

  (core instance $probe (instantiate $Probe
    (with "libc" (instance $libc))
    (with "host" (instance
      (export "log" (func $log))
      (export "self" (func $self))
      (export "get-chain" (func $get-chain))
      (export "shutdown" (func $shutdown))
      (export "register" (func $register))
      (export "send" (func $send))
      (export "request" (func $request))
      (export "outstanding" (func $outstanding))
      (export "respond" (func $respond))
      (export "cancel" (func $cancel))
      (export "open" (func $open))
      (export "say" (func $say))
      (export "close" (func $close))))))

  (func $init
      (param "state" (option (list u8))) (param "params" (tuple string))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $probe "init")
      (memory $memory) (realloc $realloc) (post-return $reset)))
  (func $handle-send
      (param "state" (option (list u8))) (param "params" (tuple (list u8)))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $probe "handle-send")
      (memory $memory) (realloc $realloc) (post-return $reset)))
  (func $handle-request
      (param "state" (option (list u8))) (param "params" (tuple string (list u8)))
      (result (result
        (tuple (option (list u8)) (tuple (option (list u8))))
        (error string)))
    (canon lift (core func $probe "handle-request")
      (memory $memory) (realloc $realloc) (post-return $reset)))
  (func $handle-channel-open
      (param "state" (option (list u8))) (param "params" (tuple string (list u8)))
      (result (result
        (tuple (option (list u8)) (tuple $accept))
        (error string)))
    (canon lift (core func $probe "handle-channel-open")
      (memory $memory) (realloc $realloc) (post-return $reset)))
  (func $handle-channel-message
      (param "state" (option (list u8))) (param "params" (tuple string (list u8)))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $probe "handle-channel-message")
      (memory $memory) (realloc $realloc) (post-return $reset)))
  (func $handle-channel-close
      (param "state" (option (list u8))) (param "params" (tuple string))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $probe "handle-channel-close")
      (memory $memory) (realloc $realloc) (post-return $reset)))

  (instance $actor (export "init" (func $init)))
  (instance $client
    (export "handle-send" (func $handle-send))
    (export "handle-request" (func $handle-request))
    (export "handle-channel-open" (func $handle-channel-open))
    (export "handle-channel-message" (func $handle-channel-message))
    (export "handle-channel-close" (func $handle-channel-close)))
  (export "theater:simple/actor" (instance $actor))
  (export "theater:simple/message-server-client" (instance $client)))
