# An index of short recipes: what they run is plain cargo, and the pages in examples/ spell it out.
# What is in the group `collection` stays here when `just new` makes a project of an example.

# The pages name what cargo built by its path below `target`, and show errors without backtraces.
unexport CARGO_TARGET_DIR
unexport CARGO_BUILD_TARGET_DIR
unexport RUST_BACKTRACE

# List the examples, then the recipes
[group('collection'), no-exit-message, private]
default:
    @awk -F '[][|]' '/^### / { sub("### ", ""); print $0 ":" } \
        /^\| \[[a-z0-9_]+\]\(examples\// { printf "    %-16s #%s\n", $3, $5 }' README.md
    @echo; {{ just }} --list

# Run an example as its page does, with further arguments passed on
[no-exit-message, positional-arguments]
run example="" *args: (known example) targets
    @shift; \
    if [ $# -gt 0 ] && grep -q '^run:' examples/{{ example }}/run.just; then \
        echo "error: {{ example }} takes no arguments" >&2; exit 1; \
    fi; \
    words=; \
    for word; do \
        case $word in \
            '' | *[!A-Za-z0-9_=.,/:@%+-]*) word="'$(printf '%s.' "$word" | sed "s/'/'\\\\''/g")"; word="${word%.}'" ;; \
        esac; \
        words="$words${words:+ }$word"; \
    done; \
    {{ just }} --justfile examples/{{ example }}/run.just --working-directory . run ${words:+"$words"}

# Run the tests, all or those of one example: its own, its page, and a project made of it
[no-exit-message]
test example="": (known-or-all example) targets
    {{ if example == "" { "cargo test --no-fail-fast --package tests" } else { "cargo test --package tests --test " + example + "; a=$?; cargo test --no-fail-fast --package tests --test walkthroughs --test copies -- --exact " + example + "; exit $((a + $?))" } }}

# Make DIR a project of your own from an example; with NAME, everything in it carries that name
[group('collection'), no-exit-message, positional-arguments]
new example dir name="": (known example)
    @cargo run --quiet --package tests --bin new -- project "$1" {{ quote(join(invocation_directory(), dir)) }} ${3:+"$3"}

# Start a new example as a renamed copy of another
[group('collection'), no-exit-message, positional-arguments]
example name from: (known from)
    @cargo run --quiet --package tests --bin new -- example "$1" "$2"

# Look a message up in the index of errors
[group('collection'), no-exit-message, positional-arguments]
explain text:
    @grep -iF -e "$1" examples/errors.md || { echo "error: no entry of examples/errors.md has: $1" >&2; exit 1; }

# Say what is installed, what is missing, and what for
[group('collection'), no-exit-message]
doctor:
    @cargo run --quiet --package tests --bin doctor

# Print what the budgets of the workspace are and what is used: disk, first build, warm run and test
[group('collection'), no-exit-message]
budgets:
    @cargo run --quiet --package tests --bin budgets

# Measure the guests again: the tables and the chart of optimize, and examples/sizes.md
[group('collection'), no-exit-message]
sizes: targets
    SNAPSHOTS=overwrite cargo test --quiet --package tests --test optimize --test sizes -- the_sizes

# Measure calls and instances: the figures of startup, for which it takes some minutes
[group('collection'), no-exit-message]
bench: targets
    @cargo run --quiet --package tests --bin bench

# Measure http_host beside `wasmtime serve` and a native server: the figures of http, for which it takes
# some minutes, `wasmtime` and `wrk`
[group('collection'), no-exit-message]
bench-http: targets
    @cargo run --quiet --package tests --bin bench_http

# Make a book of the pages, in target/book; it takes mdbook and mdbook-mermaid, and npm for guests that run in it
[group('collection'), no-exit-message]
book: targets
    @cargo run --quiet --package tests --bin book

# Read again what RustSec knows of the crates used here; PATH is a clone of its advisory-db
[group('collection'), no-exit-message]
advisories path:
    @[ -d {{ quote(join(invocation_directory(), path, "crates")) }} ] || \
        { echo "error: give the path of a clone of https://github.com/rustsec/advisory-db" >&2; exit 1; }
    ADVISORY_DB={{ quote(join(invocation_directory(), path)) }} cargo test --quiet --package tests --test supply

# Run the official test suite of WASI in runner_host and http_host, from the path of a copy of it
[group('collection'), no-exit-message, positional-arguments]
conformance suite="":
    @python3 tests/conformance/run.py {{ if suite == "" { "" } else { quote(join(invocation_directory(), suite)) } }}

# Format everything
fmt:
    cargo fmt
    @for lock in hosts/*/Cargo.lock; do \
        [ ! -f "$lock" ] || (cd "${lock%/*}" && cargo fmt) || exit 1; \
    done

# What CI checks besides the tests
lint: targets
    cargo fmt --check
    # The hosts and the tests without the guests, whose features other crates would be checked for again.
    cargo clippy --all-targets -- -D warnings
    cargo clippy --workspace --exclude '*_host' --exclude tests --all-targets -- -D warnings
    @for target in $(sed -n 's/^target = "\(.*\)"/\1/p' guests/*/.cargo/config.toml | sort -u); do \
        guests=$(grep -L '^rustflags' $(grep -l "^target = \"$target\"" guests/*/.cargo/config.toml) | \
            sed 's,^guests/\([^/]*\)/.*,--package=\1_guest,'); \
        [ -z "$guests" ] && continue; \
        echo "cargo clippy --target $target --all-targets" $guests "-- -D warnings" >&2; \
        cargo clippy --quiet --target "$target" --all-targets $guests -- -D warnings || exit 1; \
    done
    @for config in $(grep -l '^rustflags' guests/*/.cargo/config.toml); do \
        guest=${config%/.cargo/*}; \
        echo "(cd $guest && cargo clippy --all-targets -- -D warnings)" >&2; \
        (cd "$guest" && cargo clippy --quiet --all-targets -- -D warnings) || exit 1; \
    done
    @for lock in hosts/*/Cargo.lock; do \
        [ -f "$lock" ] || continue; \
        if grep -q 'needs cmake' "${lock%/*}/Cargo.toml" && ! command -v cmake >/dev/null; then \
            echo "${lock%/*}: skipped, it needs cmake" >&2; continue; \
        fi; \
        echo "(cd ${lock%/*} && cargo fmt --check && RUSTC_WORKSPACE_WRAPPER=clippy-driver cargo build --bins --examples)" >&2; \
        (cd "${lock%/*}" && cargo fmt --check && RUSTC_WORKSPACE_WRAPPER=clippy-driver \
            CLIPPY_ARGS=-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__ cargo build --quiet --bins --examples) || exit 1; \
    done

# Stop with one line unless there is such an example
[no-exit-message, positional-arguments, private]
known example:
    @[ -n "$1" ] && [ -f "examples/$1/run.just" ] || cargo run --quiet --package tests --bin nearest -- -- "$1"

[no-exit-message, positional-arguments, private]
known-or-all example:
    @[ -z "$1" ] || {{ just }} known "$1"

# Install the targets of rust-toolchain.toml, which rustup may be set not to do by itself
[private]
targets:
    @sysroot=$(rustc --print sysroot) || exit 1; \
    for target in $(grep -o 'wasm32[a-z0-9-]*' rust-toolchain.toml); do \
        [ -d "$sysroot/lib/rustlib/$target" ] || rustup target add "$target" || exit 1; \
    done

just := quote(just_executable())
