# What gdb does on the page. The guest is compiled when the host runs, so the breakpoint has to wait.
set breakpoint pending on
set pagination off
set style enabled off
set width 0
# wasmtime uses these signals for traps.
handle SIGSEGV SIGILL SIGFPE nostop noprint pass
break guests/debug/src/main.rs:48 if pieces >= 100
run
backtrace 4
# A step.
next
print pieces
# The caller, and a text there: its address counts from where the guest's memory begins.
up
set language c
print article.length
x/s __vmctx->memory + article.data_ptr.__ptr
