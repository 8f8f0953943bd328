# Compares the three ways of writing the same plug-in: how much code, how large a file, how long a
# call takes. The guests are built for size, the hosts are debug builds.
set -e
cargo build --quiet --profile small --target wasm32-unknown-unknown --package extism_guest
cargo build --quiet --profile small --target wasm32-wasip1 --package extism_module_guest
cargo build --quiet --profile small --target wasm32-wasip2 --package extism_component_guest
cargo build --quiet --manifest-path hosts/extism/Cargo.toml
cargo build --quiet --package extism_module_host --package extism_component_host

lines() { # FILE...: lines that are neither empty nor a comment
    cat "$@" | grep -cvE '^ *(//.*)?$'
}
kilobytes() { # FILE: of 1000 bytes, rounded down
    echo $(($(wc -c < "$1") / 1000))
}
call() { # HOST GUEST: what the host says of a call
    "target/debug/$1" --repeat 2000 "$2" 'what the heck' | sed -n 's/.* \(.*\) µs a call/\1/p'
}
extism=target/wasm32-unknown-unknown/small/extism_guest.wasm
module=target/wasm32-wasip1/small/extism_module_guest.wasm
component=target/wasm32-wasip2/small/extism_component_guest.wasm

row() { printf '%-18s %10s %10s %10s\n' "$@"; }
row '' Extism module component
row 'guest, lines' "$(lines guests/extism/src/lib.rs)" "$(lines guests/extism_module/*.rs \
    guests/extism_module/src/lib.rs)" "$(lines guests/extism_component/src/lib.rs)"
row 'host, lines' "$(lines hosts/extism/src/main.rs)" "$(lines hosts/extism_module/src/main.rs)" \
    "$(lines hosts/extism_component/src/main.rs)"
row 'interface, lines' 0 0 "$(lines wit/extism/world.wit)"
row 'guest, KB' "$(kilobytes $extism)" "$(kilobytes $module)" "$(kilobytes $component)"
row 'a call, µs' "$(call extism_host $extism)" "$(call extism_module_host $module)" \
    "$(call extism_component_host $component)"
