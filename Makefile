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
  O := $(O)/san-$(subst $(comma),-,$(SAN))
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
  -Wno-format-nonliteral -Wvla -Werror=implicit-function-declaration -fPIC -fvisibility=hidden -pthread \
  -D_GNU_SOURCE -DPLUMB_VERSION='"0.1.0"' $(SAN_FLAGS) $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
PLUMB_CPPFLAGS := -I. -I$(O)/gen
LDLIBS := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lm -pthread

HOST_PROGRAMS := store/gen_schema.c store/embed.c
STORE := $(filter-out $(HOST_PROGRAMS), $(wildcard store/*.c store/base/*.c store/diff/*.c))
CAPTURE := $(wildcard capture/*.c)
KERNELS := $(wildcard kernels/*.c)
RUNTIME := $(wildcard runtime/*.c)
WEB := $(wildcard web/*.c)
GEN := $(O)/gen/store_rows.c $(O)/gen/schema_text.c $(O)/gen/queries.c $(O)/gen/assets.c
SOURCES := $(STORE) $(CAPTURE) $(KERNELS) $(RUNTIME) $(WEB)
OBJECTS := $(SOURCES:%.c=$(O)/%.o) $(GEN:.c=.o)
EXTENSION := $(wildcard store/ext/*.c) store/sqlfn.c store/text.c store/batch.c store/sqlerr.c \
  $(addprefix store/base/, arena.c buf.c err.c span.c)
VERBS := $(sort $(patsubst cmd_%.c,%,$(notdir $(wildcard store/cmd_*.c capture/cmd_*.c runtime/cmd_*.c web/cmd_*.c))))
UNIT := $(patsubst tests/unit/%.c,$(O)/tests/%,$(wildcard tests/unit/test_*.c))
QUERIES := $(wildcard store/sql/*.sql)
ASSETS := $(wildcard web/assets/*)

.PHONY: all deps demo test unit system check check-layers check-format bench fuzz format help install clean

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

$(O)/%.o: %.c | $(O)/gen/store_rows.h $(O)/gen/verb_list.h
	$(call SAY,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(PLUMB_CPPFLAGS) $(CFLAGS) $(PLUMB_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/gen/%.o: $(O)/gen/%.c | $(O)/gen/store_rows.h
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
# Rewritten only when the set of cmd_*.c files changes.
$(O)/gen/verb_list.h: FORCE
	$(Q)mkdir -p $(@D)
	$(Q)printf '#define VERBS(X)%s\n' '$(foreach v,$(VERBS), X($(v)))' >$@.tmp
	$(Q)cmp -s $@.tmp $@ && rm $@.tmp || mv $@.tmp $@
FORCE:
docs/trace-format.md: $(O)/gen/gen_schema store/schema.sql
	$(Q)$< md store/schema.sql >$@

$(O)/tests/%: tests/unit/%.c $(OBJECTS)
	$(call SAY,TEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(PLUMB_CPPFLAGS) $(CFLAGS) $(PLUMB_CFLAGS) -MMD -MP -MF $@.d -o $@ $< $(OBJECTS) $(LDLIBS) -lcmocka

clean: ## remove what was built
	rm -rf $(O)

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

-include $(OBJECTS:.o=.d) $(O)/plumb.d
