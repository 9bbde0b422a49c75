# What there is to do: `make demo` to see it work, `make test` before a change is shown to anyone.
.PHONY: demo deps test check bench soak
.DEFAULT_GOAL := demo

# A crawl of nineteen news sites that run on this machine, and its report.
demo:
	cargo build --release -p crawler -p fakesite -p bench
	bash tests/demo.sh

# Everything the tests need; DEPS=skip leaves the machine alone and names what is missing.
deps:
	bash tests/deps.sh

test: deps
	cargo test --workspace --no-fail-fast

check:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items

# Each figure is a ratio against something named, taken in one run; docs/BENCHMARKS.md keeps them.
bench:
	cargo build --release -p crawler -p fakesite -p bench
	target/release/bench all

# The long forms of the tests: many kills, at every kind of moment; ten minutes of each fuzz target.
soak:
	KILL_ROUNDS=200 FLIPS=700 cargo test --release -p crawler --test main -- --nocapture resume damage
	fuzz/run.sh 600
