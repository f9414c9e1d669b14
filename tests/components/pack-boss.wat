;; A package of Pack's that calls what its messages say, with what they say: the first byte is a digit,
;; the number of the import in the table below, and the rest the encoded argument as it is. A request
;; is answered with the encoded answer as it is; of a send that becomes the state, and so does the
;; encoded call that tells it of a child. An initial state that begins with a digit is a message.
;;
;; It declares nothing: what it imports is granted by its names. The encoding is told in
;; pack-probe.wat.
(module
  (import "theater:simple/supervisor" "spawn"
    (func $spawn (param i32 i32 i32 i32) (result i32)))
  (import "theater:simple/supervisor" "resume"
    (func $resume (param i32 i32 i32 i32) (result i32)))
  (import "theater:simple/supervisor" "spawn-and-wait"
    (func $spawn-and-wait (param i32 i32 i32 i32) (result i32)))
  (import "theater:simple/supervisor" "stop-child"
    (func $stop-child (param i32 i32 i32 i32) (result i32)))
  (import "theater:simple/supervisor" "list-children"
    (func $list-children (param i32 i32 i32 i32) (result i32)))
  (import "theater:simple/supervisor" "get-child-state"
    (func $get-child-state (param i32 i32 i32 i32) (result i32)))
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

  ;; Its metadata: empty lists.
  (func (export "__pack_types") (param $out-ptr i32) (param $out-len i32) (result i32)
    (i32.store (local.get $out-ptr) (i32.const 0x3000))
    (i32.store (local.get $out-len) (i32.const 224))
    (i32.const 0))
    (data (i32.const 0x3000)
      "CGRF\02\00\00\00\05\00\00\00\04\00\00\00\07\00\00\00\12\00\00\00\08\09\00\00\00type-desc"
      "\00\00\00\00\07\00\00\00\12\00\00\00\08\09\00\00\00type-desc\00\00\00\00\07\00\00\00\12"
      "\00\00\00\08\09\00\00\00type-desc\00\00\00\00\07\00\00\00\12\00\00\00\08\09\00\00\00type"
      "-desc\00\00\00\00\09\00\00\00`\00\00\00\10\00\00\00package-metadata\04\00\00\00\07\00\00"
      "\00imports\07\00\00\00exports\0d\00\00\00import-hashes\0d\00\00\00export-hashes\00\00\00"
      "\00\01\00\00\00\02\00\00\00\03\00\00\00")

  ;; Nodes that come last: ok((state)), ok((state, (some(reply)))), and so on.
    (data (i32.const 0x2000) "\0b\00\00\00\08\00\00\00\01\00\00\00\00\00\00\00\14\00\00\00\0b\00\00\00\06\06\00\00\00\00\01\01\00\00\00") ;; state: 3 nodes
    (data (i32.const 0x2030) "\0a\00\00\00\07\00\00\00\07\0c\01\01\00\00\00\0b\00\00\00\08\00\00\00\01\00\00\00\02\00\00\00\0b\00\00\00\0c\00\00\00\02\00\00\00\00\00\00\00\03\00\00\00\14\00\00\00\0b\00\00\00\06\06\00\00\00\00\01\04\00\00\00") ;; reply: 6 nodes

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

  (type $call (func (param i32 i32 i32 i32) (result i32)))
  (table funcref
    (elem $spawn $resume $spawn-and-wait $stop-child $list-children $get-child-state $request))
  ;; The message at $ptr: its answer is there then.
  (func $run
    (if
      (call_indirect (type $call)
        (i32.add (global.get $ptr) (i32.const 1)) (i32.sub (global.get $len) (i32.const 1))
        (i32.const 0x20) (i32.const 0x24)
        (i32.sub (i32.load8_u (global.get $ptr)) (i32.const 0x30)))
      (then (unreachable)))
    (global.set $ptr (i32.load (i32.const 0x20)))
    (global.set $len (i32.load (i32.const 0x24))))
  (func $keep
    (global.set $state (global.get $ptr))
    (global.set $state-len (global.get $len)))

  (func (export "theater:simple/actor.init")
      (param $in i32) (param $len i32) (param $out-ptr i32) (param $out-len i32) (result i32)
    (drop (call $take-state (local.get $in)))
    (global.set $ptr (global.get $state))
    (global.set $len (global.get $state-len))
    (if (i32.and (i32.ne (global.get $len) (i32.const 0))
        (i32.lt_u (i32.sub (i32.load8_u (global.get $ptr)) (i32.const 0x30)) (i32.const 10)))
      (then (call $run) (call $keep)))
    (call $answer-state (local.get $out-ptr) (local.get $out-len)))

  (func (export "theater:simple/message-server-client.handle-send")
      (param $in i32) (param $len i32) (param $out-ptr i32) (param $out-len i32) (result i32)
    (call $bytes (call $take-state (local.get $in)))
    (call $run)
    (call $keep)
    (call $answer-state (local.get $out-ptr) (local.get $out-len)))

  (func (export "theater:simple/message-server-client.handle-request")
      (param $in i32) (param $len i32) (param $out-ptr i32) (param $out-len i32) (result i32)
    (call $bytes (call $next (call $take-state (local.get $in))))
    (call $run)
    (call $encode (i32.const 0x15) (global.get $state) (global.get $state-len)
      (i32.const 0x15) (global.get $ptr) (global.get $len) (i32.const 0x2030) (i32.const 70)
      (i32.const 6))
    (call $answer (local.get $out-ptr) (local.get $out-len)))

  (func
      (export "theater:simple/supervisor-handlers.handle-child-exit")
      (export "theater:simple/supervisor-handlers.handle-child-error")
      (export "theater:simple/supervisor-handlers.handle-child-external-stop")
      (param $in i32) (param $len i32) (param $out-ptr i32) (param $out-len i32) (result i32)
    (global.set $ptr (local.get $in))
    (global.set $len (local.get $len))
    (call $keep)
    (call $answer-state (local.get $out-ptr) (local.get $out-len)))
)
