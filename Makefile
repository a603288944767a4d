# make run     build the example, boot it in QEMU, show it working
# make test    everything that CI checks
# make install PREFIX=/usr/local
# make reproducible   build the example twice, with all different that must not matter, and compare
# make bench   compare times and sizes with other tools
# make bench-build BENCH_ROUNDS=3   only builds and images, each so often
# make fuzz FUZZ_SECONDS=600   try inputs that a program makes up, so long for each target

SHELL := /bin/bash
.DELETE_ON_ERROR:

export CARGO_TARGET_DIR ?= $(CURDIR)/target
ARCH := x86_64
TARGET := $(ARCH)-unknown-linux-gnu
# What goes into images is static: an initramfs has no libraries, and an image may have any.
STATIC_FLAGS := -C target-feature=+crt-static
STATIC_DIR := $(CARGO_TARGET_DIR)/$(TARGET)/init
DIST := $(CARGO_TARGET_DIR)/dist
PREFIX ?= /usr/local
CARGO := cargo

.PHONY: all host-packages programs dist install run test check unit-tests boot-tests reproducible bench bench-build bench-boot bench-system-ini bench-address \
	fuzz clean

all: dist

host-packages:
	scripts/install-host-packages

programs: host-packages
	RUSTFLAGS="$(STATIC_FLAGS)" $(CARGO) build --locked --profile init --target $(TARGET) \
		-p genpack-init -p genpack-config-agent
	$(CARGO) build --locked --release -p genpack

# genpack with its own files around it, as `make install` lays them out.
dist: programs
	$(MAKE) --no-print-directory install-files PREFIX=$(DIST)

install: dist
	$(MAKE) --no-print-directory install-files PREFIX=$(PREFIX)

.PHONY: install-files
install-files:
	install -D -m 755 $(CARGO_TARGET_DIR)/release/genpack $(PREFIX)/bin/genpack
	install -D -m 755 -t $(PREFIX)/lib/genpack/$(ARCH) $(STATIC_DIR)/genpack-init $(STATIC_DIR)/genpack-config-agent
	rm -rf $(PREFIX)/share/genpack
	install -d $(PREFIX)/share/genpack
	cp -a profiles rootfs-overlay $(PREFIX)/share/genpack/

run: dist
	GENPACK=$(DIST)/bin/genpack scripts/run-example

test: root-needed check unit-tests boot-tests

# Before anything is compiled for half an hour.
.PHONY: root-needed
root-needed:
	@[ "$$(id -u)" = 0 ] || { echo "this needs root: it makes namespaces, mounts and loop devices" >&2; exit 1; }

check: host-packages
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	$(CARGO) clippy --locked --manifest-path fuzz/Cargo.toml --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --document-private-items
	rustfmt --edition 2021 --check examples/monitor/files/usr/src/monitor/serve.rs
	shellcheck .ci/run scripts/* examples/container/make-image examples/container/site/about \
		bench/src/peers/build-by-hand bench/src/peers/mkosi/prepare bench/src/peers/mkosi/in-tools-tree
	shellcheck --shell=sh examples/monitor/files/build.d/*.sh
	scripts/check-dependencies
	scripts/check-units

# Most of these tests wait for timers of the network.
unit-tests: host-packages
	RUST_TEST_THREADS=4 $(CARGO) test --locked --workspace --exclude genpack-tests

boot-tests: dist
	GENPACK=$(DIST)/bin/genpack $(CARGO) test --locked -p genpack-tests -- --test-threads=2

reproducible: dist
	GENPACK=$(DIST)/bin/genpack scripts/check-reproducible

bench: bench-build bench-boot bench-system-ini bench-address

BENCH_ROUNDS := 3
bench-build: root-needed dist
	GENPACK=$(DIST)/bin/genpack $(CARGO) run --locked --quiet -p genpack-bench --bin builds -- $(BENCH_ROUNDS)

bench-boot: root-needed dist
	GENPACK=$(DIST)/bin/genpack $(CARGO) run --locked --quiet -p genpack-bench --bin boots

bench-system-ini:
	$(CARGO) run --locked --quiet --release -p genpack-bench --bin system-ini

bench-address: dist
	GENPACK=$(DIST)/bin/genpack $(CARGO) run --locked --quiet -p genpack-bench --bin address

FUZZ_SECONDS := 600
fuzz: host-packages
	scripts/fuzz $(FUZZ_SECONDS)

clean:
	$(CARGO) clean
	rm -rf out
