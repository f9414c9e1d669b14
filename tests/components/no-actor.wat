;; To be refused: a sound component, but not an actor. It exports no `theater:simple/actor`.
(component
  (core module $Add
    (func $add (export "add") (param $a i32) (param $b i32) (result i32)
      (i32.add (local.get $a) (local.get $b))))
  (core instance $add (instantiate $Add))
  (func $add (export "add") (param "a" u32) (param "b" u32) (result u32)
    (canon lift (core func $add "add"))))
