;; The module that guests/no_std aims at, written by hand.
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 8) "\10\00\00\00\12\00\00\00hello without std\n") ;; a ciovec and its text
  (func (export "_start")
    (drop (call $fd_write
      (i32.const 1)     ;; standard output
      (i32.const 8)     ;; the address of the ciovec
      (i32.const 1)     ;; there is one
      (i32.const 0))))) ;; where the number of bytes written goes
