;; A script: a module, and what it must do. It has no binary format.
(module
  (func (export "sum") (param i32 i32) (result i32)
    (i32.add (local.get 0) (local.get 1))))
(assert_return (invoke "sum" (i32.const 2) (i32.const 3)) (i32.const 5))
(assert_invalid (module (func (result i32))) "type mismatch")
