# plumb - builds with make and a C11 compiler; `make help` lists what can be asked for.
#
#   O=DIR      build folder (default build)
#   V=1        print commands
#   SAN=...    address,undefined | thread | fuzzer (each in a build folder of its own)
#   CC=...     compiler

O ?= build
V ?= 0
SAN ?=
ifneq ($(SAN),)
  comma := ,
  override O := $(O)/san-$(subst $(comma),-,$(SAN))
  SAN_FLAGS := -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
endif
ifeq ($(V),0)
  Q := @
  SAY = @printf '  %-7s %s\n' $(1) $(2)
else
  Q :=
  SAY = @:
endif

.DEFAULT_GOAL := all
ROOT := $(dir $(lastword $(MAKEFILE_LIST)))
PACKAGES := sqlite3 libmicrohttpd libzstd zlib libxxhash yajl libmd libpcre2-8
CFLAGS ?= -O2 -g
PLUMB_CFLAGS := -std=gnu11 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 \
  -Wno-format-nonliteral -Wvla -ffp-contract=off -Werror=implicit-function-declaration -fPIC -fvisibility=hidden -pthread \
  -D_GNU_SOURCE -DPLUMB_VERSION='"0.1.0"' $(SAN_FLAGS) $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
PLUMB_CPPFLAGS := -I. -I$(O)/gen
LDLIBS := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lm -pthread

HOST_PROGRAMS := store/gen_schema.c store/embed.c runtime/gen_ops.c
STORE := $(filter-out $(HOST_PROGRAMS), $(wildcard store/*.c store/base/*.c store/diff/*.c))
CAPTURE := $(wildcard capture/*.c)
KERNELS := $(wildcard kernels/*.c)
RUNTIME := $(filter-out $(HOST_PROGRAMS), $(wildcard runtime/*.c runtime/compile/*.c))
WEB := $(wildcard web/*.c)
GEN := $(O)/gen/store_rows.c $(O)/gen/schema_text.c $(O)/gen/queries.c $(O)/gen/assets.c $(O)/gen/prelude_c.c \
  $(O)/gen/prelude_opencl.c $(O)/gen/prelude_cuda.c \
  $(O)/gen/selftest_text.c $(O)/gen/python.c $(O)/gen/plumb_ops.c
# What a printer puts before each kernel, in this order (kernels/exact_c.h has the same).
PRELUDE := $(addprefix kernels/, exact_coef.h exact.h exact_act.h exact64.h exact_num.h exact_int.h exact_half.h \
  exact_complex.h exact_cast.h exact_move.h philox.h exact_reduce.h exact_scan.h)
# And behind it where work-groups are.
GROUP_PRELUDE := kernels/exact_group.h
SOURCES := $(STORE) $(CAPTURE) $(KERNELS) $(RUNTIME) $(WEB)
OBJECTS := $(SOURCES:%.c=$(O)/%.o) $(GEN:.c=.o)
EXTENSION := $(wildcard store/ext/*.c) store/sqlfn.c store/text.c store/batch.c store/sqlerr.c \
  $(addprefix store/base/, arena.c buf.c err.c span.c)
VERBS := $(sort $(patsubst cmd_%.c,%,$(notdir $(wildcard store/cmd_*.c capture/cmd_*.c runtime/cmd_*.c web/cmd_*.c))))
UNIT := $(patsubst tests/unit/%.c,$(O)/tests/%,$(wildcard tests/unit/test_*.c))
QUERIES := $(wildcard store/sql/*.sql)
ASSETS := $(wildcard web/assets/*)
PYTHON := $(wildcard capture/*.py)
C_FILES = $(wildcard *.[ch] $(addsuffix /*.[ch],store store/base store/diff capture kernels runtime runtime/compile web tests/*))
PREFIX ?= /usr/local

.PHONY: all deps deps-build demo install man test unit-programs unit system check check-layers check-format check-assets \
  check-sanitizers sanitizer-programs sanitized-programs check-fuzz sanitized format fuzz fuzz-programs bench help clean \
  deps-gpu test-cuda bench-cuda check-kernels

all: $(O)/plumb $(O)/libplumb.so $(O)/plumb_sqlite.so ## build the program, the library and the SQLite extension

$(O)/plumb: $(O)/plumb.o $(OBJECTS)
	$(call SAY,LINK,$@)
	$(Q)$(CC) $(SAN_FLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(O)/libplumb.so: $(O)/plumb.o $(OBJECTS)
	$(call SAY,LINK,$@)
	$(Q)$(CC) $(SAN_FLAGS) $(LDFLAGS) -shared -o $@ $^ $(LDLIBS)

# SQL functions for other programs: the same sources, calling SQLite through the loading program's table.
$(O)/plumb_sqlite.so: $(EXTENSION:%.c=$(O)/ext/%.o) $(O)/gen/store_rows.o
	$(call SAY,LINK,$@)
	$(Q)$(CC) $(SAN_FLAGS) $(LDFLAGS) -shared -o $@ $^ -lzstd -lxxhash -lpcre2-8 -lm -pthread

$(O)/ext/%.o: %.c | $(O)/gen/store_rows.h
	$(call SAY,CC,$< \(extension\))
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -DPLUMB_EXTENSION $(PLUMB_CPPFLAGS) $(CFLAGS) $(PLUMB_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/%.o: %.c | $(O)/gen/store_rows.h $(O)/gen/verb_list.h $(O)/gen/plumb_ops.h
	$(call SAY,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(PLUMB_CPPFLAGS) $(CFLAGS) $(PLUMB_CFLAGS) -MMD -MP -c -o $@ $<

# Kernels give the same bits everywhere (docs/exact.md): nothing is contracted or reordered. The loops
# of the products, of attention and of scattering are plain C that wants vectorising.
KERNEL_CFLAGS := -ffp-contract=off -fno-math-errno -fno-trapping-math
$(O)/kernels/%.o: PLUMB_CFLAGS += $(KERNEL_CFLAGS)
$(patsubst %.c,$(O)/%.o,$(wildcard kernels/gemm*.c kernels/attention*.c kernels/scatter*.c kernels/run.c)): PLUMB_CFLAGS += -O3

# Prototypes of the driver are compared with a toolkit's, where one is.
$(O)/runtime/cuda_driver.o: PLUMB_CPPFLAGS += $(addprefix -isystem ,$(firstword $(wildcard /usr/local/cuda/include $(O)/cuda/nvidia/cu13/include)))

$(O)/gen/%.o: $(O)/gen/%.c | $(O)/gen/store_rows.h $(O)/gen/plumb_ops.h
	$(call SAY,CC,$<)
	$(Q)$(CC) $(PLUMB_CPPFLAGS) $(CFLAGS) $(PLUMB_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/gen/gen_schema: store/gen_schema.c
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -O1 -std=gnu11 -o $@ $<
$(O)/gen/embed: store/embed.c
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -O1 -std=gnu11 -o $@ $< -lz
$(O)/gen/store_rows.h: $(O)/gen/gen_schema store/schema.sql
	$(call SAY,GEN,$@)
	$(Q)$< h store/schema.sql >$@.tmp && mv $@.tmp $@
$(O)/gen/store_rows.c: $(O)/gen/gen_schema store/schema.sql
	$(Q)$< c store/schema.sql >$@.tmp && mv $@.tmp $@
$(O)/gen/schema_text.c: $(O)/gen/embed store/schema.sql
	$(Q)$< schema store/schema.sql >$@.tmp && mv $@.tmp $@
$(O)/gen/queries.c: $(O)/gen/embed $(QUERIES) store/sql
	$(Q)$< queries $(QUERIES) >$@.tmp && mv $@.tmp $@
$(O)/gen/assets.c: $(O)/gen/embed $(ASSETS) web/assets
	$(Q)$< assets $(ASSETS) >$@.tmp && mv $@.tmp $@
$(O)/gen/prelude_opencl.c $(O)/gen/prelude_cuda.c: PRELUDE += $(GROUP_PRELUDE)
$(O)/gen/prelude_%.c: kernels/prelude_%.h $(O)/gen/embed $(PRELUDE) $(GROUP_PRELUDE)
	$(Q)$(O)/gen/embed prelude prelude_$*_text $< $(PRELUDE) >$@.tmp && mv $@.tmp $@
$(O)/gen/selftest_text.c: $(O)/gen/embed kernels/selftest_c.h
	$(Q)$< prelude selftest_c_text kernels/selftest_c.h >$@.tmp && mv $@.tmp $@
$(O)/gen/gen_ops: runtime/gen_ops.c runtime/op_schema.c runtime/op_schema.h $(wildcard runtime/ops*.def)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -O1 -std=gnu11 -D_GNU_SOURCE -I. -o $@ runtime/gen_ops.c runtime/op_schema.c store/base/err.c
$(O)/gen/plumb_ops.h: $(O)/gen/gen_ops
	$(call SAY,GEN,$@)
	$(Q)$< h >$@.tmp && mv $@.tmp $@
$(O)/gen/plumb_ops.c: $(O)/gen/gen_ops
	$(Q)$< c >$@.tmp && mv $@.tmp $@
$(O)/gen/python.c: $(O)/gen/embed $(PYTHON)
	$(Q)$< python $(PYTHON) >$@.tmp && mv $@.tmp $@
# Rewritten only when the set of cmd_*.c files changes.
$(O)/gen/verb_list.h: FORCE
	$(Q)mkdir -p $(@D)
	$(Q)printf '#define VERBS(X)%s\n' '$(foreach v,$(VERBS), X($(v)))' >$@.tmp
	$(Q)cmp -s $@.tmp $@ && rm $@.tmp || mv $@.tmp $@
FORCE:
docs/trace-format.md: $(O)/gen/gen_schema store/schema.sql
	$(Q)$< md store/schema.sql >$@

# Over a hundred programs of all objects: gold links them in half the time.
TEST_LD := -fuse-ld=gold
$(O)/tests/%: tests/unit/%.c $(OBJECTS)
	$(call SAY,TEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(PLUMB_CPPFLAGS) $(CFLAGS) $(PLUMB_CFLAGS) -MMD -MP -MF $@.d $(TEST_LD) -o $@ $< $(OBJECTS) $(LDLIBS) -lcmocka

## ---- packages -------------------------------------------------------------------------------

BUILD_DEPS := gcc make pkg-config libc6-dev libsqlite3-dev libmicrohttpd-dev libzstd-dev zlib1g-dev \
  libxxhash-dev libyajl-dev libmd-dev libpcre2-dev libdw-dev libopenblas0-pthread
TEST_DEPS := libcmocka-dev sqlite3 python3 python3-pytest python3-pytest-xdist python3-selenium chromium chromium-driver \
  fonts-dejavu-core clang-14 libclang-rt-14-dev clang-format-14
# What runs OpenCL C on this processor, and builds it for Intel's (53 MB to fetch, 327 MB on disk).
TEST_DEPS += pocl-opencl-icd ocl-icd-libopencl1 intel-opencl-icd
# NVRTC of CUDA 13.0 as wheels, where no toolkit is (93 MB to fetch, 250 MB on disk).
NVRTC := nvidia-cuda-nvrtc==13.0.88 nvidia-cuda-runtime==13.0.96 nvidia-cuda-crt==13.0.88
# The libraries are looked for when make starts, so what needs them runs in a make of its own.
SUBMAKE = $(MAKE) --no-print-directory O=$(O)

deps: ## install the Debian packages that building and testing need
	$(Q)tests/install_packages $(BUILD_DEPS) $(TEST_DEPS)
deps-build:
	$(Q)tests/install_packages $(BUILD_DEPS)

deps-gpu: ## put NVRTC, which builds CUDA C, into the build folder unless a toolkit has it
	$(Q)if ldconfig -p | grep -q libnvrtc.so.13 || [ -e /usr/local/cuda/lib64/libnvrtc.so.13 ] || \
	  [ -e $(O)/cuda/nvidia/cu13/lib/libnvrtc.so.13 ]; then echo "  NVRTC is there"; else \
	  command -v pip3 >/dev/null || tests/install_packages python3-pip; \
	  pip3 install -q --root-user-action=ignore --no-compile --no-deps --target $(O)/cuda $(NVRTC); fi

## ---- use ------------------------------------------------------------------------------------

# Two runs of one model, the second with one bit of an activation flipped in step 3: the address opens where they part.
DEMO_FAULT := aten::gelu:8:27
demo: deps-build ## import the logs under tests/data, train a small model twice, show where the two runs part
	$(Q)$(SUBMAKE) -j$$(nproc) all
	$(Q)$(O)/plumb import tests/data/logs --overwrite -o $(O)/demo.db
	$(Q)$(O)/plumb run gpt --overwrite -o $(O)/demo-run.db
	$(Q)$(O)/plumb run gpt --inject $(DEMO_FAULT) --overwrite -o $(O)/demo-fault.db
	$(Q)$(O)/plumb run gpt --compile --overwrite -o $(O)/demo-compiled.db
	$(Q)$(O)/plumb diff $(O)/demo-run.db $(O)/demo-fault.db --overwrite -o $(O)/demo-diff.db || [ $$? = 1 ]
	$(Q)exec $(O)/plumb serve $(O)/demo-diff.db $(O)/demo.db $(O)/demo-run.db $(O)/demo-fault.db $(O)/demo-compiled.db

install: all man ## install under $(DESTDIR)$(PREFIX)
	install -D -m 755 $(O)/plumb $(DESTDIR)$(PREFIX)/bin/plumb
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/include plumb.h $(O)/gen/plumb_ops.h
	install -D -m 644 $(O)/libplumb.so $(DESTDIR)$(PREFIX)/lib/libplumb.so
	install -D -m 644 $(O)/plumb_sqlite.so $(DESTDIR)$(PREFIX)/lib/plumb_sqlite.so
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man1 $(O)/man/*.1
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/plumb README.md LICENSE docs/*.md

man: $(O)/plumb
	$(Q)mkdir -p $(O)/man
	$(Q)for v in $$($(O)/plumb help | awk '/^  [a-z]/ {print $$1}'); do \
	  $(O)/plumb help --man $$v >$(O)/man/plumb-$$v.1 || exit 1; done

## ---- tests ----------------------------------------------------------------------------------

test: deps ## install what is missing, build, run all tests
	$(Q)$(SUBMAKE) -j$$(nproc) all unit-programs
	$(Q)bad=0; tests/run_unit $(O) || bad=1; tests/run_system $(O) || bad=1; exit $$bad

unit-programs: $(UNIT)
unit: $(UNIT) ## unit tests
	$(Q)tests/run_unit $(O)
system: all ## tests of the whole program
	$(Q)tests/run_system $(O)

test-cuda: $(O)/plumb $(O)/tests/test_cuda $(O)/tests/test_gpu_suite ## run every printed kernel on a device of NVIDIA, compare with the CPU
	$(Q)tests/run_cuda $(O) $(SUBMAKE)
bench-cuda: $(O)/bench/bench_cuda ## time of kernels on a device of NVIDIA by events, and GB/s (CUDA_BENCH="MIB TIMES")
	$(Q)$(O)/bench/bench_cuda $(CUDA_BENCH)

# Each text once; what a run that was stopped has built is in the tables.
check-kernels: deps-gpu $(O)/tests/test_gpu_suite $(O)/tests/test_gpu_programs ## build every printed kernel for sm_80, sm_90, skl, dg2, pvc (half an hour)
	$(Q)PLUMB_BUILDS=$(O)/programs.txt $(O)/tests/test_gpu_programs test_builds
	$(Q)PLUMB_SUITE=all PLUMB_BUILDS=$(O)/suite.txt $(O)/tests/test_gpu_suite test_builds

check: deps ## all that continuous integration runs; it goes on after a failure and sums up
	$(Q)O=$(O) MAKE=$(MAKE) tests/check

check-layers: ## each file includes only what its layer may
	$(Q)tests/check_layers
check-format: ## layout, first lines, lengths
	$(Q)clang-format-14 --dry-run -Werror $(C_FILES)
	$(Q)tests/check_style
check-assets: ## what a browser loads beside a page stays small
	$(Q)tests/check_assets web/assets 153600
check-sanitizers: ## unit tests and importer under address, undefined and thread sanitizer
	$(Q)$(SUBMAKE) SAN=address,undefined CFLAGS='-O1 -g1' sanitized
	$(Q)$(SUBMAKE) SAN=thread CFLAGS='-O1 -g1' sanitized
sanitizer-programs: # what check-sanitizers runs, built beforehand
	$(Q)$(SUBMAKE) SAN=address,undefined CFLAGS='-O1 -g1' sanitized-programs
	$(Q)$(SUBMAKE) SAN=thread CFLAGS='-O1 -g1' sanitized-programs
	$(Q)$(SUBMAKE) CC=clang-14 SAN=$(FUZZ_SAN) CFLAGS='-O1 -g1' fuzz-programs
sanitized-programs: $(O)/plumb $(UNIT)
sanitized: sanitized-programs
	$(Q)tests/run_unit $(O)
	$(Q)$(O)/plumb import tests/data/logs --overwrite -o $(O)/sanitized.db

format: ## lay out the sources
	clang-format-14 -i $(C_FILES)

## ---- fuzzing and measuring ------------------------------------------------------------------

FUZZ_SECONDS ?= 600
FUZZERS := $(patsubst tests/fuzz/%.c,$(O)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SAN := address,undefined,fuzzer-no-link

fuzz: ## run each fuzz target for FUZZ_SECONDS
	$(Q)$(SUBMAKE) CC=clang-14 SAN=$(FUZZ_SAN) CFLAGS='-O1 -g1' fuzz-programs
	$(Q)tests/fuzz/run $(O)/san-address-undefined-fuzzer-no-link $(FUZZ_SECONDS)
check-fuzz:
	$(Q)$(SUBMAKE) FUZZ_SECONDS=6 fuzz
fuzz-programs: $(FUZZERS)
$(O)/fuzz/%: tests/fuzz/%.c $(OBJECTS)
	$(call SAY,FUZZ,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(PLUMB_CPPFLAGS) $(CFLAGS) $(PLUMB_CFLAGS) -fsanitize=fuzzer -o $@ $< $(OBJECTS) $(LDLIBS)

BENCHES := $(patsubst tests/bench/%.c,$(O)/bench/%,$(wildcard tests/bench/bench_*.c))
$(O)/bench/bench_%: tests/bench/bench_%.c $(OBJECTS)
	$(call SAY,BENCH,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(PLUMB_CPPFLAGS) $(CFLAGS) $(PLUMB_CFLAGS) -MMD -MP -MF $@.d -o $@ $< $(OBJECTS) $(LDLIBS)

# As kernels are printed for AVX2.
$(O)/bench/bench_exact: private CFLAGS := -O3 -mavx2 -mfma -fno-math-errno -fno-trapping-math

bench: all $(BENCHES) ## figures of speed, memory and size (needs a few minutes and 5 GB in the build folder)
	$(Q)for b in $(BENCHES); do $$b || exit 1; done
	$(Q)tests/bench/timeline.py -o $(O)/bench --plumb $(O)/plumb
	$(Q)tests/bench/bench -o $(O)/bench $(BENCH)

## ---- the rest -------------------------------------------------------------------------------

clean: ## remove what was built
	rm -rf $(O)

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

-include $(OBJECTS:.o=.d) $(O)/plumb.d $(UNIT:=.d)
