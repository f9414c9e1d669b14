;; A package of Pack's that imports nothing: a request is answered with its own bytes, the state is
;; the last message. The encoding is told in pack-probe.wat.
(module
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
    (i32.store (local.get $out-len) (i32.const 2196))
    (i32.const 0))
    (data (i32.const 0x3000)
      "CGRF\02\00\00\00>\00\00\00=\00\00\00\07\00\00\00\15\00\00\00\09\0c\00\00\00function-sig\00\00\00\00\06\00\00\00\18\00\00\00\14\00\00\00the"
      "ater:simple/actor\06\00\00\00\08\00\00\00\04\00\00\00init\06\00\00\00\09\00\00\00\05\00\00\00state\08\00\00\00\1a\00\00\00\09\00"
      "\00\00type-desc\01\00\00\00t\14\00\00\00\00\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00typ"
      "e\03\00\00\00\04\00\00\00\07\00\00\00\12\00\00\00\09\05\00\00\00param\01\00\00\00\05\00\00\00\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00"
      "t\14\00\00\00\00\00\00\00\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00t\0c\00\00\00\00\00\00\00\09\00\00\00\1e\00\00\00\01\00\00\00r\02\00\00\00"
      "\02\00\00\00ok\03\00\00\00err\07\00\00\00\08\00\00\00\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\01\00\00\00t\10\00\00\00\01\00\00\00\09\00\00\00\07"
      "\00\00\00\16\00\00\00\08\09\00\00\00type-desc\01\00\00\00\0a\00\00\00\09\00\00\00N\00\00\00\0c\00\00\00function-sig\04\00\00\00\09\00\00"
      "\00interface\04\00\00\00name\06\00\00\00params\07\00\00\00results\01\00\00\00\02\00\00\00\06\00\00\00\0b\00\00\00\06\00\00\00("
      "\00\00\00$\00\00\00theater:simple/message-server-client\06\00\00\00\0f\00\00\00\0b\00\00\00handl"
      "e-send\06\00\00\00\09\00\00\00\05\00\00\00state\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00t\01\00\00\00\00\00\00\00\08\00\00"
      "\00\1e\00\00\00\09\00\00\00type-desc\01\00\00\00t\0e\00\00\00\01\00\00\00\10\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00"
      "name\04\00\00\00type\0f\00\00\00\11\00\00\00\06\00\00\00\07\00\00\00\03\00\00\00msg\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00"
      "t\01\00\00\00\00\00\00\00\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\01\00\00\00t\0e\00\00\00\01\00\00\00\14\00\00\00\09\00\00\00%\00\00\00\05\00\00\00p"
      "aram\02\00\00\00\04\00\00\00name\04\00\00\00type\13\00\00\00\15\00\00\00\07\00\00\00\16\00\00\00\09\05\00\00\00param\02\00\00\00\12\00\00\00\16\00"
      "\00\00\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00t\14\00\00\00\00\00\00\00\07\00\00\00\16\00\00\00\08\09\00\00\00type-desc\01\00"
      "\00\00\18\00\00\00\09\00\00\00N\00\00\00\0c\00\00\00function-sig\04\00\00\00\09\00\00\00interface\04\00\00\00name\06\00\00\00p"
      "arams\07\00\00\00results\0d\00\00\00\0e\00\00\00\17\00\00\00\19\00\00\00\06\00\00\00(\00\00\00$\00\00\00theater:simple/m"
      "essage-server-client\06\00\00\00\12\00\00\00\0e\00\00\00handle-request\06\00\00\00\09\00\00\00\05\00\00\00st"
      "ate\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00t\01\00\00\00\00\00\00\00\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\01\00"
      "\00\00t\0e\00\00\00\01\00\00\00\1e\00\00\00\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00type\1d\00\00\00\1f\00\00\00"
      "\06\00\00\00\06\00\00\00\02\00\00\00id\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00t\0c\00\00\00\00\00\00\00\09\00\00\00%\00\00\00\05\00\00\00"
      "param\02\00\00\00\04\00\00\00name\04\00\00\00type!\00\00\00\22\00\00\00\06\00\00\00\07\00\00\00\03\00\00\00msg\08\00\00\00\1a\00\00\00\09\00\00\00"
      "type-desc\01\00\00\00t\01\00\00\00\00\00\00\00\08\00\00\00\1e\00\00\00\09\00\00\00type-desc\01\00\00\00t\0e\00\00\00\01\00\00\00%\00\00\00"
      "\09\00\00\00%\00\00\00\05\00\00\00param\02\00\00\00\04\00\00\00name\04\00\00\00type$\00\00\00&\00\00\00\07\00\00\00\1a\00\00\00\09\05\00\00\00pa"
      "ram\03\00\00\00 \00\00\00#\00\00\00'\00\00\00\08\00\00\00\1a\00\00\00\09\00\00\00type-desc\01\00\00\00t\14\00\00\00\00\00\00\00\07\00\00\00\16\00\00"
      "\00\08\09\00\00\00type-desc\01\00\00\00)\00\00\00\09\00\00\00N\00\00\00\0c\00\00\00function-sig\04\00\00\00\09\00\00\00inter"
      "face\04\00\00\00name\06\00\00\00params\07\00\00\00results\1b\00\00\00\1c\00\00\00(\00\00\00*\00\00\00\07\00\00\00!\00\00\00\09\0c\00"
      "\00\00function-sig\03\00\00\00\0c\00\00\00\1a\00\00\00+\00\00\00\07\00\00\00\17\00\00\00\09\0e\00\00\00interface-hash\00\00\00"
      "\00\06\00\00\00\18\00\00\00\14\00\00\00theater:simple/actor\0f\00\00\00\08\00\00\00h\95\b8Hd\a0I)\0f\00\00\00\08\00\00\00\dcER"
      "k7\a3\c8\c1\0f\00\00\00\08\00\00\00;\ba\c1\14#\22\82J\0f\00\00\00\08\00\00\00\996\f9\1c\89\ae\cdX\0b\00\00\00\14\00\00\00\04\00\00\00/\00\00\000\00\00\001\00\00"
      "\002\00\00\00\09\00\00\00.\00\00\00\0e\00\00\00interface-hash\02\00\00\00\04\00\00\00name\04\00\00\00hash.\00\00\003\00\00\00\06"
      "\00\00\00(\00\00\00$\00\00\00theater:simple/message-server-client\0f\00\00\00\08\00\00\00\13$\1a\f9_"
      "\19=\f4\0f\00\00\00\08\00\00\00\8d\8b\c3\0ax\ca\c8\ae\0f\00\00\00\08\00\00\00'/\89\ce\0b:\f0\f5\0f\00\00\00\08\00\00\00\f6RRB\02\e0\cf\08\0b\00\00\00\14\00\00\00\04"
      "\00\00\006\00\00\007\00\00\008\00\00\009\00\00\00\09\00\00\00.\00\00\00\0e\00\00\00interface-hash\02\00\00\00\04\00\00\00name\04\00\00"
      "\00hash5\00\00\00:\00\00\00\07\00\00\00\1f\00\00\00\09\0e\00\00\00interface-hash\02\00\00\004\00\00\00;\00\00\00\09\00\00\00`\00\00\00"
      "\10\00\00\00package-metadata\04\00\00\00\07\00\00\00imports\07\00\00\00exports\0d\00\00\00import-has"
      "hes\0d\00\00\00export-hashes\00\00\00\00,\00\00\00-\00\00\00<\00\00\00")

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
  (func (export "theater:simple/actor.init")
      (param $in i32) (param $len i32) (param $out-ptr i32) (param $out-len i32) (result i32)
    (drop (call $take-state (local.get $in)))
    (call $answer-state (local.get $out-ptr) (local.get $out-len)))

  (func (export "theater:simple/message-server-client.handle-send")
      (param $in i32) (param $len i32) (param $out-ptr i32) (param $out-len i32) (result i32)
    (call $bytes (call $take-state (local.get $in)))
    (global.set $state (global.get $ptr))
    (global.set $state-len (global.get $len))
    (call $answer-state (local.get $out-ptr) (local.get $out-len)))

  (func (export "theater:simple/message-server-client.handle-request")
      (param $in i32) (param $len i32) (param $out-ptr i32) (param $out-len i32) (result i32)
    (call $bytes (call $next (call $take-state (local.get $in))))
    (call $encode (i32.const 0x15) (global.get $state) (global.get $state-len)
      (i32.const 0x15) (global.get $ptr) (global.get $len) (i32.const 0x2030) (i32.const 70) (i32.const 6))
    (call $answer (local.get $out-ptr) (local.get $out-len)))
)
