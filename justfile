# An index of short recipes: what they run is plain cargo, and the pages in examples/ spell it out.

# List the examples, then the recipes
[private]
default:
    @echo "Examples (just run NAME):"
    @awk -F '[][|]' '/^\| \[[a-z0-9_]+\]\(examples\// { printf "    %-16s #%s\n", $3, $5 }' README.md
    @{{ just }} --list

# Run an example as its page does, with further arguments passed on
[no-exit-message, positional-arguments]
run example *args: (known example) targets
    @shift && {{ just }} --justfile examples/{{ example }}/justfile --working-directory . run "$@"

# Run the tests, all or those of one example
test example="": (known example) targets
    cargo test --package tests {{ if example == "" { "" } else { "--test " + example } }}
    {{ if example == "" { "" } else { "cargo test --package tests --test walkthroughs -- --exact " + example } }}

# Make DIR a project of your own from an example
new example dir: (known example)
    @cargo run --quiet --package tests --bin new -- {{ quote(example) }} {{ quote(join(invocation_directory(), dir)) }}

# Say what is installed, what is missing, and what for
doctor:
    @cargo run --quiet --package tests --bin doctor

# Format everything
fmt:
    cargo fmt

# What CI checks besides the tests
lint: targets
    cargo fmt --check
    cargo clippy --workspace --all-targets -- -D warnings
    @for guest in guests/*/; do \
        echo "(cd $guest && cargo clippy --all-targets -- -D warnings)" >&2; \
        (cd "$guest" && cargo clippy --quiet --all-targets -- -D warnings) || exit 1; \
    done

# Stop with one line unless there is such an example.
[no-exit-message, positional-arguments, private]
known example:
    @[ -z "$1" ] || [ -f "examples/$1/justfile" ] || cargo run --quiet --package tests --bin nearest -- "$1"

# Install the targets of rust-toolchain.toml, which rustup may be set not to do by itself.
[private]
targets:
    @sysroot=$(rustc --print sysroot) || exit 1; \
    for target in $(grep -o 'wasm32[a-z0-9-]*' rust-toolchain.toml); do \
        [ -d "$sysroot/lib/rustlib/$target" ] || rustup target add "$target" || exit 1; \
    done

just := quote(just_executable())
