# The only set-up anyone needs. Every target first installs what it lacks (packages.txt).
jobs := $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
# Used where it is installed, never needed.
export CMAKE_CXX_COMPILER_LAUNCHER ?= $(shell command -v ccache 2>/dev/null)
export CCACHE_SLOPPINESS ?= pch_defines,time_macros
# Tests of commands spend a third of their time waiting.
ctest = ctest --output-on-failure --no-tests=error --parallel $(shell expr $(jobs) + 1)

.PHONY: help setup-build setup setup-report setup-peers peers-of-report setup-all build package report paper test check-all clang asan-ubsan tsan slow aarch64 test-mac

help:
	@echo "make report     measure the published study on this machine (ten minutes) and end with report.html"
	@echo "make report PEERS=1  the same beside other engines, as many as can be fetched; with PYTORCH=1 PyTorch too"
	@echo "make paper      typeset the newest store under results/ (or STORE=FILE) as paper.pdf, with its figures"
	@echo "make test       build with warnings as errors and run the fast tests"
	@echo "make test-mac   on a Mac: tests of the kernels and of what macOS tells"
	@echo "make build      build the release program, build/release/attnbench"
	@echo "make package    pack the release program and library, to run on bare systems of this Debian release"
	@echo "make check-all  the slow checks: clang, sanitizers, emulation, AArch64, formatting"
	@echo "make setup      install the packages that report and test need, and nothing else"
	@echo "make setup-peers  fetch engines of other makers (MLX, ggml), which the next build then has"

setup-build:
	@tools/setup.sh build
setup-report:
	@tools/setup.sh build report
setup-peers:
	@tools/setup.sh build peers
setup:
	@tools/setup.sh build report test
setup-all:
	@tools/setup.sh build report test slow package

build: setup-build
	cmake --preset release
	cmake --build build/release --parallel $(jobs)

package: build
	@tools/setup.sh package
	tools/package.sh build/release

# What cannot be fetched is left out, and the report names it.
peers-of-report: setup-build
	@tools/setup.sh peers || echo "setup: going on with what there is" >&2

# Exit code 3 says "measured, but too noisy to publish"; tables, report and paper show the mark. A kernel of somebody else's
# that is wrong or fails (4) has its row, and stops nothing.
ifdef PEERS
build: peers-of-report
report: setup-report build
	build/release/attnbench run --profile report || [ $$? -eq 3 ]
	build/release/attnbench run peers --peers || case $$? in 3|4) ;; *) exit 1;; esac
	tools/report.sh report $$(ls -t results/paper-*.db | head -n 1) $$(ls -t results/peers-*.db | head -n 1)
else
report: setup-report build
	build/release/attnbench run --profile report || [ $$? -eq 3 ]
	tools/report.sh report
endif

paper: setup-report build
	tools/report.sh paper $(STORE)

test: setup
	cmake --preset dev
	cmake --build build/dev --parallel $(jobs)
	$(ctest) --test-dir build/dev --label-exclude slow

# On a Mac: unit tests of the kernels and of what the system tells. The others are of what is the same everywhere.
test-mac:
	@tools/setup.sh build test
	cmake --preset mac
	cmake --build build/mac --parallel $(jobs) --target unit_tests
	$(ctest) --test-dir build/mac --label-regex unit

# `slow` comes last: its summary then closes the output.
check-all: clang asan-ubsan tsan slow

# Formatting, and the release program in emulators of a Nehalem and of AArch64.
slow: aarch64 build
	cmake --preset dev
	cmake --build build/dev --parallel $(jobs)
	$(ctest) --test-dir build/dev --label-regex slow

# The other compiler's optimised build gives the same outputs as GCC's. Of the command line and the tests it is
# asan-ubsan that compiles with its warnings.
clang: setup-all
	cmake --preset clang
	cmake --build build/clang --parallel $(jobs) --target kernel_outputs
	cmake --preset dev
	cmake --build build/dev --parallel $(jobs) --target kernel_outputs
	build/dev/tests/kernel_outputs write build/clang/gcc_outputs.json
	build/clang/tests/kernel_outputs compare build/clang/gcc_outputs.json

asan-ubsan: setup-all
	cmake --preset asan-ubsan
	cmake --build build/asan-ubsan --parallel $(jobs) --target attnbench_cli unit_tests property_tests
	UBSAN_OPTIONS=print_stacktrace=1 $(ctest) --test-dir build/asan-ubsan --label-regex 'unit|property'

# The unit tests of what starts threads: the others could not race. ThreadSanitizer cannot see libgomp's barriers: inside
# oneDNN they would look like races.
tsan: setup-all
	cmake --preset tsan
	cmake --build build/tsan --parallel $(jobs) --target unit_tests
	TSAN_OPTIONS=suppressions=$(CURDIR)/tools/tsan.supp $(ctest) --test-dir build/tsan --label-regex unit

# A cross-build, which the slow tier runs in an emulator. Fetches arm64 libraries once, into build/aarch64/sysroot.
aarch64: setup-all
	tests/aarch64/sysroot.sh build/aarch64/sysroot
	cmake --preset aarch64
	cmake --build build/aarch64 --parallel $(jobs) --target attnbench_cli unit_tests property_tests
