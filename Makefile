# The only set-up anyone needs. Every target installs what it lacks (packages.txt) before it starts.
jobs := $(shell nproc)
build_one = cmake --preset $(1) $(2) && cmake --build build/$(1) --parallel $(jobs)
ctest = ctest --output-on-failure --no-tests=error --parallel $(jobs)

.PHONY: help setup setup-build setup-all build report test check-all
help:
	@echo "make report     measure the paper study here (quick profile) and show the result"
	@echo "make test       build with warnings as errors and run the fast tests"
	@echo "make build      build the release program: build/release/attnbench"
	@echo "make check-all  what is slow: clang, sanitizers, emulation, include rules, formatting"
	@echo "make setup      install the packages of report and test only"

setup-build:
	@tools/setup.sh build
setup:
	@tools/setup.sh build test
setup-all:
	@tools/setup.sh build test slow

build: setup-build
	$(call build_one,release)

# Exit code 3 says "measured, but too noisy to publish": the table shows the mark.
report: build
	@mkdir -p results
	build/release/attnbench run paper --profile quick --out results/paper.db || [ $$? -eq 3 ]
