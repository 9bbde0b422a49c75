# What there is to do: `make demo` to see it work, `make test` before a change is shown to anyone.
.PHONY: demo experiment deps test check bench soak
.DEFAULT_GOAL := demo

# A crawl of nineteen news sites that run on this machine, and its report.
demo:
	cargo build --release -p crawler -p fakesite -p bench
	bash tests/demo.sh

# The same crawler bound by the processor and by the network; docs/MEASURING.md tells what it shows.
experiment:
	cargo build --release -p crawler -p fakesite -p bench
	bash tests/experiment.sh

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
bench: deps
	cargo build --release -p crawler -p fakesite -p bench --features crawler/unmeasured
	cp target/release/crawl target/release/crawl-unmeasured
	cargo build --release -p crawler -p fakesite -p bench
	target/release/bench all

# The long forms of the tests, and one table of them: everything hostile at once and each fuzz target for ten minutes, many
# kills at every kind of moment, four workers on 2,000 hosts. SOAK_MINUTES makes it shorter, SOAK_ONLY leaves some out.
soak: deps
	bash tests/soak.sh
