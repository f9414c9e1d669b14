;; A package of Pack's that loops, as a plain core module. The encoding is told in pack-probe.wat.
;;
;; The state is a list<u8>: a count of rounds (4 bytes, little endian), and the bytes of all messages
;; that were sent. A loop state is 9 bytes: the number of the round, the number that is the last (4
;; bytes each), and a letter. A round whose number is not the count is an error: it came twice, or
;; one before it never. It counts, and leaves the next number; at the last one it does what the letter
;; says:
;;
;;   .  answers err, which ends the loop           e  returns an error
;;   r  answers a result and no variant            t  traps
;;   n  answers nothing but the state              !  panics, which is to go round for ever
;;   x  stops the loop, and answers ok             f  traps, unless the state has a message
;;   s  starts another one, which goes on from the next number without a last one; answers ok
;;   k  stops the loop, asks b, and answers ok
;;
;; With a q it asks b in each round, and at the last one answers err.
;;
;; A request is a letter and what it takes:
;;
;;   s X   starts a loop with the loop state X, and counts from 0; answered with the error, if any
;;   x     stops it                    g     is answered with the state
(module
  (import "theater:simple/loop" "start-loop"
    (func $start-loop (param i32 i32 i32 i32) (result i32)))
  (import "theater:simple/loop" "stop-loop"
    (func $stop-loop (param i32 i32 i32 i32) (result i32)))
  (import "theater:simple/message-server-host" "request"
    (func $request (param i32 i32 i32 i32) (result i32)))
  ;; 0x20: where its answers are told; 0x100: the first free block of each size; 0x2000: data
  (memory (export "memory") 2)
  (global $heap (mut i32) (i32.const 0x8000))
  (global $ptr (mut i32) (i32.const 0)) ;; of the bytes that a node holds
  (global $len (mut i32) (i32.const 0))
  (global $state (mut i32) (i32.const 0))
  (global $state-len (mut i32) (i32.const 0))
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
    (i32.store (local.get $out-len) (i32.const 4785))
    (i32.const 0))
  (data (i32.const 0x3000)
    "CGRF\02\00\00\00\88\00\00\00\87\00\00\00\06\00\00\00\17\00\00\00\13\00\00\00theater:"
    "simple/loop\06\00\00\00\0e\00\00\00\0a\00\00\00start-loop\06\00\00\00\11\00\00\00\0d"
    "\00\00\00initial-state\08\00\00\00\1b\00\00\00\09\00\00\00type-desc\02\00\00\00u8\01"
    "\00\00\00\00\00\00\00\08\00\00\00!\00\00\00\09\00\00\00type-desc\04\00\00\00list\0e"
    "\00\00\00\01\00\00\00\03\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00"
    "\04\00\00\00name\04\00\00\00type\02\00\00\00\04\00\00\00\07\00\00\00\16\00\00\00\08"
    "\09\00\00\00type-desc\01\00\00\00\05\00\00\00\08\00\00\00\1d\00\00\00\09\00\00\00typ"
    "e-desc\04\00\00\00bool\00\00\00\00\00\00\00\00\08\00\00\00\1f\00\00\00\09\00\00\00ty"
    "pe-desc\06\00\00\00string\0c\00\00\00\00\00\00\00\09\00\00\00\1d\00\00\00\00\00\00"
    "\00\02\00\00\00\02\00\00\00ok\03\00\00\00err\07\00\00\00\08\00\00\00\08\00\00\00#\00"
    "\00\00\09\00\00\00type-desc\06\00\00\00result\10\00\00\00\01\00\00\00\09\00\00\00\07"
    "\00\00\00\16\00\00\00\08\09\00\00\00type-desc\01\00\00\00\0a\00\00\00\09\00\00\00N"
    "\00\00\00\0c\00\00\00function-sig\04\00\00\00\09\00\00\00interface\04\00\00\00name"
    "\06\00\00\00params\07\00\00\00results\00\00\00\00\01\00\00\00\06\00\00\00\0b\00\00"
    "\00\06\00\00\00\17\00\00\00\13\00\00\00theater:simple/loop\06\00\00\00\0d\00\00\00"
    "\09\00\00\00stop-loop\07\00\00\00\12\00\00\00\08\09\00\00\00type-desc\00\00\00\00\08"
    "\00\00\00\1d\00\00\00\09\00\00\00type-desc\04\00\00\00bool\00\00\00\00\00\00\00\00"
    "\08\00\00\00\1f\00\00\00\09\00\00\00type-desc\06\00\00\00string\0c\00\00\00\00\00\00"
    "\00\09\00\00\00\1d\00\00\00\00\00\00\00\02\00\00\00\02\00\00\00ok\03\00\00\00err\10"
    "\00\00\00\11\00\00\00\08\00\00\00#\00\00\00\09\00\00\00type-desc\06\00\00\00result"
    "\10\00\00\00\01\00\00\00\12\00\00\00\07\00\00\00\16\00\00\00\08\09\00\00\00type-desc"
    "\01\00\00\00\13\00\00\00\09\00\00\00N\00\00\00\0c\00\00\00function-sig\04\00\00\00"
    "\09\00\00\00interface\04\00\00\00name\06\00\00\00params\07\00\00\00results\0d\00\00"
    "\00\0e\00\00\00\0f\00\00\00\14\00\00\00\06\00\00\00&\00\00\00\22\00\00\00theater:sim"
    "ple/message-server-host\06\00\00\00\0b\00\00\00\07\00\00\00request\06\00\00\00\0c\00"
    "\00\00\08\00\00\00actor-id\08\00\00\00\1f\00\00\00\09\00\00\00type-desc\06\00\00\00s"
    "tring\0c\00\00\00\00\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04"
    "\00\00\00name\04\00\00\00type\18\00\00\00\19\00\00\00\06\00\00\00\07\00\00\00\03\00"
    "\00\00msg\08\00\00\00\1b\00\00\00\09\00\00\00type-desc\02\00\00\00u8\01\00\00\00\00"
    "\00\00\00\08\00\00\00!\00\00\00\09\00\00\00type-desc\04\00\00\00list\0e\00\00\00\01"
    "\00\00\00\1c\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00"
    "name\04\00\00\00type\1b\00\00\00\1d\00\00\00\07\00\00\00\1a\00\00\00\08\09\00\00\00t"
    "ype-desc\02\00\00\00\1a\00\00\00\1e\00\00\00\08\00\00\00\1b\00\00\00\09\00\00\00type"
    "-desc\02\00\00\00u8\01\00\00\00\00\00\00\00\08\00\00\00!\00\00\00\09\00\00\00type-de"
    "sc\04\00\00\00list\0e\00\00\00\01\00\00\00 \00\00\00\08\00\00\00\1f\00\00\00\09\00"
    "\00\00type-desc\06\00\00\00string\0c\00\00\00\00\00\00\00\09\00\00\00\1d\00\00\00\00"
    "\00\00\00\02\00\00\00\02\00\00\00ok\03\00\00\00err!\00\00\00\22\00\00\00\08\00\00\00"
    "#\00\00\00\09\00\00\00type-desc\06\00\00\00result\10\00\00\00\01\00\00\00#\00\00\00"
    "\07\00\00\00\16\00\00\00\08\09\00\00\00type-desc\01\00\00\00$\00\00\00\09\00\00\00N"
    "\00\00\00\0c\00\00\00function-sig\04\00\00\00\09\00\00\00interface\04\00\00\00name"
    "\06\00\00\00params\07\00\00\00results\16\00\00\00\17\00\00\00\1f\00\00\00%\00\00\00"
    "\07\00\00\00!\00\00\00\09\0c\00\00\00function-sig\03\00\00\00\0c\00\00\00\15\00\00"
    "\00&\00\00\00\06\00\00\00\18\00\00\00\14\00\00\00theater:simple/actor\06\00\00\00\08"
    "\00\00\00\04\00\00\00init\06\00\00\00\09\00\00\00\05\00\00\00state\08\00\00\00\1e\00"
    "\00\00\09\00\00\00type-desc\05\00\00\00value\14\00\00\00\00\00\00\00\09\00\00\00%\00"
    "\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00type*\00\00\00+\00\00"
    "\00\07\00\00\00\16\00\00\00\08\09\00\00\00type-desc\01\00\00\00,\00\00\00\08\00\00"
    "\00\1e\00\00\00\09\00\00\00type-desc\05\00\00\00value\14\00\00\00\00\00\00\00\08\00"
    "\00\00\1f\00\00\00\09\00\00\00type-desc\06\00\00\00string\0c\00\00\00\00\00\00\00\09"
    "\00\00\00\1d\00\00\00\00\00\00\00\02\00\00\00\02\00\00\00ok\03\00\00\00err.\00\00\00"
    "/\00\00\00\08\00\00\00#\00\00\00\09\00\00\00type-desc\06\00\00\00result\10\00\00\00"
    "\01\00\00\000\00\00\00\07\00\00\00\16\00\00\00\08\09\00\00\00type-desc\01\00\00\001"
    "\00\00\00\09\00\00\00N\00\00\00\0c\00\00\00function-sig\04\00\00\00\09\00\00\00inter"
    "face\04\00\00\00name\06\00\00\00params\07\00\00\00results(\00\00\00)\00\00\00-\00\00"
    "\002\00\00\00\06\00\00\00(\00\00\00$\00\00\00theater:simple/message-server-client\06"
    "\00\00\00\0f\00\00\00\0b\00\00\00handle-send\06\00\00\00\09\00\00\00\05\00\00\00stat"
    "e\08\00\00\00\1b\00\00\00\09\00\00\00type-desc\02\00\00\00u8\01\00\00\00\00\00\00\00"
    "\08\00\00\00!\00\00\00\09\00\00\00type-desc\04\00\00\00list\0e\00\00\00\01\00\00\007"
    "\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00"
    "\00\00type6\00\00\008\00\00\00\06\00\00\00\07\00\00\00\03\00\00\00msg\08\00\00\00\1b"
    "\00\00\00\09\00\00\00type-desc\02\00\00\00u8\01\00\00\00\00\00\00\00\08\00\00\00!\00"
    "\00\00\09\00\00\00type-desc\04\00\00\00list\0e\00\00\00\01\00\00\00;\00\00\00\09\00"
    "\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00type:\00\00"
    "\00<\00\00\00\07\00\00\00\1a\00\00\00\08\09\00\00\00type-desc\02\00\00\009\00\00\00="
    "\00\00\00\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\05\00\00\00value\14\00\00\00"
    "\00\00\00\00\07\00\00\00\16\00\00\00\08\09\00\00\00type-desc\01\00\00\00?\00\00\00"
    "\09\00\00\00N\00\00\00\0c\00\00\00function-sig\04\00\00\00\09\00\00\00interface\04"
    "\00\00\00name\06\00\00\00params\07\00\00\00results4\00\00\005\00\00\00>\00\00\00@\00"
    "\00\00\06\00\00\00(\00\00\00$\00\00\00theater:simple/message-server-client\06\00\00"
    "\00\12\00\00\00\0e\00\00\00handle-request\06\00\00\00\09\00\00\00\05\00\00\00state"
    "\08\00\00\00\1b\00\00\00\09\00\00\00type-desc\02\00\00\00u8\01\00\00\00\00\00\00\00"
    "\08\00\00\00!\00\00\00\09\00\00\00type-desc\04\00\00\00list\0e\00\00\00\01\00\00\00E"
    "\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00"
    "\00\00typeD\00\00\00F\00\00\00\06\00\00\00\06\00\00\00\02\00\00\00id\08\00\00\00\1f"
    "\00\00\00\09\00\00\00type-desc\06\00\00\00string\0c\00\00\00\00\00\00\00\09\00\00\00"
    "%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00typeH\00\00\00I"
    "\00\00\00\06\00\00\00\07\00\00\00\03\00\00\00msg\08\00\00\00\1b\00\00\00\09\00\00\00"
    "type-desc\02\00\00\00u8\01\00\00\00\00\00\00\00\08\00\00\00!\00\00\00\09\00\00\00typ"
    "e-desc\04\00\00\00list\0e\00\00\00\01\00\00\00L\00\00\00\09\00\00\00%\00\00\00\05\00"
    "\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00typeK\00\00\00M\00\00\00\07\00\00"
    "\00\1e\00\00\00\08\09\00\00\00type-desc\03\00\00\00G\00\00\00J\00\00\00N\00\00\00\08"
    "\00\00\00\1e\00\00\00\09\00\00\00type-desc\05\00\00\00value\14\00\00\00\00\00\00\00"
    "\07\00\00\00\16\00\00\00\08\09\00\00\00type-desc\01\00\00\00P\00\00\00\09\00\00\00N"
    "\00\00\00\0c\00\00\00function-sig\04\00\00\00\09\00\00\00interface\04\00\00\00name"
    "\06\00\00\00params\07\00\00\00resultsB\00\00\00C\00\00\00O\00\00\00Q\00\00\00\06\00"
    "\00\00\1e\00\00\00\1a\00\00\00theater:simple/loop-client\06\00\00\00\08\00\00\00\04"
    "\00\00\00loop\06\00\00\00\09\00\00\00\05\00\00\00state\08\00\00\00\1b\00\00\00\09\00"
    "\00\00type-desc\02\00\00\00u8\01\00\00\00\00\00\00\00\08\00\00\00!\00\00\00\09\00\00"
    "\00type-desc\04\00\00\00list\0e\00\00\00\01\00\00\00V\00\00\00\09\00\00\00%\00\00\00"
    "\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00typeU\00\00\00W\00\00\00\06"
    "\00\00\00\0e\00\00\00\0a\00\00\00loop-state\08\00\00\00\1b\00\00\00\09\00\00\00type-"
    "desc\02\00\00\00u8\01\00\00\00\00\00\00\00\08\00\00\00!\00\00\00\09\00\00\00type-des"
    "c\04\00\00\00list\0e\00\00\00\01\00\00\00Z\00\00\00\09\00\00\00%\00\00\00\05\00\00"
    "\00param\02\00\00\00\04\00\00\00name\04\00\00\00typeY\00\00\00[\00\00\00\07\00\00\00"
    "\1a\00\00\00\08\09\00\00\00type-desc\02\00\00\00X\00\00\00\5c\00\00\00\08\00\00\00"
    "\1e\00\00\00\09\00\00\00type-desc\05\00\00\00value\14\00\00\00\00\00\00\00\07\00\00"
    "\00\16\00\00\00\08\09\00\00\00type-desc\01\00\00\00^\00\00\00\09\00\00\00N\00\00\00"
    "\0c\00\00\00function-sig\04\00\00\00\09\00\00\00interface\04\00\00\00name\06\00\00"
    "\00params\07\00\00\00resultsS\00\00\00T\00\00\00]\00\00\00_\00\00\00\07\00\00\00%\00"
    "\00\00\09\0c\00\00\00function-sig\04\00\00\003\00\00\00A\00\00\00R\00\00\00`\00\00"
    "\00\06\00\00\00\17\00\00\00\13\00\00\00theater:simple/loop\0f\00\00\00\08\00\00\00"
    "\d6\5c\22\eb\e2\f2'\fb\0f\00\00\00\08\00\00\00?\1c\ec]^\00\c8I\0f\00\00\00\08\00\00"
    "\00\9a\98\cf\5c\bdd>N\0f\00\00\00\08\00\00\00s\5c\ed\b6\a9o\e7\f3\0b\00\00\00\14\00"
    "\00\00\04\00\00\00c\00\00\00d\00\00\00e\00\00\00f\00\00\00\09\00\00\00 \00\00\00\00"
    "\00\00\00\02\00\00\00\04\00\00\00name\04\00\00\00hashb\00\00\00g\00\00\00\06\00\00"
    "\00&\00\00\00\22\00\00\00theater:simple/message-server-host\0f\00\00\00\08\00\00\00"
    "\88\fe\8eD\0d\d7?\f2\0f\00\00\00\08\00\00\007\08\82\a8\ea\94\bb\8c\0f\00\00\00\08\00"
    "\00\00-)mL\e2\a1\13\99\0f\00\00\00\08\00\00\00\ae\fd(\b8\cdP\c4}\0b\00\00\00\14\00"
    "\00\00\04\00\00\00j\00\00\00k\00\00\00l\00\00\00m\00\00\00\09\00\00\00 \00\00\00\00"
    "\00\00\00\02\00\00\00\04\00\00\00name\04\00\00\00hashi\00\00\00n\00\00\00\07\00\00"
    "\00\1d\00\00\00\09\0c\00\00\00function-sig\02\00\00\00h\00\00\00o\00\00\00\06\00\00"
    "\00\18\00\00\00\14\00\00\00theater:simple/actor\0f\00\00\00\08\00\00\00h\95\b8Hd\a0I"
    ")\0f\00\00\00\08\00\00\00\dcERk7\a3\c8\c1\0f\00\00\00\08\00\00\00;\ba\c1\14#\22\82J"
    "\0f\00\00\00\08\00\00\00\996\f9\1c\89\ae\cdX\0b\00\00\00\14\00\00\00\04\00\00\00r\00"
    "\00\00s\00\00\00t\00\00\00u\00\00\00\09\00\00\00 \00\00\00\00\00\00\00\02\00\00\00"
    "\04\00\00\00name\04\00\00\00hashq\00\00\00v\00\00\00\06\00\00\00(\00\00\00$\00\00\00"
    "theater:simple/message-server-client\0f\00\00\00\08\00\00\00\13$\1a\f9_\19=\f4\0f\00"
    "\00\00\08\00\00\00\8d\8b\c3\0ax\ca\c8\ae\0f\00\00\00\08\00\00\00'/\89\ce\0b:\f0\f5"
    "\0f\00\00\00\08\00\00\00\f6RRB\02\e0\cf\08\0b\00\00\00\14\00\00\00\04\00\00\00y\00"
    "\00\00z\00\00\00{\00\00\00|\00\00\00\09\00\00\00 \00\00\00\00\00\00\00\02\00\00\00"
    "\04\00\00\00name\04\00\00\00hashx\00\00\00}\00\00\00\06\00\00\00\1e\00\00\00\1a\00"
    "\00\00theater:simple/loop-client\0f\00\00\00\08\00\00\00\ed\c8\22\9c\a5\80\97'\0f\00"
    "\00\00\08\00\00\00\1e\f2\8aJ'\87\9dx\0f\00\00\00\08\00\00\00\fd\a4\ab\e8@\d4\fev\0f"
    "\00\00\00\08\00\00\00\aaB\22\06\ab\e4wW\0b\00\00\00\14\00\00\00\04\00\00\00\80\00\00"
    "\00\81\00\00\00\82\00\00\00\83\00\00\00\09\00\00\00 \00\00\00\00\00\00\00\02\00\00"
    "\00\04\00\00\00name\04\00\00\00hash\7f\00\00\00\84\00\00\00\07\00\00\00!\00\00\00\09"
    "\0c\00\00\00function-sig\03\00\00\00w\00\00\00~\00\00\00\85\00\00\00\09\00\00\00`\00"
    "\00\00\10\00\00\00package-metadata\04\00\00\00\07\00\00\00imports\07\00\00\00exports"
    "\0d\00\00\00import-hashes\0d\00\00\00export-hashes'\00\00\00a\00\00\00p\00\00\00\86"
    "\00\00\00")

  ;; Nodes that come last: ok((state)), ok((state, (some(reply)))), and so on.
  (data (i32.const 0x2000) "\0b\00\00\00\08\00\00\00\01\00\00\00\00\00\00\00\14\00\00\00\0b\00\00\00\06\06\00\00\00\00\01\01\00\00\00") ;; state: 3 nodes
  (data (i32.const 0x2030) "\0a\00\00\00\07\00\00\00\07\0c\01\01\00\00\00\0b\00\00\00\08\00\00\00\01\00\00\00\02\00\00\00\0b\00\00\00\0c\00\00\00\02\00\00\00\00\00\00\00\03\00\00\00\14\00\00\00\0b\00\00\00\06\06\00\00\00\00\01\04\00\00\00") ;; reply: 6 nodes
  (data (i32.const 0x2080) "\08\00\00\00\1c\00\00\00\06\00\00\00result\02\00\00\00ok\00\00\00\00\01\00\00\00\01\00\00\00\0b\00\00\00\0c\00\00\00\02\00\00\00\00\00\00\00\02\00\00\00\14\00\00\00\0b\00\00\00\06\06\00\00\00\00\01\03\00\00\00") ;; goes: 5 nodes
  (data (i32.const 0x20d0) "\08\00\00\00\1d\00\00\00\06\00\00\00result\03\00\00\00err\01\00\00\00\01\00\00\00\01\00\00\00\0b\00\00\00\0c\00\00\00\02\00\00\00\00\00\00\00\02\00\00\00\14\00\00\00\0b\00\00\00\06\06\00\00\00\00\01\03\00\00\00") ;; ends: 5 nodes
  (data (i32.const 0x2120) "\14\00\00\00\0b\00\00\00\06\06\00\00\00\00\01\01\00\00\00\0b\00\00\00\0c\00\00\00\02\00\00\00\00\00\00\00\02\00\00\00\14\00\00\00\0b\00\00\00\06\06\00\00\00\00\01\03\00\00\00") ;; result: 5 nodes
  (data (i32.const 0x2160) "\0b\00\00\00\0c\00\00\00\02\00\00\00\00\00\00\00\01\00\00\00") ;; pair: 3 nodes
  (data (i32.const 0x2180) "\0b\00\00\00\04\00\00\00\00\00\00\00") ;; unit: 1 node
  (data (i32.const 0x2190) "\14\00\00\00\0b\00\00\00\06\06\01\00\00\00\01\00\00\00\00") ;; err: 2 nodes
  (data (i32.const 0x2800) "b")
  (data (i32.const 0x2810) "append .")
  (data (i32.const 0x2820) "done")
  (data (i32.const 0x2830) "a round came twice, or never")
  (data (i32.const 0x2850) "not today")

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

  ;; `$out` and `$size` are the argument; the answer is told at 0x20.
  (type $call (func (param i32 i32 i32 i32) (result i32)))
  (table funcref (elem $start-loop $stop-loop $request))
  (func $ask (param $function i32)
    (if
      (call_indirect (type $call)
        (global.get $out) (global.get $size) (i32.const 0x20) (i32.const 0x24)
        (local.get $function))
      (then (call $panic)))
    (call $free (global.get $out) (global.get $size))
    (call $bytes (i32.add (i32.load (i32.const 0x20)) (i32.const 16))))
  (func $panic (loop $for-ever (br $for-ever)))
  (func $start (param $at i32) (param $size i32)
    (call $encode (i32.const 0x15) (local.get $at) (local.get $size)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1))
    (call $ask (i32.const 0)))
  (func $stop
    (call $encode (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0x2180) (i32.const 12) (i32.const 1))
    (call $ask (i32.const 1)))
  (func $ask-b
    (call $encode (i32.const 0x06) (i32.const 0x2800) (i32.const 1)
      (i32.const 0x15) (i32.const 0x2810) (i32.const 8) (i32.const 0x2160) (i32.const 20) (i32.const 3))
    (call $ask (i32.const 2)))

  (func (export "theater:simple/actor.init")
      (param $in i32) (param $len i32) (param $out-ptr i32) (param $out-len i32) (result i32)
    (global.set $state (call $alloc (i32.const 4)))
    (global.set $state-len (i32.const 4))
    (call $answer-state (local.get $out-ptr) (local.get $out-len)))

  (func (export "theater:simple/message-server-client.handle-send")
      (param $in i32) (param $len i32) (param $out-ptr i32) (param $out-len i32) (result i32)
    (local $new i32)
    (call $bytes (call $take-state (local.get $in)))
    (local.set $new (call $alloc (i32.add (global.get $state-len) (global.get $len))))
    (memory.copy (local.get $new) (global.get $state) (global.get $state-len))
    (memory.copy (i32.add (local.get $new) (global.get $state-len)) (global.get $ptr)
      (global.get $len))
    (global.set $state (local.get $new))
    (global.set $state-len (i32.add (global.get $state-len) (global.get $len)))
    (call $answer-state (local.get $out-ptr) (local.get $out-len)))

  (func (export "theater:simple/message-server-client.handle-request")
      (param $in i32) (param $len i32) (param $out-ptr i32) (param $out-len i32) (result i32)
    (local $op i32)
    (call $bytes (call $next (call $take-state (local.get $in))))
    (local.set $op (i32.load8_u (global.get $ptr)))
    (if (i32.eq (local.get $op) (i32.const 0x73)) ;; s
      (then
        (i32.store (global.get $state) (i32.const 0))
        (call $start (i32.add (global.get $ptr) (i32.const 1))
          (i32.sub (global.get $len) (i32.const 1)))))
    (if (i32.eq (local.get $op) (i32.const 0x78)) ;; x
      (then (call $stop)))
    (if (i32.eq (local.get $op) (i32.const 0x67)) ;; g
      (then
        (global.set $ptr (global.get $state))
        (global.set $len (global.get $state-len))))
    (call $encode (i32.const 0x15) (global.get $state) (global.get $state-len)
      (i32.const 0x15) (global.get $ptr) (global.get $len)
      (i32.const 0x2030) (i32.const 70) (i32.const 6))
    (call $answer (local.get $out-ptr) (local.get $out-len)))

  (func (export "theater:simple/loop-client.loop")
      (param $in i32) (param $len i32) (param $out-ptr i32) (param $out-len i32) (result i32)
    (local $at i32) (local $number i32) (local $op i32)
    (call $bytes (call $take-state (local.get $in)))
    (local.set $at (global.get $ptr))
    (local.set $number (i32.load (local.get $at)))
    (if (i32.ne (local.get $number) (i32.load (global.get $state)))
      (then
        (return (call $fail (i32.const 0x2830) (i32.const 28) (local.get $out-ptr)
          (local.get $out-len)))))
    (if (i32.eq (i32.load8_u offset=8 (local.get $at)) (i32.const 0x71)) ;; q
      (then (call $ask-b)))
    (local.set $number (i32.add (local.get $number) (i32.const 1)))
    (i32.store (global.get $state) (local.get $number))
    (i32.store (local.get $at) (local.get $number))
    (if (i32.eq (local.get $number) (i32.load offset=4 (local.get $at)))
      (then
        (local.set $op (i32.load8_u offset=8 (local.get $at)))
        (if
          (i32.or (i32.eq (local.get $op) (i32.const 0x2e)) ;; .
            (i32.eq (local.get $op) (i32.const 0x71))) ;; q
          (then
            (call $encode (i32.const 0x15) (global.get $state) (global.get $state-len)
              (i32.const 0x06) (i32.const 0x2820) (i32.const 4)
              (i32.const 0x20d0) (i32.const 76) (i32.const 5))
            (return (call $answer (local.get $out-ptr) (local.get $out-len)))))
        (if (i32.eq (local.get $op) (i32.const 0x65)) ;; e
          (then
            (return (call $fail (i32.const 0x2850) (i32.const 9) (local.get $out-ptr)
              (local.get $out-len)))))
        (if (i32.eq (local.get $op) (i32.const 0x72)) ;; r
          (then
            (call $encode (i32.const 0x15) (global.get $state) (global.get $state-len)
              (i32.const 0x15) (local.get $at) (i32.const 9)
              (i32.const 0x2120) (i32.const 58) (i32.const 5))
            (return (call $answer (local.get $out-ptr) (local.get $out-len)))))
        (if (i32.eq (local.get $op) (i32.const 0x6e)) ;; n
          (then (return (call $answer-state (local.get $out-ptr) (local.get $out-len)))))
        (if (i32.eq (local.get $op) (i32.const 0x74)) (then (unreachable))) ;; t
        (if
          (i32.and (i32.eq (local.get $op) (i32.const 0x66)) ;; f
            (i32.eq (global.get $state-len) (i32.const 4)))
          (then (unreachable)))
        (if (i32.eq (local.get $op) (i32.const 0x21)) (then (call $panic))) ;; !
        (if (i32.eq (local.get $op) (i32.const 0x78)) ;; x
          (then (call $stop)))
        (if (i32.eq (local.get $op) (i32.const 0x6b)) ;; k
          (then (call $stop) (call $ask-b)))
        (if (i32.eq (local.get $op) (i32.const 0x73)) ;; s
          (then
            (i32.store offset=4 (local.get $at) (i32.const 0))
            (i32.store8 offset=8 (local.get $at) (i32.const 0x2e))
            (call $start (local.get $at) (i32.const 9))))))
    (call $encode (i32.const 0x15) (global.get $state) (global.get $state-len)
      (i32.const 0x15) (local.get $at) (i32.const 9)
      (i32.const 0x2080) (i32.const 75) (i32.const 5))
    (call $answer (local.get $out-ptr) (local.get $out-len)))

  (func $fail (param $at i32) (param $size i32) (param $out-ptr i32) (param $out-len i32)
      (result i32)
    (call $encode (i32.const 0x06) (local.get $at) (local.get $size) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0x2190) (i32.const 19) (i32.const 2))
    (call $answer (local.get $out-ptr) (local.get $out-len)))
)
