;; Text format: this is all of a module.
(module
  (func $sum (export "sum") (param $a i32) (param $b i32) (result i32)
    (i32.add (local.get $a) (local.get $b))))
