;; To be refused: a core module, as a compiler without the component model makes it.
(module
  (memory (export "memory") 1)
  (func (export "init") (result i32)
    (i32.const 0)))
