;; A package of Pack's that calls others, and that others call: it knows of no value what it is.
;;
;; A request, and `test:calc/calc.forward`, are a digit and the encoded argument of a call of `rpc`: 0
;; calls `call`, 1 `implements`, 2 `exports`. The answer is what that has answered, encoded. Others may
;; call of `test:calc/calc`:
;;
;;   echo, handle-send   answer what they are given
;;   swap                makes what it is given the state, and answers the one before
;;   fail                returns an error
;;   refuse              refuses the call, as the ABI has it
;;   spin                goes round for ever
;;   old, old-fail       take their parameters in one tuple, as before April 2026, and answer them; what
;;                       is none the one refuses, and of the other it is an error
;;   lie                 answers what it does not declare
;;
;; The encoding is told in pack-probe.wat. An answer is the nodes that it was given, and some more.
(module
  (import "theater:simple/rpc" "call" (func $call (param i32 i32 i32 i32) (result i32)))
  (import "theater:simple/rpc" "implements" (func $implements (param i32 i32 i32 i32) (result i32)))
  (import "theater:simple/rpc" "exports" (func $exports (param i32 i32 i32 i32) (result i32)))
  ;; 0x20: where its answers are told; 0x100: the first free block of each size; 0x2000: data
  (memory (export "memory") 2)
  (type $call (func (param i32 i32 i32 i32) (result i32)))
  (table funcref (elem $call $implements $exports))
  (global $heap (mut i32) (i32.const 0x8000))
  (global $in (mut i32) (i32.const 0)) ;; what it was called with
  (global $root (mut i32) (i32.const 0)) ;; the node of that which is the tuple of all
  (global $out (mut i32) (i32.const 0)) ;; what it answers
  (global $end (mut i32) (i32.const 0)) ;; where its next node goes
  (global $nodes (mut i32) (i32.const 0)) ;; so many it has

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
    (i32.store (local.get $out-len) (i32.const 7501))
    (i32.const 0))
  (data (i32.const 0x3000)
    "CGRF\02\00\00\00\c7\00\00\00\c6\00\00\00\06\00\00\00\16\00\00\00\12\00\00\00theater:simple/rpc\06"
    "\00\00\00\08\00\00\00\04\00\00\00call\06\00\00\00\0c\00\00\00\08\00\00\00actor-id\08\00\00\00\1f"
    "\00\00\00\09\00\00\00type-desc\06\00\00\00string\0c\00\00\00\00\00\00\00\09\00\00\00%\00\00\00\05"
    "\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00type\02\00\00\00\03\00\00\00\06\00\00\00\0c"
    "\00\00\00\08\00\00\00function\08\00\00\00\1f\00\00\00\09\00\00\00type-desc\06\00\00\00string\0c\00"
    "\00\00\00\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00"
    "type\05\00\00\00\06\00\00\00\06\00\00\00\0a\00\00\00\06\00\00\00params\08\00\00\00\1e\00\00\00\09"
    "\00\00\00type-desc\05\00\00\00value\14\00\00\00\00\00\00\00\09\00\00\00%\00\00\00\05\00\00\00par"
    "am\02\00\00\00\04\00\00\00name\04\00\00\00type\08\00\00\00\09\00\00\00\06\00\00\00\0b\00\00\00\07"
    "\00\00\00options\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\05\00\00\00value\14\00\00\00\00\00"
    "\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00type\0b\00\00"
    "\00\0c\00\00\00\07\00\00\00\22\00\00\00\08\09\00\00\00type-desc\04\00\00\00\04\00\00\00\07\00\00"
    "\00\0a\00\00\00\0d\00\00\00\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\05\00\00\00value\14\00\00"
    "\00\00\00\00\00\07\00\00\00\16\00\00\00\08\09\00\00\00type-desc\01\00\00\00\0f\00\00\00\09\00\00"
    "\00N\00\00\00\0c\00\00\00function-sig\04\00\00\00\09\00\00\00interface\04\00\00\00name\06\00\00\00"
    "params\07\00\00\00results\00\00\00\00\01\00\00\00\0e\00\00\00\10\00\00\00\06\00\00\00\16\00\00\00"
    "\12\00\00\00theater:simple/rpc\06\00\00\00\0e\00\00\00\0a\00\00\00implements\06\00\00\00\0c\00\00"
    "\00\08\00\00\00actor-id\08\00\00\00\1f\00\00\00\09\00\00\00type-desc\06\00\00\00string\0c\00\00\00"
    "\00\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00type\14"
    "\00\00\00\15\00\00\00\06\00\00\00\0d\00\00\00\09\00\00\00interface\08\00\00\00\1f\00\00\00\09\00"
    "\00\00type-desc\06\00\00\00string\0c\00\00\00\00\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param"
    "\02\00\00\00\04\00\00\00name\04\00\00\00type\17\00\00\00\18\00\00\00\07\00\00\00\1a\00\00\00\08\09"
    "\00\00\00type-desc\02\00\00\00\16\00\00\00\19\00\00\00\08\00\00\00\1e\00\00\00\09\00\00\00type-d"
    "esc\05\00\00\00value\14\00\00\00\00\00\00\00\07\00\00\00\16\00\00\00\08\09\00\00\00type-desc\01\00"
    "\00\00\1b\00\00\00\09\00\00\00N\00\00\00\0c\00\00\00function-sig\04\00\00\00\09\00\00\00interfac"
    "e\04\00\00\00name\06\00\00\00params\07\00\00\00results\12\00\00\00\13\00\00\00\1a\00\00\00\1c\00"
    "\00\00\06\00\00\00\16\00\00\00\12\00\00\00theater:simple/rpc\06\00\00\00\0b\00\00\00\07\00\00\00"
    "exports\06\00\00\00\0c\00\00\00\08\00\00\00actor-id\08\00\00\00\1f\00\00\00\09\00\00\00type-desc"
    "\06\00\00\00string\0c\00\00\00\00\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04"
    "\00\00\00name\04\00\00\00type \00\00\00!\00\00\00\07\00\00\00\16\00\00\00\08\09\00\00\00type-des"
    "c\01\00\00\00\22\00\00\00\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\05\00\00\00value\14\00\00"
    "\00\00\00\00\00\07\00\00\00\16\00\00\00\08\09\00\00\00type-desc\01\00\00\00$\00\00\00\09\00\00\00"
    "N\00\00\00\0c\00\00\00function-sig\04\00\00\00\09\00\00\00interface\04\00\00\00name\06\00\00\00p"
    "arams\07\00\00\00results\1e\00\00\00\1f\00\00\00#\00\00\00%\00\00\00\07\00\00\00!\00\00\00\09\0c"
    "\00\00\00function-sig\03\00\00\00\11\00\00\00\1d\00\00\00&\00\00\00\06\00\00\00\18\00\00\00\14\00"
    "\00\00theater:simple/actor\06\00\00\00\08\00\00\00\04\00\00\00init\06\00\00\00\09\00\00\00\05\00"
    "\00\00state\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\05\00\00\00value\14\00\00\00\00\00\00\00"
    "\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00type*\00\00\00+\00"
    "\00\00\07\00\00\00\16\00\00\00\08\09\00\00\00type-desc\01\00\00\00,\00\00\00\08\00\00\00\1e\00\00"
    "\00\09\00\00\00type-desc\05\00\00\00value\14\00\00\00\00\00\00\00\07\00\00\00\16\00\00\00\08\09\00"
    "\00\00type-desc\01\00\00\00.\00\00\00\09\00\00\00N\00\00\00\0c\00\00\00function-sig\04\00\00\00\09"
    "\00\00\00interface\04\00\00\00name\06\00\00\00params\07\00\00\00results(\00\00\00)\00\00\00-\00\00"
    "\00/\00\00\00\06\00\00\00(\00\00\00$\00\00\00theater:simple/message-server-client\06\00\00\00\12"
    "\00\00\00\0e\00\00\00handle-request\06\00\00\00\09\00\00\00\05\00\00\00state\08\00\00\00\1e\00\00"
    "\00\09\00\00\00type-desc\05\00\00\00value\14\00\00\00\00\00\00\00\09\00\00\00%\00\00\00\05\00\00"
    "\00param\02\00\00\00\04\00\00\00name\04\00\00\00type3\00\00\004\00\00\00\06\00\00\00\06\00\00\00"
    "\02\00\00\00id\08\00\00\00\1f\00\00\00\09\00\00\00type-desc\06\00\00\00string\0c\00\00\00\00\00\00"
    "\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00type6\00\00\00"
    "7\00\00\00\06\00\00\00\08\00\00\00\04\00\00\00call\08\00\00\00\1b\00\00\00\09\00\00\00type-desc\02"
    "\00\00\00u8\01\00\00\00\00\00\00\00\08\00\00\00!\00\00\00\09\00\00\00type-desc\04\00\00\00list\0e"
    "\00\00\00\01\00\00\00:\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00na"
    "me\04\00\00\00type9\00\00\00;\00\00\00\07\00\00\00\1e\00\00\00\08\09\00\00\00type-desc\03\00\00\00"
    "5\00\00\008\00\00\00<\00\00\00\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\05\00\00\00value\14\00"
    "\00\00\00\00\00\00\07\00\00\00\16\00\00\00\08\09\00\00\00type-desc\01\00\00\00>\00\00\00\09\00\00"
    "\00N\00\00\00\0c\00\00\00function-sig\04\00\00\00\09\00\00\00interface\04\00\00\00name\06\00\00\00"
    "params\07\00\00\00results1\00\00\002\00\00\00=\00\00\00?\00\00\00\06\00\00\00\12\00\00\00\0e\00\00"
    "\00test:calc/calc\06\00\00\00\08\00\00\00\04\00\00\00echo\06\00\00\00\09\00\00\00\05\00\00\00sta"
    "te\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\05\00\00\00value\14\00\00\00\00\00\00\00\09\00\00"
    "\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00typeC\00\00\00D\00\00\00\06"
    "\00\00\00\09\00\00\00\05\00\00\00given\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\05\00\00\00v"
    "alue\14\00\00\00\00\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04"
    "\00\00\00typeF\00\00\00G\00\00\00\07\00\00\00\1a\00\00\00\08\09\00\00\00type-desc\02\00\00\00E\00"
    "\00\00H\00\00\00\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\05\00\00\00value\14\00\00\00\00\00"
    "\00\00\07\00\00\00\16\00\00\00\08\09\00\00\00type-desc\01\00\00\00J\00\00\00\09\00\00\00N\00\00\00"
    "\0c\00\00\00function-sig\04\00\00\00\09\00\00\00interface\04\00\00\00name\06\00\00\00params\07\00"
    "\00\00resultsA\00\00\00B\00\00\00I\00\00\00K\00\00\00\06\00\00\00\12\00\00\00\0e\00\00\00test:ca"
    "lc/calc\06\00\00\00\08\00\00\00\04\00\00\00swap\06\00\00\00\09\00\00\00\05\00\00\00state\08\00\00"
    "\00\1e\00\00\00\09\00\00\00type-desc\05\00\00\00value\14\00\00\00\00\00\00\00\09\00\00\00%\00\00"
    "\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00typeO\00\00\00P\00\00\00\06\00\00\00"
    "\08\00\00\00\04\00\00\00next\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\05\00\00\00value\14\00"
    "\00\00\00\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00"
    "typeR\00\00\00S\00\00\00\07\00\00\00\1a\00\00\00\08\09\00\00\00type-desc\02\00\00\00Q\00\00\00T\00"
    "\00\00\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\05\00\00\00value\14\00\00\00\00\00\00\00\07\00"
    "\00\00\16\00\00\00\08\09\00\00\00type-desc\01\00\00\00V\00\00\00\09\00\00\00N\00\00\00\0c\00\00\00"
    "function-sig\04\00\00\00\09\00\00\00interface\04\00\00\00name\06\00\00\00params\07\00\00\00resul"
    "tsM\00\00\00N\00\00\00U\00\00\00W\00\00\00\06\00\00\00\12\00\00\00\0e\00\00\00test:calc/calc\06\00"
    "\00\00\0f\00\00\00\0b\00\00\00handle-send\06\00\00\00\09\00\00\00\05\00\00\00state\08\00\00\00\1e"
    "\00\00\00\09\00\00\00type-desc\05\00\00\00value\14\00\00\00\00\00\00\00\09\00\00\00%\00\00\00\05"
    "\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00type[\00\00\00\5c\00\00\00\06\00\00\00\09\00"
    "\00\00\05\00\00\00given\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\05\00\00\00value\14\00\00\00"
    "\00\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00type^"
    "\00\00\00_\00\00\00\07\00\00\00\1a\00\00\00\08\09\00\00\00type-desc\02\00\00\00]\00\00\00`\00\00"
    "\00\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\05\00\00\00value\14\00\00\00\00\00\00\00\07\00\00"
    "\00\16\00\00\00\08\09\00\00\00type-desc\01\00\00\00b\00\00\00\09\00\00\00N\00\00\00\0c\00\00\00f"
    "unction-sig\04\00\00\00\09\00\00\00interface\04\00\00\00name\06\00\00\00params\07\00\00\00result"
    "sY\00\00\00Z\00\00\00a\00\00\00c\00\00\00\06\00\00\00\12\00\00\00\0e\00\00\00test:calc/calc\06\00"
    "\00\00\0b\00\00\00\07\00\00\00forward\06\00\00\00\09\00\00\00\05\00\00\00state\08\00\00\00\1e\00"
    "\00\00\09\00\00\00type-desc\05\00\00\00value\14\00\00\00\00\00\00\00\09\00\00\00%\00\00\00\05\00"
    "\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00typeg\00\00\00h\00\00\00\06\00\00\00\08\00\00"
    "\00\04\00\00\00call\08\00\00\00\1b\00\00\00\09\00\00\00type-desc\02\00\00\00u8\01\00\00\00\00\00"
    "\00\00\08\00\00\00!\00\00\00\09\00\00\00type-desc\04\00\00\00list\0e\00\00\00\01\00\00\00k\00\00"
    "\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00typej\00\00\00"
    "l\00\00\00\07\00\00\00\1a\00\00\00\08\09\00\00\00type-desc\02\00\00\00i\00\00\00m\00\00\00\08\00"
    "\00\00\1e\00\00\00\09\00\00\00type-desc\05\00\00\00value\14\00\00\00\00\00\00\00\07\00\00\00\16\00"
    "\00\00\08\09\00\00\00type-desc\01\00\00\00o\00\00\00\09\00\00\00N\00\00\00\0c\00\00\00function-s"
    "ig\04\00\00\00\09\00\00\00interface\04\00\00\00name\06\00\00\00params\07\00\00\00resultse\00\00\00"
    "f\00\00\00n\00\00\00p\00\00\00\06\00\00\00\12\00\00\00\0e\00\00\00test:calc/calc\06\00\00\00\08\00"
    "\00\00\04\00\00\00fail\06\00\00\00\09\00\00\00\05\00\00\00state\08\00\00\00\1e\00\00\00\09\00\00"
    "\00type-desc\05\00\00\00value\14\00\00\00\00\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00"
    "\00\00\04\00\00\00name\04\00\00\00typet\00\00\00u\00\00\00\07\00\00\00\16\00\00\00\08\09\00\00\00"
    "type-desc\01\00\00\00v\00\00\00\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\05\00\00\00value\14"
    "\00\00\00\00\00\00\00\07\00\00\00\16\00\00\00\08\09\00\00\00type-desc\01\00\00\00x\00\00\00\09\00"
    "\00\00N\00\00\00\0c\00\00\00function-sig\04\00\00\00\09\00\00\00interface\04\00\00\00name\06\00\00"
    "\00params\07\00\00\00resultsr\00\00\00s\00\00\00w\00\00\00y\00\00\00\06\00\00\00\12\00\00\00\0e\00"
    "\00\00test:calc/calc\06\00\00\00\0a\00\00\00\06\00\00\00refuse\06\00\00\00\09\00\00\00\05\00\00\00"
    "state\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\05\00\00\00value\14\00\00\00\00\00\00\00\09\00"
    "\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00type}\00\00\00~\00\00\00"
    "\07\00\00\00\16\00\00\00\08\09\00\00\00type-desc\01\00\00\00\7f\00\00\00\08\00\00\00\1e\00\00\00"
    "\09\00\00\00type-desc\05\00\00\00value\14\00\00\00\00\00\00\00\07\00\00\00\16\00\00\00\08\09\00\00"
    "\00type-desc\01\00\00\00\81\00\00\00\09\00\00\00N\00\00\00\0c\00\00\00function-sig\04\00\00\00\09"
    "\00\00\00interface\04\00\00\00name\06\00\00\00params\07\00\00\00results{\00\00\00|\00\00\00\80\00"
    "\00\00\82\00\00\00\06\00\00\00\12\00\00\00\0e\00\00\00test:calc/calc\06\00\00\00\08\00\00\00\04\00"
    "\00\00spin\06\00\00\00\09\00\00\00\05\00\00\00state\08\00\00\00\1e\00\00\00\09\00\00\00type-desc"
    "\05\00\00\00value\14\00\00\00\00\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00"
    "\00\00name\04\00\00\00type\86\00\00\00\87\00\00\00\07\00\00\00\16\00\00\00\08\09\00\00\00type-de"
    "sc\01\00\00\00\88\00\00\00\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\05\00\00\00value\14\00\00"
    "\00\00\00\00\00\07\00\00\00\16\00\00\00\08\09\00\00\00type-desc\01\00\00\00\8a\00\00\00\09\00\00"
    "\00N\00\00\00\0c\00\00\00function-sig\04\00\00\00\09\00\00\00interface\04\00\00\00name\06\00\00\00"
    "params\07\00\00\00results\84\00\00\00\85\00\00\00\89\00\00\00\8b\00\00\00\06\00\00\00\12\00\00\00"
    "\0e\00\00\00test:calc/calc\06\00\00\00\07\00\00\00\03\00\00\00old\06\00\00\00\09\00\00\00\05\00\00"
    "\00state\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\05\00\00\00value\14\00\00\00\00\00\00\00\09"
    "\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00type\8f\00\00\00\90\00"
    "\00\00\06\00\00\00\0a\00\00\00\06\00\00\00params\08\00\00\00\1f\00\00\00\09\00\00\00type-desc\06"
    "\00\00\00string\0c\00\00\00\00\00\00\00\08\00\00\00\1c\00\00\00\09\00\00\00type-desc\03\00\00\00"
    "u32\03\00\00\00\00\00\00\00\07\00\00\00\1a\00\00\00\08\09\00\00\00type-desc\02\00\00\00\93\00\00"
    "\00\94\00\00\00\08\00\00\00\22\00\00\00\09\00\00\00type-desc\05\00\00\00tuple\13\00\00\00\01\00\00"
    "\00\95\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00ty"
    "pe\92\00\00\00\96\00\00\00\07\00\00\00\1a\00\00\00\08\09\00\00\00type-desc\02\00\00\00\91\00\00\00"
    "\97\00\00\00\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\05\00\00\00value\14\00\00\00\00\00\00\00"
    "\07\00\00\00\16\00\00\00\08\09\00\00\00type-desc\01\00\00\00\99\00\00\00\09\00\00\00N\00\00\00\0c"
    "\00\00\00function-sig\04\00\00\00\09\00\00\00interface\04\00\00\00name\06\00\00\00params\07\00\00"
    "\00results\8d\00\00\00\8e\00\00\00\98\00\00\00\9a\00\00\00\06\00\00\00\12\00\00\00\0e\00\00\00te"
    "st:calc/calc\06\00\00\00\0c\00\00\00\08\00\00\00old-fail\06\00\00\00\09\00\00\00\05\00\00\00stat"
    "e\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\05\00\00\00value\14\00\00\00\00\00\00\00\09\00\00"
    "\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00type\9e\00\00\00\9f\00\00\00"
    "\06\00\00\00\0a\00\00\00\06\00\00\00params\08\00\00\00\1f\00\00\00\09\00\00\00type-desc\06\00\00"
    "\00string\0c\00\00\00\00\00\00\00\08\00\00\00\1c\00\00\00\09\00\00\00type-desc\03\00\00\00u32\03"
    "\00\00\00\00\00\00\00\07\00\00\00\1a\00\00\00\08\09\00\00\00type-desc\02\00\00\00\a2\00\00\00\a3"
    "\00\00\00\08\00\00\00\22\00\00\00\09\00\00\00type-desc\05\00\00\00tuple\13\00\00\00\01\00\00\00\a4"
    "\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00type\a1\00"
    "\00\00\a5\00\00\00\07\00\00\00\1a\00\00\00\08\09\00\00\00type-desc\02\00\00\00\a0\00\00\00\a6\00"
    "\00\00\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\05\00\00\00value\14\00\00\00\00\00\00\00\07\00"
    "\00\00\16\00\00\00\08\09\00\00\00type-desc\01\00\00\00\a8\00\00\00\09\00\00\00N\00\00\00\0c\00\00"
    "\00function-sig\04\00\00\00\09\00\00\00interface\04\00\00\00name\06\00\00\00params\07\00\00\00re"
    "sults\9c\00\00\00\9d\00\00\00\a7\00\00\00\a9\00\00\00\06\00\00\00\12\00\00\00\0e\00\00\00test:ca"
    "lc/calc\06\00\00\00\07\00\00\00\03\00\00\00lie\06\00\00\00\09\00\00\00\05\00\00\00state\08\00\00"
    "\00\1e\00\00\00\09\00\00\00type-desc\05\00\00\00value\14\00\00\00\00\00\00\00\09\00\00\00%\00\00"
    "\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00type\ad\00\00\00\ae\00\00\00\07\00\00"
    "\00\16\00\00\00\08\09\00\00\00type-desc\01\00\00\00\af\00\00\00\08\00\00\00\1e\00\00\00\09\00\00"
    "\00type-desc\05\00\00\00value\14\00\00\00\00\00\00\00\08\00\00\00\1f\00\00\00\09\00\00\00type-de"
    "sc\06\00\00\00string\0c\00\00\00\00\00\00\00\09\00\00\00\1d\00\00\00\00\00\00\00\02\00\00\00\02\00"
    "\00\00ok\03\00\00\00err\b1\00\00\00\b2\00\00\00\08\00\00\00#\00\00\00\09\00\00\00type-desc\06\00"
    "\00\00result\10\00\00\00\01\00\00\00\b3\00\00\00\07\00\00\00\16\00\00\00\08\09\00\00\00type-desc"
    "\01\00\00\00\b4\00\00\00\09\00\00\00N\00\00\00\0c\00\00\00function-sig\04\00\00\00\09\00\00\00in"
    "terface\04\00\00\00name\06\00\00\00params\07\00\00\00results\ab\00\00\00\ac\00\00\00\b0\00\00\00"
    "\b5\00\00\00\07\00\00\00E\00\00\00\09\0c\00\00\00function-sig\0c\00\00\000\00\00\00@\00\00\00L\00"
    "\00\00X\00\00\00d\00\00\00q\00\00\00z\00\00\00\83\00\00\00\8c\00\00\00\9b\00\00\00\aa\00\00\00\b6"
    "\00\00\00\06\00\00\00\16\00\00\00\12\00\00\00theater:simple/rpc\15\00\00\00%\00\00\00\0c \00\00\00"
    "8*\c1\a9\9e\da\cfVz}\ec\cdWVr52b\b3\cb\af\18\1d\02\94\1f\fe\f2\12\f5\be\f8\09\00\00\00.\00\00\00"
    "\0e\00\00\00interface-hash\02\00\00\00\04\00\00\00name\04\00\00\00hash\b8\00\00\00\b9\00\00\00\07"
    "\00\00\00\1b\00\00\00\09\0e\00\00\00interface-hash\01\00\00\00\ba\00\00\00\06\00\00\00\18\00\00\00"
    "\14\00\00\00theater:simple/actor\15\00\00\00%\00\00\00\0c \00\00\00[\cd\98\81\f0\c4\cb_\ed\d5\b5"
    "\a5i\9ax\df\f1\bc\ae\f6E\81\d4\97G\c6\e3\f5\f8\1cC\ab\09\00\00\00.\00\00\00\0e\00\00\00interface"
    "-hash\02\00\00\00\04\00\00\00name\04\00\00\00hash\bc\00\00\00\bd\00\00\00\06\00\00\00(\00\00\00$"
    "\00\00\00theater:simple/message-server-client\15\00\00\00%\00\00\00\0c \00\00\00\9b\ec\f18.\fc\09"
    "\8c\97\db\22\ea\a6\96\0c\87\cf/\e2K\1b\e2\c6:\ebl\e6\12\fe\cd\8df\09\00\00\00.\00\00\00\0e\00\00"
    "\00interface-hash\02\00\00\00\04\00\00\00name\04\00\00\00hash\bf\00\00\00\c0\00\00\00\06\00\00\00"
    "\12\00\00\00\0e\00\00\00test:calc/calc\15\00\00\00%\00\00\00\0c \00\00\00\be\8bK\04\8dA\11%\e8\b2"
    "\fd\ed\ce\bb\b0-l\8f\f8\a0=\c4\1b\fe\ea\88\f8\bb\e1\c3\ef\cc\09\00\00\00.\00\00\00\0e\00\00\00in"
    "terface-hash\02\00\00\00\04\00\00\00name\04\00\00\00hash\c2\00\00\00\c3\00\00\00\07\00\00\00#\00"
    "\00\00\09\0e\00\00\00interface-hash\03\00\00\00\be\00\00\00\c1\00\00\00\c4\00\00\00\09\00\00\00`"
    "\00\00\00\10\00\00\00package-metadata\04\00\00\00\07\00\00\00imports\07\00\00\00exports\0d\00\00"
    "\00import-hashes\0d\00\00\00export-hashes'\00\00\00\b7\00\00\00\bb\00\00\00\c5\00\00\00")
  (data (i32.const 0x2000) "missing parameter in tuple")
  (data (i32.const 0x2020) "\06\00\00\00\0d\00\00\00\09\00\00\00not today") ;; a string: one node

  ;; The address of a node, by its number.
  (func $node (param $number i32) (result i32)
    (local $at i32)
    (local.set $at (i32.add (global.get $in) (i32.const 16)))
    (block $found
      (loop $next
        (br_if $found (i32.eqz (local.get $number)))
        (local.set $at
          (i32.add
            (i32.add (local.get $at) (i32.const 8))
            (i32.load offset=4 (local.get $at))))
        (local.set $number (i32.sub (local.get $number) (i32.const 1)))
        (br $next)))
    (local.get $at))

  ;; The number of the node that is the state, or of a parameter that follows it.
  (func $given (param $place i32) (result i32)
    (i32.load offset=12 (i32.add (global.get $root) (i32.shl (local.get $place) (i32.const 2)))))

  ;; Begin to answer, with room for so many bytes more than it was given.
  (func $begin (param $in i32) (param $size i32) (param $more i32)
    (global.set $in (local.get $in))
    (global.set $root (call $node (i32.load offset=12 (local.get $in))))
    (global.set $nodes (i32.load offset=8 (local.get $in)))
    (global.set $out (call $alloc (i32.add (local.get $size) (local.get $more))))
    (if (i32.eqz (global.get $out)) (then (call $panic)))
    (memory.copy (global.get $out) (local.get $in) (local.get $size))
    (global.set $end (i32.add (global.get $out) (local.get $size))))
  (func $byte (param $value i32)
    (i32.store8 (global.get $end) (local.get $value))
    (global.set $end (i32.add (global.get $end) (i32.const 1))))
  (func $word (param $value i32)
    (i32.store (global.get $end) (local.get $value))
    (global.set $end (i32.add (global.get $end) (i32.const 4))))
  ;; Of a node its kind and its length; returns its number.
  (func $head (param $kind i32) (param $length i32) (result i32)
    (call $word (local.get $kind))
    (call $word (local.get $length))
    (global.set $nodes (i32.add (global.get $nodes) (i32.const 1)))
    (i32.sub (global.get $nodes) (i32.const 1)))
  (func $one (param $item i32) (result i32)
    (call $head (i32.const 0x0b) (i32.const 8))
    (call $word (i32.const 1))
    (call $word (local.get $item)))
  (func $two (param $first i32) (param $second i32) (result i32)
    (call $head (i32.const 0x0b) (i32.const 12))
    (call $word (i32.const 2))
    (call $word (local.get $first))
    (call $word (local.get $second)))
  (func $bytes (param $from i32) (param $size i32) (result i32)
    (call $head (i32.const 0x15) (i32.add (local.get $size) (i32.const 5)))
    (call $byte (i32.const 0x0c)) ;; of u8
    (call $word (local.get $size))
    (memory.copy (global.get $end) (local.get $from) (local.get $size))
    (global.set $end (i32.add (global.get $end) (local.get $size))))
  (func $some (param $item i32) (result i32)
    (call $head (i32.const 0x0a) (i32.const 7))
    (call $byte (i32.const 0x07)) (call $byte (i32.const 0x0c)) ;; of list<u8>
    (call $byte (i32.const 1))
    (call $word (local.get $item)))
  ;; The last node: a result, ok or an err.
  (func $end-with (param $item i32) (param $is-err i32) (param $ptr i32) (param $len i32) (result i32)
    (drop (call $head (i32.const 0x14) (i32.const 11)))
    (call $byte (i32.const 0x06)) (call $byte (i32.const 0x06))
    (call $word (local.get $is-err))
    (call $byte (i32.const 1))
    (call $word (local.get $item))
    (i32.store offset=8 (global.get $out) (global.get $nodes))
    (i32.store offset=12 (global.get $out) (i32.sub (global.get $nodes) (i32.const 1)))
    (i32.store (local.get $ptr) (global.get $out))
    (i32.store (local.get $len) (i32.sub (global.get $end) (global.get $out)))
    (i32.const 0))
  (func $panic (loop $for-ever (br $for-ever)))

  ;; The same, and ok.
  (func $echo
    (export "theater:simple/actor.init") (export "test:calc/calc.echo")
    (export "test:calc/calc.handle-send")
    (param $in i32) (param $size i32) (param $ptr i32) (param $len i32) (result i32)
    (call $begin (local.get $in) (local.get $size) (i32.const 64))
    (call $end-with (i32.load offset=12 (local.get $in)) (i32.const 0)
      (local.get $ptr) (local.get $len)))
  (func (export "test:calc/calc.swap")
    (param $in i32) (param $size i32) (param $ptr i32) (param $len i32) (result i32)
    (call $begin (local.get $in) (local.get $size) (i32.const 64))
    (call $end-with (call $two (call $given (i32.const 1)) (call $given (i32.const 0)))
      (i32.const 0) (local.get $ptr) (local.get $len)))
  (func $fail (export "test:calc/calc.fail")
    (param $in i32) (param $size i32) (param $ptr i32) (param $len i32) (result i32)
    (call $begin (local.get $in) (local.get $size) (i32.const 64))
    (memory.copy (global.get $end) (i32.const 0x2020) (i32.const 21))
    (global.set $end (i32.add (global.get $end) (i32.const 21)))
    (global.set $nodes (i32.add (global.get $nodes) (i32.const 1)))
    (call $end-with (i32.sub (global.get $nodes) (i32.const 1)) (i32.const 1)
      (local.get $ptr) (local.get $len)))
  (func $refuse (export "test:calc/calc.refuse")
    (param $in i32) (param $size i32) (param $ptr i32) (param $len i32) (result i32)
    (call $begin (local.get $in) (local.get $size) (i32.const 64))
    (memory.copy (global.get $out) (i32.const 0x2000) (i32.const 26))
    (i32.store (local.get $ptr) (global.get $out))
    (i32.store (local.get $len) (i32.const 26))
    (i32.const -1))
  (func (export "test:calc/calc.spin")
    (param $in i32) (param $size i32) (param $ptr i32) (param $len i32) (result i32)
    (call $panic)
    (unreachable))
  (func $is-old (param $in i32) (result i32)
    (global.set $in (local.get $in))
    (global.set $root (call $node (i32.load offset=12 (local.get $in))))
    (if (i32.lt_u (i32.load offset=8 (global.get $root)) (i32.const 2))
      (then (return (i32.const 0))))
    (i32.eq (i32.load8_u (call $node (call $given (i32.const 1)))) (i32.const 0x0b)))
  (func (export "test:calc/calc.old")
    (param $in i32) (param $size i32) (param $ptr i32) (param $len i32) (result i32)
    (if (call $is-old (local.get $in))
      (then
        (return
          (call $echo
            (local.get $in) (local.get $size) (local.get $ptr) (local.get $len)))))
    (call $refuse (local.get $in) (local.get $size) (local.get $ptr) (local.get $len)))
  (func (export "test:calc/calc.old-fail")
    (param $in i32) (param $size i32) (param $ptr i32) (param $len i32) (result i32)
    (if (call $is-old (local.get $in))
      (then
        (return
          (call $echo
            (local.get $in) (local.get $size) (local.get $ptr) (local.get $len)))))
    (call $fail (local.get $in) (local.get $size) (local.get $ptr) (local.get $len)))
  ;; What it was called with itself, which is no result.
  (func (export "test:calc/calc.lie")
    (param $in i32) (param $size i32) (param $ptr i32) (param $len i32) (result i32)
    (call $begin (local.get $in) (local.get $size) (i32.const 0))
    (i32.store (local.get $ptr) (global.get $out))
    (i32.store (local.get $len) (local.get $size))
    (i32.const 0))

  ;; Call what the bytes at this place say. What it answers is told at 0x20; returns its length.
  (func $forward (param $in i32) (param $place i32) (result i32)
    (local $at i32) (local $size i32) (local $argument i32)
    (global.set $in (local.get $in))
    (global.set $root (call $node (i32.load offset=12 (local.get $in))))
    (local.set $at (call $node (call $given (local.get $place))))
    (local.set $size (i32.sub (i32.load offset=9 (local.get $at)) (i32.const 1)))
    (local.set $argument (call $alloc (local.get $size)))
    (memory.copy (local.get $argument) (i32.add (local.get $at) (i32.const 14)) (local.get $size))
    (if
      (call_indirect (type $call)
        (local.get $argument) (local.get $size) (i32.const 0x20) (i32.const 0x24)
        (i32.sub (i32.load8_u offset=13 (local.get $at)) (i32.const 48)))
      (then (call $panic)))
    (call $free (local.get $argument) (local.get $size))
    (i32.load (i32.const 0x24)))
  (func (export "theater:simple/message-server-client.handle-request")
    (param $in i32) (param $size i32) (param $ptr i32) (param $len i32) (result i32)
    (local $said i32)
    (local.set $said (call $forward (local.get $in) (i32.const 2)))
    (call $begin (local.get $in) (local.get $size) (i32.add (local.get $said) (i32.const 128)))
    (call $end-with
      (call $two (call $given (i32.const 0))
        (call $one (call $some (call $bytes (i32.load (i32.const 0x20)) (local.get $said)))))
      (i32.const 0) (local.get $ptr) (local.get $len)))
  (func (export "test:calc/calc.forward")
    (param $in i32) (param $size i32) (param $ptr i32) (param $len i32) (result i32)
    (local $said i32)
    (local.set $said (call $forward (local.get $in) (i32.const 1)))
    (call $begin (local.get $in) (local.get $size) (i32.add (local.get $said) (i32.const 128)))
    (call $end-with
      (call $two (call $given (i32.const 0))
        (call $bytes (i32.load (i32.const 0x20)) (local.get $said)))
      (i32.const 0) (local.get $ptr) (local.get $len)))
)
