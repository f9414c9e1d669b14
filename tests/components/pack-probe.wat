;; A package of Pack's, as a plain core module: it does what its messages say.
;;
;; The state is a list<u8>; an initial state that is text becomes its bytes, none the empty list. A
;; message is one command, a letter and what it takes; TO, STORE and NAME end at the first space:
;;
;;   g            nothing                         a X        appends X to the state
;;   s TO BODY    sends                           r TO BODY  asks
;;   p STORE X    puts X into a store             f STORE H  gets what has the hash H
;;   w            makes a store                   l X        logs X
;;   m            who it is                       d X        shuts down with X
;;   i NAME       sets an interval of 20 ms       c NAME     clears it
;;   ! panics, which is to go round for ever      t          traps
;;   e X          returns an error                n X        refuses the call, as the ABI has it
;;   x            names an answer that lies outside of its memory
;;   b            answers what is no value
;;   z            logs what is no string: the argument is not of log's type
;;
;; A request is answered with what the command was answered, or its error, or with the state where
;; it calls nothing. A tick appends the timer's name to the state.
;;
;; What is encoded: a header of 16 bytes (CGRF, version 2, number of nodes, index of the root), then
;; nodes: a kind, three zeros, the length of the payload, the payload. Children come first. So a call
;; is read from the front: the node of the state, then those of the parameters. What is written is
;; one node or two, and behind them nodes that are always the same; those are data.
(module
  (import "theater:simple/runtime" "log" (func $log (param i32 i32 i32 i32) (result i32)))
  (import "theater:simple/runtime" "self" (func $self (param i32 i32 i32 i32) (result i32)))
  (import "theater:simple/runtime" "shutdown" (func $shutdown (param i32 i32 i32 i32) (result i32)))
  (import "theater:simple/message-server-host" "register"
    (func $register (param i32 i32 i32 i32) (result i32)))
  (import "theater:simple/message-server-host" "send"
    (func $send (param i32 i32 i32 i32) (result i32)))
  (import "theater:simple/message-server-host" "request"
    (func $request (param i32 i32 i32 i32) (result i32)))
  (import "theater:simple/store" "new" (func $new (param i32 i32 i32 i32) (result i32)))
  (import "theater:simple/store" "store" (func $store (param i32 i32 i32 i32) (result i32)))
  (import "theater:simple/store" "get" (func $get (param i32 i32 i32 i32) (result i32)))
  (import "theater:simple/timer" "set-interval"
    (func $set-interval (param i32 i32 i32 i32) (result i32)))
  (import "theater:simple/timer" "clear-interval"
    (func $clear-interval (param i32 i32 i32 i32) (result i32)))
  ;; 0x20: where its answers are told; 0x100: the first free block of each size; 0x2000: data
  (memory (export "memory") 2)
  (global $heap (mut i32) (i32.const 0x8000))
  (global $ptr (mut i32) (i32.const 0)) ;; of the bytes that a node holds
  (global $len (mut i32) (i32.const 0))
  (global $state (mut i32) (i32.const 0))
  (global $state-len (mut i32) (i32.const 0))
  (global $reply (mut i32) (i32.const 0))
  (global $reply-len (mut i32) (i32.const 0))
  (global $out (mut i32) (i32.const 0)) ;; what has been encoded
  (global $size (mut i32) (i32.const 0))

  ;; Blocks are of powers of two, and a free one holds the address of the next.
  (func $bin (param $size i32) (result i32)
    (i32.add (i32.const 0x100)
      (i32.shl
        (select
          (i32.sub (i32.const 32) (i32.clz (i32.sub (local.get $size) (i32.const 1))))
          (i32.const 3)
          (i32.gt_u (local.get $size) (i32.const 8)))
        (i32.const 2))))
  (func $alloc (export "__pack_alloc") (param $size i32) (result i32)
    (local $bin i32) (local $at i32) (local $missing i32)
    (if (i32.le_s (local.get $size) (i32.const 0)) (then (return (i32.const 0))))
    (local.set $bin (call $bin (local.get $size)))
    (local.set $at (i32.load (local.get $bin)))
    (if (local.get $at)
      (then (i32.store (local.get $bin) (i32.load (local.get $at))))
      (else
        (local.set $at (global.get $heap))
        (global.set $heap
          (i32.add (local.get $at)
            (i32.shl (i32.const 1)
              (i32.shr_u (i32.sub (local.get $bin) (i32.const 0x100)) (i32.const 2)))))
        (local.set $missing
          (i32.sub
            (i32.shr_u (i32.add (global.get $heap) (i32.const 0xffff)) (i32.const 16))
            (memory.size)))
        (if (i32.gt_s (local.get $missing) (i32.const 0))
          (then
            (if (i32.eq (memory.grow (local.get $missing)) (i32.const -1))
              (then
                (global.set $heap (local.get $at))
                (return (i32.const 0))))))))
    (memory.fill (local.get $at) (i32.const 0) (local.get $size))
    (local.get $at))
  (func $free (export "__pack_free") (param $at i32) (param $size i32)
    (local $bin i32)
    (if (i32.or (i32.eqz (local.get $at)) (i32.eqz (local.get $size))) (then (return)))
    (local.set $bin (call $bin (local.get $size)))
    (i32.store (local.get $at) (i32.load (local.get $bin)))
    (i32.store (local.get $bin) (local.get $at)))

  ;; Its metadata: what it imports and exports, with the hashes of the interfaces.
  (func (export "__pack_types") (param $out-ptr i32) (param $out-len i32) (result i32)
    (i32.store (local.get $out-ptr) (i32.const 0x3000))
    (i32.store (local.get $out-len) (i32.const 8664))
    (i32.const 0))
    (data (i32.const 0x3000)
      "CGRF\02\00\00\00\f8\00\00\00\f7\00\00\00\06\00\00\00\1a\00\00\00\16\00\00\00theater:simple/runtime\06\00\00\00\07\00\00\00\03\00"
      "\00\00log\06\00\00\00\07\00\00\00\03\00\00\00msg\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00t\0c\00\00\00\00\00\00\00\09\00\00\00%\00"
      "\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00type\02\00\00\00\03\00\00\00\07\00\00\00\12\00\00\00\09\05\00\00\00param\01\00\00"
      "\00\04\00\00\00\07\00\00\00\12\00\00\00\08\09\00\00\00type-desc\00\00\00\00\09\00\00\00N\00\00\00\0c\00\00\00function-sig\04\00\00\00\09"
      "\00\00\00interface\04\00\00\00name\06\00\00\00params\07\00\00\00results\00\00\00\00\01\00\00\00\05\00\00\00\06\00\00\00\06\00\00"
      "\00\1a\00\00\00\16\00\00\00theater:simple/runtime\06\00\00\00\08\00\00\00\04\00\00\00self\07\00\00\00\0e\00\00\00\09\05\00\00\00"
      "param\00\00\00\00\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00t\0c\00\00\00\00\00\00\00\07\00\00\00\16\00\00\00\08\09\00\00\00type"
      "-desc\01\00\00\00\0b\00\00\00\09\00\00\00N\00\00\00\0c\00\00\00function-sig\04\00\00\00\09\00\00\00interface\04\00\00\00na"
      "me\06\00\00\00params\07\00\00\00results\08\00\00\00\09\00\00\00\0a\00\00\00\0c\00\00\00\06\00\00\00\1a\00\00\00\16\00\00\00theater:s"
      "imple/runtime\06\00\00\00\0c\00\00\00\08\00\00\00shutdown\06\00\00\00\08\00\00\00\04\00\00\00data\08\00\00\00\1a\00\00\00\09\00\00"
      "\00type-desc\01\00\00\00t\01\00\00\00\00\00\00\00\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\01\00\00\00t\0e\00\00\00\01\00\00\00\11\00\00"
      "\00\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\01\00\00\00t\0f\00\00\00\01\00\00\00\12\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00"
      "\04\00\00\00name\04\00\00\00type\10\00\00\00\13\00\00\00\07\00\00\00\12\00\00\00\09\05\00\00\00param\01\00\00\00\14\00\00\00\08\00\00\00\1a\00\00\00\09\00"
      "\00\00type-desc\01\00\00\00t\00\00\00\00\00\00\00\00\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00t\0c\00\00\00\00\00\00\00\09\00"
      "\00\00\1e\00\00\00\01\00\00\00r\02\00\00\00\02\00\00\00ok\03\00\00\00err\16\00\00\00\17\00\00\00\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\01\00\00"
      "\00t\10\00\00\00\01\00\00\00\18\00\00\00\07\00\00\00\16\00\00\00\08\09\00\00\00type-desc\01\00\00\00\19\00\00\00\09\00\00\00N\00\00\00\0c\00\00\00func"
      "tion-sig\04\00\00\00\09\00\00\00interface\04\00\00\00name\06\00\00\00params\07\00\00\00results\0e\00\00\00\0f\00"
      "\00\00\15\00\00\00\1a\00\00\00\06\00\00\00&\00\00\00\22\00\00\00theater:simple/message-server-host\06\00\00\00"
      "\0c\00\00\00\08\00\00\00register\07\00\00\00\0e\00\00\00\09\05\00\00\00param\00\00\00\00\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01"
      "\00\00\00t\00\00\00\00\00\00\00\00\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00t\0c\00\00\00\00\00\00\00\09\00\00\00\1e\00\00\00\01\00\00\00r\02"
      "\00\00\00\02\00\00\00ok\03\00\00\00err\1f\00\00\00 \00\00\00\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\01\00\00\00t\10\00\00\00\01\00\00\00!\00"
      "\00\00\07\00\00\00\16\00\00\00\08\09\00\00\00type-desc\01\00\00\00\22\00\00\00\09\00\00\00N\00\00\00\0c\00\00\00function-sig\04\00\00\00"
      "\09\00\00\00interface\04\00\00\00name\06\00\00\00params\07\00\00\00results\1c\00\00\00\1d\00\00\00\1e\00\00\00#\00\00\00\06\00"
      "\00\00&\00\00\00\22\00\00\00theater:simple/message-server-host\06\00\00\00\08\00\00\00\04\00\00\00send"
      "\06\00\00\00\0c\00\00\00\08\00\00\00actor-id\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00t\0c\00\00\00\00\00\00\00\09\00\00\00%\00"
      "\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00type'\00\00\00(\00\00\00\06\00\00\00\07\00\00\00\03\00\00\00msg\08\00\00\00\1a\00"
      "\00\00\09\00\00\00type-desc\01\00\00\00t\01\00\00\00\00\00\00\00\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\01\00\00\00t\0e\00\00\00\01\00"
      "\00\00+\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00type*\00\00\00,\00\00\00\07\00\00\00\16\00\00\00\09"
      "\05\00\00\00param\02\00\00\00)\00\00\00-\00\00\00\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00t\00\00\00\00\00\00\00\00\08\00\00\00\1a"
      "\00\00\00\09\00\00\00type-desc\01\00\00\00t\0c\00\00\00\00\00\00\00\09\00\00\00\1e\00\00\00\01\00\00\00r\02\00\00\00\02\00\00\00ok\03\00\00\00err/"
      "\00\00\000\00\00\00\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\01\00\00\00t\10\00\00\00\01\00\00\001\00\00\00\07\00\00\00\16\00\00\00\08\09\00\00\00ty"
      "pe-desc\01\00\00\002\00\00\00\09\00\00\00N\00\00\00\0c\00\00\00function-sig\04\00\00\00\09\00\00\00interface\04\00\00\00"
      "name\06\00\00\00params\07\00\00\00results%\00\00\00&\00\00\00.\00\00\003\00\00\00\06\00\00\00&\00\00\00\22\00\00\00theater"
      ":simple/message-server-host\06\00\00\00\0b\00\00\00\07\00\00\00request\06\00\00\00\0c\00\00\00\08\00\00\00ac"
      "tor-id\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00t\0c\00\00\00\00\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00"
      "\00\04\00\00\00name\04\00\00\00type7\00\00\008\00\00\00\06\00\00\00\07\00\00\00\03\00\00\00msg\08\00\00\00\1a\00\00\00\09\00\00\00type-des"
      "c\01\00\00\00t\01\00\00\00\00\00\00\00\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\01\00\00\00t\0e\00\00\00\01\00\00\00;\00\00\00\09\00\00\00%\00\00\00"
      "\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00type:\00\00\00<\00\00\00\07\00\00\00\16\00\00\00\09\05\00\00\00param\02\00\00\009"
      "\00\00\00=\00\00\00\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00t\01\00\00\00\00\00\00\00\08\00\00\00\1e\00\00\00\09\00\00\00type-de"
      "sc\01\00\00\00t\0e\00\00\00\01\00\00\00?\00\00\00\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00t\0c\00\00\00\00\00\00\00\09\00\00\00\1e\00\00"
      "\00\01\00\00\00r\02\00\00\00\02\00\00\00ok\03\00\00\00err@\00\00\00A\00\00\00\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\01\00\00\00t\10\00\00"
      "\00\01\00\00\00B\00\00\00\07\00\00\00\16\00\00\00\08\09\00\00\00type-desc\01\00\00\00C\00\00\00\09\00\00\00N\00\00\00\0c\00\00\00function-"
      "sig\04\00\00\00\09\00\00\00interface\04\00\00\00name\06\00\00\00params\07\00\00\00results5\00\00\006\00\00\00>\00\00"
      "\00D\00\00\00\06\00\00\00\18\00\00\00\14\00\00\00theater:simple/store\06\00\00\00\07\00\00\00\03\00\00\00new\07\00\00\00\0e\00\00\00"
      "\09\05\00\00\00param\00\00\00\00\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00t\0c\00\00\00\00\00\00\00\08\00\00\00\1a\00\00\00\09\00\00\00"
      "type-desc\01\00\00\00t\0c\00\00\00\00\00\00\00\09\00\00\00\1e\00\00\00\01\00\00\00r\02\00\00\00\02\00\00\00ok\03\00\00\00errI\00\00\00J\00\00\00"
      "\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\01\00\00\00t\10\00\00\00\01\00\00\00K\00\00\00\07\00\00\00\16\00\00\00\08\09\00\00\00type-desc"
      "\01\00\00\00L\00\00\00\09\00\00\00N\00\00\00\0c\00\00\00function-sig\04\00\00\00\09\00\00\00interface\04\00\00\00name\06\00\00"
      "\00params\07\00\00\00resultsF\00\00\00G\00\00\00H\00\00\00M\00\00\00\06\00\00\00\18\00\00\00\14\00\00\00theater:simple"
      "/store\06\00\00\00\09\00\00\00\05\00\00\00store\06\00\00\00\0c\00\00\00\08\00\00\00store-id\08\00\00\00\1a\00\00\00\09\00\00\00type-"
      "desc\01\00\00\00t\0c\00\00\00\00\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00typeQ\00\00\00R\00"
      "\00\00\06\00\00\00\0b\00\00\00\07\00\00\00content\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00t\01\00\00\00\00\00\00\00\08\00\00\00\1e"
      "\00\00\00\09\00\00\00type-desc\01\00\00\00t\0e\00\00\00\01\00\00\00U\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00na"
      "me\04\00\00\00typeT\00\00\00V\00\00\00\07\00\00\00\16\00\00\00\09\05\00\00\00param\02\00\00\00S\00\00\00W\00\00\00\08\00\00\00\1a\00\00\00\09\00\00\00"
      "type-desc\01\00\00\00t\0c\00\00\00\00\00\00\00\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00t\0c\00\00\00\00\00\00\00\09\00\00\00"
      "\1e\00\00\00\01\00\00\00r\02\00\00\00\02\00\00\00ok\03\00\00\00errY\00\00\00Z\00\00\00\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\01\00\00\00t"
      "\10\00\00\00\01\00\00\00[\00\00\00\07\00\00\00\16\00\00\00\08\09\00\00\00type-desc\01\00\00\00\5c\00\00\00\09\00\00\00N\00\00\00\0c\00\00\00functi"
      "on-sig\04\00\00\00\09\00\00\00interface\04\00\00\00name\06\00\00\00params\07\00\00\00resultsO\00\00\00P\00\00\00"
      "X\00\00\00]\00\00\00\06\00\00\00\18\00\00\00\14\00\00\00theater:simple/store\06\00\00\00\07\00\00\00\03\00\00\00get\06\00\00\00\0c"
      "\00\00\00\08\00\00\00store-id\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00t\0c\00\00\00\00\00\00\00\09\00\00\00%\00\00\00\05\00\00"
      "\00param\02\00\00\00\04\00\00\00name\04\00\00\00typea\00\00\00b\00\00\00\06\00\00\00\0f\00\00\00\0b\00\00\00content-ref\08\00\00"
      "\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00t\0c\00\00\00\00\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name"
      "\04\00\00\00typed\00\00\00e\00\00\00\07\00\00\00\16\00\00\00\09\05\00\00\00param\02\00\00\00c\00\00\00f\00\00\00\08\00\00\00\1a\00\00\00\09\00\00\00ty"
      "pe-desc\01\00\00\00t\01\00\00\00\00\00\00\00\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\01\00\00\00t\0e\00\00\00\01\00\00\00h\00\00\00\08\00"
      "\00\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00t\0c\00\00\00\00\00\00\00\09\00\00\00\1e\00\00\00\01\00\00\00r\02\00\00\00\02\00\00\00ok\03\00\00\00e"
      "rri\00\00\00j\00\00\00\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\01\00\00\00t\10\00\00\00\01\00\00\00k\00\00\00\07\00\00\00\16\00\00\00\08\09\00\00"
      "\00type-desc\01\00\00\00l\00\00\00\09\00\00\00N\00\00\00\0c\00\00\00function-sig\04\00\00\00\09\00\00\00interface\04"
      "\00\00\00name\06\00\00\00params\07\00\00\00results_\00\00\00`\00\00\00g\00\00\00m\00\00\00\06\00\00\00\18\00\00\00\14\00\00\00thea"
      "ter:simple/timer\06\00\00\00\10\00\00\00\0c\00\00\00set-interval\06\00\00\00\08\00\00\00\04\00\00\00name\08\00\00\00"
      "\1a\00\00\00\09\00\00\00type-desc\01\00\00\00t\0c\00\00\00\00\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04"
      "\00\00\00typeq\00\00\00r\00\00\00\06\00\00\00\0f\00\00\00\0b\00\00\00interval-ms\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01"
      "\00\00\00t\04\00\00\00\00\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00typet\00\00\00u\00\00\00\07\00\00"
      "\00\16\00\00\00\09\05\00\00\00param\02\00\00\00s\00\00\00v\00\00\00\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00t\0c\00\00\00\00\00\00"
      "\00\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00t\0c\00\00\00\00\00\00\00\09\00\00\00\1e\00\00\00\01\00\00\00r\02\00\00\00\02\00\00\00ok\03\00"
      "\00\00errx\00\00\00y\00\00\00\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\01\00\00\00t\10\00\00\00\01\00\00\00z\00\00\00\07\00\00\00\16\00\00\00\08"
      "\09\00\00\00type-desc\01\00\00\00{\00\00\00\09\00\00\00N\00\00\00\0c\00\00\00function-sig\04\00\00\00\09\00\00\00interfa"
      "ce\04\00\00\00name\06\00\00\00params\07\00\00\00resultso\00\00\00p\00\00\00w\00\00\00|\00\00\00\06\00\00\00\18\00\00\00\14\00\00\00t"
      "heater:simple/timer\06\00\00\00\12\00\00\00\0e\00\00\00clear-interval\06\00\00\00\08\00\00\00\04\00\00\00nam"
      "e\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00t\0c\00\00\00\00\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00"
      "name\04\00\00\00type\80\00\00\00\81\00\00\00\07\00\00\00\12\00\00\00\09\05\00\00\00param\01\00\00\00\82\00\00\00\08\00\00\00\1a\00\00\00\09\00\00\00ty"
      "pe-desc\01\00\00\00t\00\00\00\00\00\00\00\00\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00t\0c\00\00\00\00\00\00\00\09\00\00\00\1e\00"
      "\00\00\01\00\00\00r\02\00\00\00\02\00\00\00ok\03\00\00\00err\84\00\00\00\85\00\00\00\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\01\00\00\00t\10\00"
      "\00\00\01\00\00\00\86\00\00\00\07\00\00\00\16\00\00\00\08\09\00\00\00type-desc\01\00\00\00\87\00\00\00\09\00\00\00N\00\00\00\0c\00\00\00function"
      "-sig\04\00\00\00\09\00\00\00interface\04\00\00\00name\06\00\00\00params\07\00\00\00results~\00\00\00\7f\00\00\00\83\00"
      "\00\00\88\00\00\00\07\00\00\00A\00\00\00\09\0c\00\00\00function-sig\0b\00\00\00\07\00\00\00\0d\00\00\00\1b\00\00\00$\00\00\004\00\00\00E\00\00\00N"
      "\00\00\00^\00\00\00n\00\00\00}\00\00\00\89\00\00\00\06\00\00\00\18\00\00\00\14\00\00\00theater:simple/actor\06\00\00\00\08\00\00\00\04"
      "\00\00\00init\06\00\00\00\09\00\00\00\05\00\00\00state\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00t\14\00\00\00\00\00\00\00\09\00"
      "\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00type\8d\00\00\00\8e\00\00\00\07\00\00\00\12\00\00\00\09\05\00\00\00para"
      "m\01\00\00\00\8f\00\00\00\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00t\14\00\00\00\00\00\00\00\08\00\00\00\1a\00\00\00\09\00\00\00type-"
      "desc\01\00\00\00t\0c\00\00\00\00\00\00\00\09\00\00\00\1e\00\00\00\01\00\00\00r\02\00\00\00\02\00\00\00ok\03\00\00\00err\91\00\00\00\92\00\00\00\08\00\00\00\1e"
      "\00\00\00\09\00\00\00type-desc\01\00\00\00t\10\00\00\00\01\00\00\00\93\00\00\00\07\00\00\00\16\00\00\00\08\09\00\00\00type-desc\01\00\00\00\94"
      "\00\00\00\09\00\00\00N\00\00\00\0c\00\00\00function-sig\04\00\00\00\09\00\00\00interface\04\00\00\00name\06\00\00\00para"
      "ms\07\00\00\00results\8b\00\00\00\8c\00\00\00\90\00\00\00\95\00\00\00\06\00\00\00(\00\00\00$\00\00\00theater:simple/mess"
      "age-server-client\06\00\00\00\0f\00\00\00\0b\00\00\00handle-send\06\00\00\00\09\00\00\00\05\00\00\00state\08\00\00"
      "\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00t\01\00\00\00\00\00\00\00\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\01\00\00\00t\0e\00\00"
      "\00\01\00\00\00\9a\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00type\99\00\00\00\9b\00\00\00\06\00\00\00\07\00"
      "\00\00\03\00\00\00msg\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00t\01\00\00\00\00\00\00\00\08\00\00\00\1e\00\00\00\09\00\00\00type-"
      "desc\01\00\00\00t\0e\00\00\00\01\00\00\00\9e\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00type\9d\00"
      "\00\00\9f\00\00\00\07\00\00\00\16\00\00\00\09\05\00\00\00param\02\00\00\00\9c\00\00\00\a0\00\00\00\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00\00"
      "\00t\14\00\00\00\00\00\00\00\07\00\00\00\16\00\00\00\08\09\00\00\00type-desc\01\00\00\00\a2\00\00\00\09\00\00\00N\00\00\00\0c\00\00\00function"
      "-sig\04\00\00\00\09\00\00\00interface\04\00\00\00name\06\00\00\00params\07\00\00\00results\97\00\00\00\98\00\00\00\a1\00"
      "\00\00\a3\00\00\00\06\00\00\00(\00\00\00$\00\00\00theater:simple/message-server-client\06\00\00\00\12\00"
      "\00\00\0e\00\00\00handle-request\06\00\00\00\09\00\00\00\05\00\00\00state\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00"
      "\00\00t\01\00\00\00\00\00\00\00\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\01\00\00\00t\0e\00\00\00\01\00\00\00\a8\00\00\00\09\00\00\00%\00\00\00\05\00\00"
      "\00param\02\00\00\00\04\00\00\00name\04\00\00\00type\a7\00\00\00\a9\00\00\00\06\00\00\00\06\00\00\00\02\00\00\00id\08\00\00\00\1a\00\00\00\09\00\00\00"
      "type-desc\01\00\00\00t\0c\00\00\00\00\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00type\ab"
      "\00\00\00\ac\00\00\00\06\00\00\00\07\00\00\00\03\00\00\00msg\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00t\01\00\00\00\00\00\00\00\08\00\00\00"
      "\1e\00\00\00\09\00\00\00type-desc\01\00\00\00t\0e\00\00\00\01\00\00\00\af\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00n"
      "ame\04\00\00\00type\ae\00\00\00\b0\00\00\00\07\00\00\00\1a\00\00\00\09\05\00\00\00param\03\00\00\00\aa\00\00\00\ad\00\00\00\b1\00\00\00\08\00\00\00\1a\00\00"
      "\00\09\00\00\00type-desc\01\00\00\00t\14\00\00\00\00\00\00\00\07\00\00\00\16\00\00\00\08\09\00\00\00type-desc\01\00\00\00\b3\00\00\00\09\00\00"
      "\00N\00\00\00\0c\00\00\00function-sig\04\00\00\00\09\00\00\00interface\04\00\00\00name\06\00\00\00params\07\00\00\00"
      "results\a5\00\00\00\a6\00\00\00\b2\00\00\00\b4\00\00\00\06\00\00\00\18\00\00\00\14\00\00\00theater:simple/timer\06\00\00\00\0f"
      "\00\00\00\0b\00\00\00handle-tick\06\00\00\00\09\00\00\00\05\00\00\00state\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00"
      "t\01\00\00\00\00\00\00\00\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\01\00\00\00t\0e\00\00\00\01\00\00\00\b9\00\00\00\09\00\00\00%\00\00\00\05\00\00\00p"
      "aram\02\00\00\00\04\00\00\00name\04\00\00\00type\b8\00\00\00\ba\00\00\00\06\00\00\00\08\00\00\00\04\00\00\00name\08\00\00\00\1a\00\00\00\09\00\00\00"
      "type-desc\01\00\00\00t\0c\00\00\00\00\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00type\bc"
      "\00\00\00\bd\00\00\00\07\00\00\00\16\00\00\00\09\05\00\00\00param\02\00\00\00\bb\00\00\00\be\00\00\00\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00"
      "\00\00t\14\00\00\00\00\00\00\00\07\00\00\00\16\00\00\00\08\09\00\00\00type-desc\01\00\00\00\c0\00\00\00\09\00\00\00N\00\00\00\0c\00\00\00functio"
      "n-sig\04\00\00\00\09\00\00\00interface\04\00\00\00name\06\00\00\00params\07\00\00\00results\b6\00\00\00\b7\00\00\00\bf"
      "\00\00\00\c1\00\00\00\07\00\00\00%\00\00\00\09\0c\00\00\00function-sig\04\00\00\00\96\00\00\00\a4\00\00\00\b5\00\00\00\c2\00\00\00\06\00\00\00\1a\00\00\00"
      "\16\00\00\00theater:simple/runtime\0f\00\00\00\08\00\00\00Z\8aw\060LS\1b\0f\00\00\00\08\00\00\00\d5\a5\aa\83\d0\b3\f6\0c\0f\00"
      "\00\00\08\00\00\00<\5c\a5\8eZ\d9\98T\0f\00\00\00\08\00\00\00\17_\b7F`\b2\df\c4\0b\00\00\00\14\00\00\00\04\00\00\00\c5\00\00\00\c6\00\00\00\c7\00\00\00\c8\00\00\00\09\00"
      "\00\00.\00\00\00\0e\00\00\00interface-hash\02\00\00\00\04\00\00\00name\04\00\00\00hash\c4\00\00\00\c9\00\00\00\06\00\00\00&\00\00\00"
      "\22\00\00\00theater:simple/message-server-host\0f\00\00\00\08\00\00\00\8f\a3\d0\b1\1c;<\b8\0f\00\00\00\08\00"
      "\00\00\f4\f7\03R\07\16\db\83\0f\00\00\00\08\00\00\00\ff|?e\8c+\aaM\0f\00\00\00\08\00\00\00y\a2\036\05\14\a5\c8\0b\00\00\00\14\00\00\00\04\00\00\00\cc\00\00\00\cd\00"
      "\00\00\ce\00\00\00\cf\00\00\00\09\00\00\00.\00\00\00\0e\00\00\00interface-hash\02\00\00\00\04\00\00\00name\04\00\00\00hash\cb\00\00\00"
      "\d0\00\00\00\06\00\00\00\18\00\00\00\14\00\00\00theater:simple/store\0f\00\00\00\08\00\00\00\c5\a3\df#Q\eb\bd\fe\0f\00\00\00\08\00\00\00"
      "\a5!\c9\ed\e4\c4\5c\9b\0f\00\00\00\08\00\00\00\c4$\b7\9cB:yt\0f\00\00\00\08\00\00\00\1b\fc\b2\d7\f9\bd\b9\e1\0b\00\00\00\14\00\00\00\04\00\00\00\d3\00\00\00\d4\00\00\00"
      "\d5\00\00\00\d6\00\00\00\09\00\00\00.\00\00\00\0e\00\00\00interface-hash\02\00\00\00\04\00\00\00name\04\00\00\00hash\d2\00\00\00\d7\00"
      "\00\00\06\00\00\00\18\00\00\00\14\00\00\00theater:simple/timer\0f\00\00\00\08\00\00\00\93\ff\90\ad\9e\e0\d7\a4\0f\00\00\00\08\00\00\00\81,"
      "\08u/\c0\04\d4\0f\00\00\00\08\00\00\00[\a2\e0\149\b2&\0a\0f\00\00\00\08\00\00\00h\14\edW\f8{\ab\d6\0b\00\00\00\14\00\00\00\04\00\00\00\da\00\00\00\db\00\00\00\dc\00"
      "\00\00\dd\00\00\00\09\00\00\00.\00\00\00\0e\00\00\00interface-hash\02\00\00\00\04\00\00\00name\04\00\00\00hash\d9\00\00\00\de\00\00\00"
      "\07\00\00\00'\00\00\00\09\0e\00\00\00interface-hash\04\00\00\00\ca\00\00\00\d1\00\00\00\d8\00\00\00\df\00\00\00\06\00\00\00\18\00\00\00\14\00\00\00t"
      "heater:simple/actor\0f\00\00\00\08\00\00\00h\95\b8Hd\a0I)\0f\00\00\00\08\00\00\00\dcERk7\a3\c8\c1\0f\00\00\00\08\00\00\00;"
      "\ba\c1\14#\22\82J\0f\00\00\00\08\00\00\00\996\f9\1c\89\ae\cdX\0b\00\00\00\14\00\00\00\04\00\00\00\e2\00\00\00\e3\00\00\00\e4\00\00\00\e5\00\00\00\09\00\00\00.\00\00\00\0e"
      "\00\00\00interface-hash\02\00\00\00\04\00\00\00name\04\00\00\00hash\e1\00\00\00\e6\00\00\00\06\00\00\00(\00\00\00$\00\00\00the"
      "ater:simple/message-server-client\0f\00\00\00\08\00\00\00\13$\1a\f9_\19=\f4\0f\00\00\00\08\00\00\00\8d\8b\c3"
      "\0ax\ca\c8\ae\0f\00\00\00\08\00\00\00'/\89\ce\0b:\f0\f5\0f\00\00\00\08\00\00\00\f6RRB\02\e0\cf\08\0b\00\00\00\14\00\00\00\04\00\00\00\e9\00\00\00\ea\00\00\00\eb\00\00"
      "\00\ec\00\00\00\09\00\00\00.\00\00\00\0e\00\00\00interface-hash\02\00\00\00\04\00\00\00name\04\00\00\00hash\e8\00\00\00\ed\00\00\00\06"
      "\00\00\00\18\00\00\00\14\00\00\00theater:simple/timer\0f\00\00\00\08\00\00\00kf\d6\0a\96?{v\0f\00\00\00\08\00\00\00\8d\b1\8b\e1\b9"
      "\f6 j\0f\00\00\00\08\00\00\00\9b\81Q\a0\b1\81\9d\c2\0f\00\00\00\08\00\00\00uVW23f\ee\b0\0b\00\00\00\14\00\00\00\04\00\00\00\f0\00\00\00\f1\00\00\00\f2\00\00\00\f3"
      "\00\00\00\09\00\00\00.\00\00\00\0e\00\00\00interface-hash\02\00\00\00\04\00\00\00name\04\00\00\00hash\ef\00\00\00\f4\00\00\00\07\00\00"
      "\00#\00\00\00\09\0e\00\00\00interface-hash\03\00\00\00\e7\00\00\00\ee\00\00\00\f5\00\00\00\09\00\00\00`\00\00\00\10\00\00\00package-"
      "metadata\04\00\00\00\07\00\00\00imports\07\00\00\00exports\0d\00\00\00import-hashes\0d\00\00\00expor"
      "t-hashes\8a\00\00\00\c3\00\00\00\e0\00\00\00\f6\00\00\00")

  ;; Nodes that come last: ok((state)), ok((state, (some(reply)))), and so on.
    (data (i32.const 0x2000) "\0b\00\00\00\08\00\00\00\01\00\00\00\00\00\00\00\14\00\00\00\0b\00\00\00\06\06\00\00\00\00\01\01\00\00\00") ;; state: 3 nodes
    (data (i32.const 0x2030) "\0a\00\00\00\07\00\00\00\07\0c\01\01\00\00\00\0b\00\00\00\08\00\00\00\01\00\00\00\02\00\00\00\0b\00\00\00\0c\00\00\00\02\00\00\00\00\00\00\00\03\00\00\00\14\00\00\00\0b\00\00\00\06\06\00\00\00\00\01\04\00\00\00") ;; reply: 6 nodes
    (data (i32.const 0x2080) "\14\00\00\00\0b\00\00\00\06\06\01\00\00\00\01\00\00\00\00") ;; err: 2 nodes
    (data (i32.const 0x20a0) "\0b\00\00\00\0c\00\00\00\02\00\00\00\00\00\00\00\01\00\00\00") ;; pair: 3 nodes
    (data (i32.const 0x20c0) "\0b\00\00\00\04\00\00\00\00\00\00\00") ;; unit: 1 nodes
    (data (i32.const 0x20d0) "\0a\00\00\00\07\00\00\00\07\0c\01\00\00\00\00") ;; some: 2 nodes
    (data (i32.const 0x20e0) "\0f\00\00\00\08\00\00\00\14\00\00\00\00\00\00\00\0b\00\00\00\0c\00\00\00\02\00\00\00\00\00\00\00\01\00\00\00") ;; interval: 3 nodes

  ;; The bytes of a list<u8> or a string; of any other node none.
  (func $bytes (param $node i32)
    (global.set $len (i32.const 0))
    (if (i32.eq (i32.load8_u (local.get $node)) (i32.const 0x15))
      (then
        (global.set $ptr (i32.add (local.get $node) (i32.const 13)))
        (global.set $len (i32.load (i32.add (local.get $node) (i32.const 9))))))
    (if (i32.eq (i32.load8_u (local.get $node)) (i32.const 0x06))
      (then
        (global.set $ptr (i32.add (local.get $node) (i32.const 12)))
        (global.set $len (i32.load (i32.add (local.get $node) (i32.const 8)))))))
  (func $next (param $node i32) (result i32)
    (i32.add
      (i32.add (local.get $node) (i32.const 8))
      (i32.load (i32.add (local.get $node) (i32.const 4)))))

  ;; The first node of a call is the state; returns the second.
  (func $take-state (param $in i32) (result i32)
    (call $bytes (i32.add (local.get $in) (i32.const 16)))
    (global.set $state (global.get $ptr))
    (global.set $state-len (global.get $len))
    (call $next (i32.add (local.get $in) (i32.const 16))))

  ;; One node of bytes or a string; returns where the next one goes. Of no kind it is none.
  (func $node (param $at i32) (param $kind i32) (param $from i32) (param $size i32) (result i32)
    (if (i32.eqz (local.get $kind)) (then (return (local.get $at))))
    (i32.store (local.get $at) (local.get $kind))
    (if (i32.eq (local.get $kind) (i32.const 0x15))
      (then
        (i32.store offset=4 (local.get $at) (i32.add (local.get $size) (i32.const 5)))
        (i32.store8 offset=8 (local.get $at) (i32.const 0x0c)) ;; of u8
        (local.set $at (i32.add (local.get $at) (i32.const 1))))
      (else (i32.store offset=4 (local.get $at) (i32.add (local.get $size) (i32.const 4)))))
    (i32.store offset=8 (local.get $at) (local.get $size))
    (local.set $at (i32.add (local.get $at) (i32.const 12)))
    (memory.copy (local.get $at) (local.get $from) (local.get $size))
    (i32.add (local.get $at) (local.get $size)))

  (func $node-size (param $kind i32) (param $size i32) (result i32)
    (if (i32.eqz (local.get $kind)) (then (return (i32.const 0))))
    (i32.add (local.get $size)
      (select (i32.const 13) (i32.const 12) (i32.eq (local.get $kind) (i32.const 0x15)))))

  ;; Up to two nodes, and those that come last: `$out` and `$size` are what they are together.
  (func $encode
      (param $a-kind i32) (param $a i32) (param $a-len i32)
      (param $b-kind i32) (param $b i32) (param $b-len i32)
      (param $last i32) (param $last-len i32) (param $nodes i32)
    (local $at i32)
    (global.set $size
      (i32.add
        (i32.add (i32.const 16) (local.get $last-len))
        (i32.add
          (call $node-size (local.get $a-kind) (local.get $a-len))
          (call $node-size (local.get $b-kind) (local.get $b-len)))))
    (global.set $out (call $alloc (global.get $size)))
    (if (i32.eqz (global.get $out)) (then (loop $panic (br $panic))))
    (i32.store (global.get $out) (i32.const 0x46524743)) ;; CGRF
    (i32.store offset=4 (global.get $out) (i32.const 2))
    (i32.store offset=8 (global.get $out) (local.get $nodes))
    (i32.store offset=12 (global.get $out) (i32.sub (local.get $nodes) (i32.const 1)))
    (local.set $at
      (call $node
        (call $node (i32.add (global.get $out) (i32.const 16))
          (local.get $a-kind) (local.get $a) (local.get $a-len))
        (local.get $b-kind) (local.get $b) (local.get $b-len)))
    (memory.copy (local.get $at) (local.get $last) (local.get $last-len)))

  (func $answer (param $out-ptr i32) (param $out-len i32) (result i32)
    (i32.store (local.get $out-ptr) (global.get $out))
    (i32.store (local.get $out-len) (global.get $size))
    (i32.const 0))
  (func $answer-state (param $out-ptr i32) (param $out-len i32) (result i32)
    (call $encode (i32.const 0x15) (global.get $state) (global.get $state-len)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0x2000) (i32.const 35) (i32.const 3))
    (call $answer (local.get $out-ptr) (local.get $out-len)))
  ;; What it calls is told by this: `$out` and `$size` are the argument, `$reply` becomes the first
  ;; node of the answer, or of what an ok or an err of it holds.
  (type $call (func (param i32 i32 i32 i32) (result i32)))
  (table funcref
    (elem $log $self $shutdown $register $send $request $new $store $get $set-interval
      $clear-interval))
  (func $ask (param $function i32)
    (if
      (call_indirect (type $call)
        (global.get $out) (global.get $size) (i32.const 0x20) (i32.const 0x24)
        (local.get $function))
      (then (call $panic)))
    (call $free (global.get $out) (global.get $size))
    (call $bytes (i32.add (i32.load (i32.const 0x20)) (i32.const 16)))
    (global.set $reply (global.get $ptr))
    (global.set $reply-len (global.get $len)))

  (func (export "theater:simple/actor.init")
      (param $in i32) (param $len i32) (param $out-ptr i32) (param $out-len i32) (result i32)
    (drop (call $take-state (local.get $in)))
    (call $encode (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0x20c0) (i32.const 12) (i32.const 1))
    (call $ask (i32.const 3))
    (call $answer-state (local.get $out-ptr) (local.get $out-len)))

  (func (export "theater:simple/message-server-client.handle-send")
      (param $in i32) (param $len i32) (param $out-ptr i32) (param $out-len i32) (result i32)
    (call $run (call $take-state (local.get $in)) (local.get $out-ptr) (local.get $out-len)
      (i32.const 0)))

  (func (export "theater:simple/message-server-client.handle-request")
      (param $in i32) (param $len i32) (param $out-ptr i32) (param $out-len i32) (result i32)
    (call $run (call $next (call $take-state (local.get $in))) (local.get $out-ptr)
      (local.get $out-len) (i32.const 1)))

  (func (export "theater:simple/timer.handle-tick")
      (param $in i32) (param $len i32) (param $out-ptr i32) (param $out-len i32) (result i32)
    (call $bytes (call $take-state (local.get $in)))
    (call $append (global.get $ptr) (global.get $len))
    (call $answer-state (local.get $out-ptr) (local.get $out-len)))

  (func $run (param $node i32) (param $out-ptr i32) (param $out-len i32) (param $is-request i32)
      (result i32)
    (local $op i32) (local $a i32) (local $a-len i32) (local $b i32) (local $b-len i32)
    (call $bytes (local.get $node))
    (global.set $reply (global.get $state))
    (global.set $reply-len (global.get $state-len))
    (local.set $op (i32.load8_u (global.get $ptr)))
    ;; What follows the letter and its space, and of that what comes before and after a space.
    (local.set $a (i32.add (global.get $ptr) (i32.const 2)))
    (local.set $b-len
      (select (i32.sub (global.get $len) (i32.const 2)) (i32.const 0)
        (i32.gt_u (global.get $len) (i32.const 2))))
    (local.set $b (local.get $a))
    (block $found
      (loop $more
        (br_if $found (i32.eq (local.get $a-len) (local.get $b-len)))
        (br_if $found
          (i32.eq (i32.load8_u (i32.add (local.get $a) (local.get $a-len))) (i32.const 0x20)))
        (local.set $a-len (i32.add (local.get $a-len) (i32.const 1)))
        (br $more)))
    (if (i32.lt_u (local.get $a-len) (local.get $b-len))
      (then
        (local.set $b (i32.add (i32.add (local.get $a) (local.get $a-len)) (i32.const 1)))
        (local.set $b-len
          (i32.sub (i32.sub (local.get $b-len) (local.get $a-len)) (i32.const 1)))))
    (if (i32.eq (local.get $op) (i32.const 0x61)) ;; a
      (then
        (call $append (local.get $a) (i32.sub (global.get $len) (i32.const 2)))
        (global.set $reply (global.get $state))
        (global.set $reply-len (global.get $state-len))))
    (if (i32.eq (local.get $op) (i32.const 0x73)) ;; s
      (then (call $pair (i32.const 0x15) (local.get $a) (local.get $a-len) (local.get $b)
        (local.get $b-len)) (call $ask (i32.const 4))))
    (if (i32.eq (local.get $op) (i32.const 0x72)) ;; r
      (then (call $pair (i32.const 0x15) (local.get $a) (local.get $a-len) (local.get $b)
        (local.get $b-len)) (call $ask (i32.const 5))))
    (if (i32.eq (local.get $op) (i32.const 0x70)) ;; p
      (then (call $pair (i32.const 0x15) (local.get $a) (local.get $a-len) (local.get $b)
        (local.get $b-len)) (call $ask (i32.const 7))))
    (if (i32.eq (local.get $op) (i32.const 0x66)) ;; f
      (then (call $pair (i32.const 0x06) (local.get $a) (local.get $a-len) (local.get $b)
        (local.get $b-len)) (call $ask (i32.const 8))))
    (if (i32.eq (local.get $op) (i32.const 0x77)) ;; w
      (then
        (call $encode (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
          (i32.const 0) (i32.const 0x20c0) (i32.const 12) (i32.const 1))
        (call $ask (i32.const 6))))
    (if (i32.eq (local.get $op) (i32.const 0x6c)) ;; l
      (then (call $bare (i32.const 0x06) (local.get $a)
        (i32.sub (global.get $len) (i32.const 2))) (call $ask (i32.const 0))))
    (if (i32.eq (local.get $op) (i32.const 0x7a)) ;; z
      (then (call $bare (i32.const 0x15) (local.get $a)
        (i32.const 0)) (call $ask (i32.const 0))))
    (if (i32.eq (local.get $op) (i32.const 0x6d)) ;; m
      (then
        (call $encode (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
          (i32.const 0) (i32.const 0x20c0) (i32.const 12) (i32.const 1))
        (call $ask (i32.const 1))))
    (if (i32.eq (local.get $op) (i32.const 0x64)) ;; d
      (then
        (call $encode (i32.const 0x15) (local.get $a) (i32.sub (global.get $len) (i32.const 2))
          (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0x20d0) (i32.const 15) (i32.const 2))
        (call $ask (i32.const 2))))
    (if (i32.eq (local.get $op) (i32.const 0x69)) ;; i
      (then
        (call $encode (i32.const 0x06) (local.get $a) (local.get $a-len)
          (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0x20e0) (i32.const 36) (i32.const 3))
        (call $ask (i32.const 9))))
    (if (i32.eq (local.get $op) (i32.const 0x63)) ;; c
      (then (call $bare (i32.const 0x06) (local.get $a) (local.get $a-len))
        (call $ask (i32.const 10))))
    (if (i32.eq (local.get $op) (i32.const 0x21)) (then (call $panic))) ;; !
    (if (i32.eq (local.get $op) (i32.const 0x74)) (then (unreachable))) ;; t
    (if (i32.eq (local.get $op) (i32.const 0x65)) ;; e
      (then
        (call $encode (i32.const 0x06) (local.get $a) (i32.sub (global.get $len) (i32.const 2))
          (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0x2080) (i32.const 19) (i32.const 2))
        (return (call $answer (local.get $out-ptr) (local.get $out-len)))))
    (if (i32.eq (local.get $op) (i32.const 0x6e)) ;; n
      (then
        (global.set $size (i32.sub (global.get $len) (i32.const 2)))
        (global.set $out (call $alloc (global.get $size)))
        (memory.copy (global.get $out) (local.get $a) (global.get $size))
        (drop (call $answer (local.get $out-ptr) (local.get $out-len)))
        (return (i32.const -1))))
    (if (i32.eq (local.get $op) (i32.const 0x78)) ;; x
      (then
        (i32.store (local.get $out-ptr) (i32.const -16))
        (i32.store (local.get $out-len) (i32.const 32))
        (return (i32.const 0))))
    (if (i32.eq (local.get $op) (i32.const 0x62)) ;; b
      (then
        (i32.store (local.get $out-ptr) (call $alloc (i32.const 64)))
        (i32.store (local.get $out-len) (i32.const 64))
        (return (i32.const 0))))
    (if (local.get $is-request)
      (then
        (call $encode (i32.const 0x15) (global.get $state) (global.get $state-len)
          (i32.const 0x15) (global.get $reply) (global.get $reply-len) (i32.const 0x2030) (i32.const 70) (i32.const 6))
        (return (call $answer (local.get $out-ptr) (local.get $out-len)))))
    (call $answer-state (local.get $out-ptr) (local.get $out-len)))

  (func $pair (param $kind i32) (param $a i32) (param $a-len i32) (param $b i32) (param $b-len i32)
    (call $encode (i32.const 0x06) (local.get $a) (local.get $a-len)
      (local.get $kind) (local.get $b) (local.get $b-len) (i32.const 0x20a0) (i32.const 20) (i32.const 3)))

  (func $bare (param $kind i32) (param $a i32) (param $a-len i32)
    (call $encode (local.get $kind) (local.get $a) (local.get $a-len)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1)))

  (func $panic (loop $for-ever (br $for-ever)))

  (func $append (param $from i32) (param $size i32)
    (local $new i32)
    (local.set $new (call $alloc (i32.add (global.get $state-len) (local.get $size))))
    (memory.copy (local.get $new) (global.get $state) (global.get $state-len))
    (memory.copy (i32.add (local.get $new) (global.get $state-len)) (local.get $from)
      (local.get $size))
    (global.set $state (local.get $new))
    (global.set $state-len (i32.add (global.get $state-len) (local.get $size))))
)
