# `make demo` shows the crawler at work. Run `make test` before you submit a change.
.PHONY: demo experiment deps test check bench soak
.DEFAULT_GOAL := demo

# Crawls nineteen news sites that are served on this machine, and prints the report.
demo:
	cargo build --release -p crawler -p fakesite -p bench
	bash tests/demo.sh

# Runs the same crawler bound by the CPU and bound by the network; docs/MEASURING.md explains the results.
experiment:
	cargo build --release -p crawler -p fakesite -p bench
	bash tests/experiment.sh

# Installs everything the tests need. DEPS=skip installs nothing and lists what is missing.
deps:
	bash tests/deps.sh

test: deps
	cargo test --workspace --no-fail-fast

check:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items

# Each figure is a ratio to a named reference measured in the same run; docs/BENCHMARKS.md records them.
bench: deps
	cargo build --release -p crawler -p fakesite -p bench --features crawler/unmeasured
	cp target/release/crawl target/release/crawl-unmeasured
	cargo build --release -p crawler -p fakesite -p bench
	target/release/bench all

# Runs the long forms of the tests and prints one table: all hostile hosts at once and each fuzz target for ten minutes,
# many kills at every kind of moment, four workers on 2,000 hosts, a virtual week of 10,000 simulated hosts. SOAK_MINUTES shortens the run, SOAK_ONLY selects rows.
soak: deps
	bash tests/soak.sh
