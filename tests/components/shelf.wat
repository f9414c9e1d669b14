;; The actor that the tests keep things in stores with: a message is a script, one command a line.
;;
;; The state is the id of the store that the commands are about; `new` and `use ID` set it. The
;; answer to a request is what the commands answered, each with a newline after it. The commands are
;; listed in README.md beside this file; each but `use`, `fill`, `many` and `trap` is one function
;; of the interface. What a function refuses is answered as `err: TEXT`, and the script goes on.
(component
  (import "theater:simple/store" (instance $store
    (type $ref' (record (field "hash" string)))
    (export "content-ref" (type $ref (eq $ref')))
    (export "new" (func (result (result string (error string)))))
    (export "store" (func (param "store-id" string) (param "content" (list u8))
      (result (result $ref (error string)))))
    (export "get" (func (param "store-id" string) (param "content-ref" $ref)
      (result (result (list u8) (error string)))))
    (export "exists" (func (param "store-id" string) (param "content-ref" $ref)
      (result (result bool (error string)))))
    (export "label" (func
      (param "store-id" string) (param "label" string) (param "content-ref" $ref)
      (result (result (error string)))))
    (export "get-by-label" (func (param "store-id" string) (param "label" string)
      (result (result (option $ref) (error string)))))
    (export "remove-label" (func (param "store-id" string) (param "label" string)
      (result (result (error string)))))
    (export "remove-from-label" (func
      (param "store-id" string) (param "label" string) (param "content-ref" $ref)
      (result (result (error string)))))
    (export "store-at-label" (func
      (param "store-id" string) (param "label" string) (param "content" (list u8))
      (result (result $ref (error string)))))
    (export "replace-content-at-label" (func
      (param "store-id" string) (param "label" string) (param "content" (list u8))
      (result (result $ref (error string)))))
    (export "replace-at-label" (func
      (param "store-id" string) (param "label" string) (param "content-ref" $ref)
      (result (result (error string)))))
    (export "list-labels" (func (param "store-id" string)
      (result (result (list string) (error string)))))
    (export "list-all-content" (func (param "store-id" string)
      (result (result (list $ref) (error string)))))
    (export "calculate-total-size" (func (param "store-id" string)
      (result (result u64 (error string)))))))

  ;; Memory: constants below 0x1000, scratch below 0x1100, then a heap that is emptied after every
  ;; call (the post-return function).
  (core module $Libc
    (memory (export "memory") 1)
    (global $heap (mut i32) (i32.const 0x1100))
    (func $reset (export "reset") (param $result i32)
      (global.set $heap (i32.const 0x1100)))
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

  (core func $new
    (canon lower (func $store "new") (memory $memory) (realloc $realloc)))
  (core func $store
    (canon lower (func $store "store") (memory $memory) (realloc $realloc)))
  (core func $get
    (canon lower (func $store "get") (memory $memory) (realloc $realloc)))
  (core func $exists
    (canon lower (func $store "exists") (memory $memory) (realloc $realloc)))
  (core func $label
    (canon lower (func $store "label") (memory $memory) (realloc $realloc)))
  (core func $get-by-label
    (canon lower (func $store "get-by-label") (memory $memory) (realloc $realloc)))
  (core func $remove-label
    (canon lower (func $store "remove-label") (memory $memory) (realloc $realloc)))
  (core func $remove-from-label
    (canon lower (func $store "remove-from-label") (memory $memory) (realloc $realloc)))
  (core func $store-at-label
    (canon lower (func $store "store-at-label") (memory $memory) (realloc $realloc)))
  (core func $replace-content-at-label
    (canon lower (func $store "replace-content-at-label") (memory $memory) (realloc $realloc)))
  (core func $replace-at-label
    (canon lower (func $store "replace-at-label") (memory $memory) (realloc $realloc)))
  (core func $list-labels
    (canon lower (func $store "list-labels") (memory $memory) (realloc $realloc)))
  (core func $list-all-content
    (canon lower (func $store "list-all-content") (memory $memory) (realloc $realloc)))
  (core func $calculate-total-size
    (canon lower (func $store "calculate-total-size") (memory $memory) (realloc $realloc)))

  (core module $Shelf
    (import "libc" "memory" (memory 1))
    (import "libc" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
    ;; A text is two parameters, pointer and length; the last one says where the result goes.
    (type $alone (func (param i32)))
    (type $one (func (param i32 i32 i32)))
    (type $two (func (param i32 i32 i32 i32 i32)))
    (type $three (func (param i32 i32 i32 i32 i32 i32 i32)))
    (import "host" "new" (func $new (type $alone)))
    (import "host" "store" (func $store (type $two)))
    (import "host" "get" (func $get (type $two)))
    (import "host" "exists" (func $exists (type $two)))
    (import "host" "label" (func $label (type $three)))
    (import "host" "get-by-label" (func $get-by-label (type $two)))
    (import "host" "remove-label" (func $remove-label (type $two)))
    (import "host" "remove-from-label" (func $remove-from-label (type $three)))
    (import "host" "store-at-label" (func $store-at-label (type $three)))
    (import "host" "replace-content-at-label" (func $replace-content-at-label (type $three)))
    (import "host" "replace-at-label" (func $replace-at-label (type $three)))
    (import "host" "list-labels" (func $list-labels (type $one)))
    (import "host" "list-all-content" (func $list-all-content (type $one)))
    (import "host" "calculate-total-size" (func $calculate-total-size (type $one)))

    ;; The state, which is the id of a store; what the script has answered; what $cut has cut: a
    ;; word, and the rest of the text after one space.
    (global $state (mut i32) (i32.const 0))
    (global $state_len (mut i32) (i32.const 0))
    (global $answer (mut i32) (i32.const 0))
    (global $answer_len (mut i32) (i32.const 0))
    (global $word (mut i32) (i32.const 0))
    (global $word_len (mut i32) (i32.const 0))
    (global $rest (mut i32) (i32.const 0))
    (global $rest_len (mut i32) (i32.const 0))

    ;; Scratch. HOST = 0x1000: what a host function returns; RESULT = 0x1020: what an export does.

    (data (i32.const 0x010) "new\00")
    (data (i32.const 0x020) "use\00")
    (data (i32.const 0x030) "put\00")
    (data (i32.const 0x040) "fill\00")
    (data (i32.const 0x050) "get\00")
    (data (i32.const 0x060) "has\00")
    (data (i32.const 0x070) "label\00")
    (data (i32.const 0x080) "move\00")
    (data (i32.const 0x090) "unlabel\00")
    (data (i32.const 0x0a0) "drop\00")
    (data (i32.const 0x0b0) "put-at\00")
    (data (i32.const 0x0c0) "replace-at\00")
    (data (i32.const 0x0d0) "at\00")
    (data (i32.const 0x0e0) "labels\00")
    (data (i32.const 0x0f0) "all\00")
    (data (i32.const 0x100) "size\00")
    (data (i32.const 0x110) "trap\00")
    (data (i32.const 0x120) "many\00")
    (data (i32.const 0x200) "err: \00")
    (data (i32.const 0x210) "yes\00")
    (data (i32.const 0x220) "no\00")
    (data (i32.const 0x230) "unknown command\00")
    (data (i32.const 0x250) "\n\00")

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

    ;; Cut a text at the first such byte: "put a b" at a space is "put" and "a b".
    (func $cut (param $text i32) (param $len i32) (param $byte i32)
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
      (global.set $word (local.get $text))
      (global.set $word_len (local.get $n))
      (if (i32.lt_u (local.get $n) (local.get $len))
        (then (local.set $n (i32.add (local.get $n) (i32.const 1)))))
      (global.set $rest (i32.add (local.get $text) (local.get $n)))
      (global.set $rest_len (i32.sub (local.get $len) (local.get $n))))

    ;; Is the word just cut this constant?
    (func $is (param $constant i32) (result i32)
      (local $n i32)
      (if (i32.ne (global.get $word_len) (call $length (local.get $constant)))
        (then (return (i32.const 0))))
      (block $done
        (loop $next
          (br_if $done (i32.eq (local.get $n) (global.get $word_len)))
          (if (i32.ne
                (i32.load8_u (i32.add (global.get $word) (local.get $n)))
                (i32.load8_u (i32.add (local.get $constant) (local.get $n))))
            (then (return (i32.const 0))))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br $next)))
      (i32.const 1))

    (func $add_answer (param $text i32) (param $len i32)
      (local $ptr i32)
      (local.set $ptr (call $alloc (i32.add (global.get $answer_len) (local.get $len))))
      (memory.copy (local.get $ptr) (global.get $answer) (global.get $answer_len))
      (memory.copy
        (i32.add (local.get $ptr) (global.get $answer_len)) (local.get $text) (local.get $len))
      (global.set $answer (local.get $ptr))
      (global.set $answer_len (i32.add (global.get $answer_len) (local.get $len))))

    (func $add_constant (param $constant i32)
      (call $add_answer (local.get $constant) (call $length (local.get $constant))))

    ;; Decimal digits to a number; stops at the first byte that is no digit.
    (func $number (param $text i32) (param $len i32) (result i32)
      (local $n i32) (local $digit i32) (local $value i32)
      (block $done
        (loop $next
          (br_if $done (i32.ge_u (local.get $n) (local.get $len)))
          (local.set $digit
            (i32.sub
              (i32.load8_u (i32.add (local.get $text) (local.get $n)))
              (i32.const 0x30)))
          (br_if $done (i32.gt_u (local.get $digit) (i32.const 9)))
          (local.set $value
            (i32.add (i32.mul (local.get $value) (i32.const 10)) (local.get $digit)))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br $next)))
      (local.get $value))

    ;; A number, as decimal digits, goes to the answer.
    (func $add_decimal (param $value i64)
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
      (call $add_answer (local.get $ptr) (i32.sub (local.get $end) (local.get $ptr))))

    ;; ---- what the host returned: a result has the case at +0, and at +4 what it holds ----

    ;; Is it an Err? Its text, at `at`, goes to the answer.
    (func $is_err (param $at i32) (result i32)
      (if (i32.load8_u (i32.const 0x1000))
        (then
          (call $add_constant (i32.const 0x200))
          (call $add_answer
            (i32.load (local.get $at)) (i32.load offset=4 (local.get $at)))))
      (i32.load8_u (i32.const 0x1000)))

    ;; A text, bytes or a content-ref.
    (func $told
      (if (i32.eqz (call $is_err (i32.const 0x1004)))
        (then
          (call $add_answer (i32.load (i32.const 0x1004)) (i32.load (i32.const 0x1008))))))

    ;; Nothing.
    (func $done
      (drop (call $is_err (i32.const 0x1004))))

    ;; A list of texts or of content-refs: each goes to the answer, with a space after it.
    (func $listed
      (local $list i32) (local $end i32) (local $size i32) (local $ptr i32) (local $at i32)
      (if (call $is_err (i32.const 0x1004)) (then (return)))
      (local.set $list (i32.load (i32.const 0x1004)))
      (local.set $end
        (i32.add
          (local.get $list) (i32.shl (i32.load (i32.const 0x1008)) (i32.const 3))))
      ;; How long all of them are; then one after the other into as much memory.
      (local.set $at (local.get $list))
      (block $done
        (loop $next
          (br_if $done (i32.eq (local.get $at) (local.get $end)))
          (local.set $size
            (i32.add
              (local.get $size)
              (i32.add (i32.load offset=4 (local.get $at)) (i32.const 1))))
          (local.set $at (i32.add (local.get $at) (i32.const 8)))
          (br $next)))
      (local.set $ptr (call $alloc (local.get $size)))
      (local.set $at (local.get $ptr))
      (block $done
        (loop $next
          (br_if $done (i32.eq (local.get $list) (local.get $end)))
          (memory.copy
            (local.get $at) (i32.load (local.get $list)) (i32.load offset=4 (local.get $list)))
          (local.set $at (i32.add (local.get $at) (i32.load offset=4 (local.get $list))))
          (i32.store8 (local.get $at) (i32.const 0x20))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (local.set $list (i32.add (local.get $list) (i32.const 8)))
          (br $next)))
      (call $add_answer (local.get $ptr) (local.get $size)))

    ;; ---- the commands ----

    (func $use (param $id i32) (param $len i32)
      (global.set $state (local.get $id))
      (global.set $state_len (local.get $len)))

    ;; Run one command: one line of a message.
    (func $command (param $line i32) (param $len i32)
      (local $label i32) (local $label_len i32) (local $ptr i32) (local $n i32)
      (call $cut (local.get $line) (local.get $len) (i32.const 0x20))

      (if (call $is (i32.const 0x010)) ;; new
        (then
          (call $new (i32.const 0x1000))
          (call $told)
          (call $use (i32.load (i32.const 0x1004)) (i32.load (i32.const 0x1008)))
          (return)))
      (if (call $is (i32.const 0x020)) ;; use ID
        (then
          (call $use (global.get $rest) (global.get $rest_len))
          (return)))
      (if (call $is (i32.const 0x110)) ;; trap
        (then unreachable))
      (if (call $is (i32.const 0x120)) ;; many N
        (then
          (call $many (call $number (global.get $rest) (global.get $rest_len)))
          (return)))

      ;; Of the store alone.

      (if (call $is (i32.const 0x0e0)) ;; labels
        (then
          (call $list-labels
            (global.get $state) (global.get $state_len)
            (i32.const 0x1000))
          (call $listed)
          (return)))
      (if (call $is (i32.const 0x0f0)) ;; all
        (then
          (call $list-all-content
            (global.get $state) (global.get $state_len)
            (i32.const 0x1000))
          (call $listed)
          (return)))
      (if (call $is (i32.const 0x100)) ;; size
        (then
          (call $calculate-total-size
            (global.get $state) (global.get $state_len)
            (i32.const 0x1000))
          (if (i32.eqz (call $is_err (i32.const 0x1008)))
            (then (call $add_decimal (i64.load (i32.const 0x1008)))))
          (return)))

      ;; With a content, a hash or a label.
      (if (call $is (i32.const 0x030)) ;; put X
        (then
          (call $store
            (global.get $state) (global.get $state_len) (global.get $rest) (global.get $rest_len)
            (i32.const 0x1000))
          (call $told)
          (return)))
      (if (call $is (i32.const 0x040)) ;; fill N
        (then
          (local.set $n (call $number (global.get $rest) (global.get $rest_len)))
          (local.set $ptr (call $alloc (local.get $n)))
          (memory.fill (local.get $ptr) (i32.const 0x78) (local.get $n))
          (call $store
            (global.get $state) (global.get $state_len) (local.get $ptr) (local.get $n)
            (i32.const 0x1000))
          (call $told)
          (return)))
      (if (call $is (i32.const 0x050)) ;; get H
        (then
          (call $get
            (global.get $state) (global.get $state_len) (global.get $rest) (global.get $rest_len)
            (i32.const 0x1000))
          (call $told)
          (return)))
      (if (call $is (i32.const 0x060)) ;; has H
        (then
          (call $exists
            (global.get $state) (global.get $state_len) (global.get $rest) (global.get $rest_len)
            (i32.const 0x1000))
          (if (i32.eqz (call $is_err (i32.const 0x1004)))
            (then
              (call $add_constant
                (select
                  (i32.const 0x210) (i32.const 0x220) (i32.load8_u (i32.const 0x1004))))))
          (return)))
      (if (call $is (i32.const 0x090)) ;; unlabel L
        (then
          (call $remove-label
            (global.get $state) (global.get $state_len) (global.get $rest) (global.get $rest_len)
            (i32.const 0x1000))
          (call $done)
          (return)))
      (if (call $is (i32.const 0x0d0)) ;; at L
        (then
          (call $get-by-label
            (global.get $state) (global.get $state_len) (global.get $rest) (global.get $rest_len)
            (i32.const 0x1000))
          (if (i32.eqz (call $is_err (i32.const 0x1004)))
            (then
              (if (i32.load8_u (i32.const 0x1004)) ;; an option: what it holds is behind it
                (then
                  (call $add_answer (i32.load (i32.const 0x1008)) (i32.load (i32.const 0x100c)))))))
          (return)))

      ;; With a label and something more. What was cut tells which one.
      (local.set $n (call $which))
      (call $cut (global.get $rest) (global.get $rest_len) (i32.const 0x20))
      (local.set $label (global.get $word))
      (local.set $label_len (global.get $word_len))
      (if (local.get $n)
        (then
          (call_indirect (type $three)
            (global.get $state) (global.get $state_len)
            (local.get $label) (local.get $label_len)
            (global.get $rest) (global.get $rest_len)
            (i32.const 0x1000)
            (local.get $n))
          (if (i32.lt_u (local.get $n) (i32.const 4)) (then (call $done)) (else (call $told)))
          (return)))
      (call $add_constant (i32.const 0x230)))

    ;; The place in the table of the function that the word names; 0: none.
    (table funcref (elem $none $label $replace-at-label $remove-from-label
      $store-at-label $replace-content-at-label))
    (func $none)
    (func $which (result i32)
      (if (call $is (i32.const 0x070)) (then (return (i32.const 1))))
      (if (call $is (i32.const 0x080)) (then (return (i32.const 2))))
      (if (call $is (i32.const 0x0a0)) (then (return (i32.const 3))))
      (if (call $is (i32.const 0x0b0)) (then (return (i32.const 4))))
      (if (call $is (i32.const 0x0c0)) (then (return (i32.const 5))))
      (i32.const 0))

    ;; Store the empty content at labels "0" to "n - 1".
    (func $many (param $n i32)
      (local $before i32) (local $before_len i32)
      (local.set $before (global.get $answer))
      (local.set $before_len (global.get $answer_len))
      (block $done
        (loop $next
          (br_if $done (i32.eqz (local.get $n)))
          (local.set $n (i32.sub (local.get $n) (i32.const 1)))
          (global.set $answer_len (i32.const 0))
          (call $add_decimal (i64.extend_i32_u (local.get $n)))
          (call $store-at-label
            (global.get $state) (global.get $state_len)
            (global.get $answer) (global.get $answer_len)
            (i32.const 0) (i32.const 0)
            (i32.const 0x1000))
          (br $next)))
      (global.set $answer (local.get $before))
      (global.set $answer_len (local.get $before_len)))

    (func $script (param $text i32) (param $len i32)
      (global.set $answer_len (i32.const 0))
      (loop $next
        (call $cut (local.get $text) (local.get $len) (i32.const 0x0a))
        (local.set $text (global.get $rest))
        (local.set $len (global.get $rest_len))
        (call $command (global.get $word) (global.get $word_len))
        (call $add_constant (i32.const 0x250))
        (br_if $next (local.get $len))))

    ;; ---- the exports ----

    ;; Ok of the state and, of a request, of the answer: the case at +0, the options at +4 and +16.
    (func $result (result i32)
      (i32.store (i32.const 0x1020) (i32.const 0))
      (i32.store (i32.const 0x1024) (i32.const 1))
      (i32.store (i32.const 0x1028) (global.get $state))
      (i32.store (i32.const 0x102c) (global.get $state_len))
      (i32.store (i32.const 0x1030) (i32.const 1))
      (i32.store (i32.const 0x1034) (global.get $answer))
      (i32.store (i32.const 0x1038) (global.get $answer_len))
      (i32.const 0x1020))

    (func $take (param $some i32) (param $state i32) (param $state_len i32)
      (call $use
        (local.get $state) (select (local.get $state_len) (i32.const 0) (local.get $some))))

    (func $init (export "init")
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $id i32) (param $id_len i32) (result i32)
      (call $take (local.get $some) (local.get $state) (local.get $state_len))
      (call $result))

    (func $handle-send (export "handle-send")
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $msg i32) (param $msg_len i32) (result i32)
      (call $take (local.get $some) (local.get $state) (local.get $state_len))
      (call $script (local.get $msg) (local.get $msg_len))
      (call $result))

    (func $handle-request (export "handle-request")
        (param $some i32) (param $state i32) (param $state_len i32)
        (param $id i32) (param $id_len i32)
        (param $msg i32) (param $msg_len i32) (result i32)
      (call $take (local.get $some) (local.get $state) (local.get $state_len))
      (call $script (local.get $msg) (local.get $msg_len))
      (call $result)))

  (core instance $shelf (instantiate $Shelf
    (with "libc" (instance $libc))
    (with "host" (instance
      (export "new" (func $new))
      (export "store" (func $store))
      (export "get" (func $get))
      (export "exists" (func $exists))
      (export "label" (func $label))
      (export "get-by-label" (func $get-by-label))
      (export "remove-label" (func $remove-label))
      (export "remove-from-label" (func $remove-from-label))
      (export "store-at-label" (func $store-at-label))
      (export "replace-content-at-label" (func $replace-content-at-label))
      (export "replace-at-label" (func $replace-at-label))
      (export "list-labels" (func $list-labels))
      (export "list-all-content" (func $list-all-content))
      (export "calculate-total-size" (func $calculate-total-size))))))

  (func $init
      (param "state" (option (list u8))) (param "params" (tuple string))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $shelf "init")
      (memory $memory) (realloc $realloc) (post-return $reset)))
  (func $handle-send
      (param "state" (option (list u8))) (param "params" (tuple (list u8)))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $shelf "handle-send")
      (memory $memory) (realloc $realloc) (post-return $reset)))
  (func $handle-request
      (param "state" (option (list u8))) (param "params" (tuple string (list u8)))
      (result (result
        (tuple (option (list u8)) (tuple (option (list u8))))
        (error string)))
    (canon lift (core func $shelf "handle-request")
      (memory $memory) (realloc $realloc) (post-return $reset)))

  (instance $actor (export "init" (func $init)))
  (instance $client
    (export "handle-send" (func $handle-send))
    (export "handle-request" (func $handle-request)))
  (export "theater:simple/actor" (instance $actor))
  (export "theater:simple/message-server-client" (instance $client)))
