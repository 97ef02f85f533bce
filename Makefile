# rill's build. `make help` lists what there is; `make` builds the library, the examples and the rill command.
#
# Objects, libraries and programs go to $(BUILD), one folder for each MODE. Sources are found by wildcard. Everything
# is compiled with -I $(BUILD)/include, where `rill` is a symlink to this folder, so that <rill/core/tensor.hpp> is the
# same line in the tree and after `make install`.

## Variables
##   CXX=clang++         compiler, GCC >= 12 or Clang >= 14
##   CXXFLAGS= LDFLAGS=  appended to rill's own flags (CXXFLAGS=-Wno-error keeps warnings warnings)
##   NATIVE=1            compile for this machine's instruction set
##   MODE=release        or asan, tsan, fuzz: sanitizers, or coverage: counters; each in a build folder of its own
##   BUILD=build         where to build
##   PREFIX=/usr/local   where to install, DESTDIR=DIR to stage it; LIBDIR=PREFIX/lib; STRIP=true keeps debug information
##   ARGS="..."          arguments for the program that test, mnist or bench runs
##   RILL_DATA=DIR       folder that holds the MNIST files; mnist then downloads nothing
##   RECIPE=R2           what recipe trains by, such as R2,R8
##   TARGET=NAME         what fuzz runs, such as csv (all that tests/fuzz/targets.hpp names); RUNS=N inputs for each
##   BASE=REV            what bench-compare compares with; ROUNDS=7 runs of each
##   TORCH=0             leave libtorch out of the benchmark; TORCH=1 insists on it; else it is measured where it is
##   ONNX=1              insist on the part that writes ONNX files; ONNX=0 leaves it out; else it is built where it can be
##   DEPS=install        install missing packages with apt-get, through sudo; DEPS=none never installs
##   V=1                 show the commands

MODE ?= release
ifeq ($(filter release asan tsan fuzz coverage,$(MODE)),)
  $(error MODE=$(MODE): unknown mode, expected release, asan, tsan, fuzz or coverage)
endif

BUILD ?= build$(if $(filter-out release,$(MODE)),/$(MODE))
ifneq ($(filter-out 1,$(words $(BUILD)))$(filter . ./ .. ../ / ~ %/. %/..,$(BUILD))$(filter $(CURDIR) $(HOME),$(abspath $(BUILD))),)
  $(error BUILD=$(BUILD): expected one folder without spaces, of its own: make clean removes it)
endif

ifneq ($(filter default undefined,$(origin CXX)),)
  CXX := $(if $(filter tsan fuzz coverage,$(MODE)),clang++,g++)
endif
ifneq ($(filter tsan fuzz coverage,$(MODE)$(findstring clang,$(CXX))),)
  override CXX := clang++
endif

export BUILD CXX DEPS
export RILL_BUILD_DIR := $(BUILD)

ASAN_ENV := ASAN_OPTIONS=detect_leaks=1:halt_on_error=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
TSAN_TESTS ?= threads:*

MAKEFLAGS += -rR --no-print-directory

short_flags := $(firstword -$(MAKEFLAGS))
plain_run := $(if $(findstring n,$(short_flags))$(findstring q,$(short_flags))$(findstring t,$(short_flags)),,yes)

ifneq ($(word 2,$(MAKECMDGOALS)),)

# Several goals are made one after the other, each in parallel: `make clean test` does what it says.
.NOTPARALLEL:
.PHONY: $(MAKECMDGOALS)
$(MAKECMDGOALS): ; +@$(MAKE) $@

else ifneq ($(and $(plain_run),$(filter test mnist,$(MAKECMDGOALS))),)

# `make test` and `make mnist` end with the program's own last line, whatever the outcome and also under `make -C`.
# Make itself would add "*** [...] Error 1" or "Leaving directory" after it. So this make only asks: with -q it runs
# no recipe but the `+` ones and says by its exit status alone that the goal is not met. With -O it names no folders,
# as long as it may run jobs side by side (-j99, which stays here) and calls no $(shell) while it reads this file.
MAKEFLAGS += -q -Oline $(if $(RILL_SUBMAKE),,-j99)
long_flags = $(wordlist 2,$(words $(MAKEFLAGS)),$(MAKEFLAGS))
ours = -O% $(if $(filter -j99,$(MAKEFLAGS)),-j99 --jobserver%)
clean_flags = $(subst q,,$(firstword $(MAKEFLAGS))) $(filter-out $(ours),$(long_flags))
status_file := $(BUILD)/$(MAKECMDGOALS).status
program-test := $(BUILD)/tests/rill_tests
program-mnist := $(BUILD)/examples/mnist_mlp

.PHONY: test mnist run
run:
	+@rm -f $(status_file)
	+@MAKEFLAGS='$(subst ','\'',$(clean_flags))' $(MAKE) $(MAKECMDGOALS)-ready
	+@$(if $(filter 1,$(V)),echo $(program-$(MAKECMDGOALS)) '$(subst ','\'',$(ARGS))';) \
	unset MAKEFLAGS MFLAGS MAKELEVEL; $(program-$(MAKECMDGOALS)) $(ARGS); echo $$? > $(status_file)

test mnist: run
	$(if $(filter 0,$(shell cat $(status_file) 2>/dev/null)),,@false)

else

# Parallel by default, unless the user or a make above decides. $(shell) sees the MAKEFLAGS that this make got.
ifeq ($(filter -j% --jobserver%,$(shell echo "$$MAKEFLAGS")),)
  MAKEFLAGS += -j$(shell unset OMP_NUM_THREADS OMP_THREAD_LIMIT; nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
endif
export RILL_SUBMAKE := yes

# ---- flags ----------------------------------------------------------------------------------------------------------

Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-4s %s\n' $(1) $(2))

# Written by tools/setup.sh, which first makes sure that compiler and packages are there: COMPILER, BLAS_CPPFLAGS,
# BLAS_LIBS. Goals that compile nothing in this make go without.
ifeq ($(filter help clean format lint picture asan asan-quick tsan fuzz tidy trust-long trust-onnx uninstall,$(MAKECMDGOALS)),)
  include $(BUILD)/setup.mk
  # ONNX_CPPFLAGS and ONNX_LIBS, empty where protobuf or ONNX's headers are missing.
  ONNX ?= auto
  ifeq ($(filter 0,$(ONNX))$(filter tsan,$(MODE)),)
    include $(BUILD)/setup-onnx.mk
  endif
  # TORCH_CPPFLAGS and TORCH_LIBS, empty where libtorch is missing.
  TORCH ?= auto
  ifneq ($(filter bench-built trust-libtorch,$(MAKECMDGOALS)),)
    ifeq ($(filter 0,$(TORCH)),)
      include $(BUILD)/setup-torch.mk
    endif
  endif
endif

OPTIMISE-release := -O3 -g1
OPTIMISE-asan := $(or $(ASAN_LEVEL),-O1) -g1 -fno-omit-frame-pointer -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all
OPTIMISE-tsan := -O1 -g1 -fsanitize=thread
OPTIMISE-fuzz := -O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all \
  -D_GLIBCXX_ASSERTIONS
OPTIMISE-coverage := -O1 -fprofile-instr-generate -fcoverage-mapping
OPTIMISE := $(OPTIMISE-$(MODE)) $(if $(filter 1,$(NATIVE)),-march=native)

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Werror
ifeq ($(COMPILER),gcc)
  # GCC 12 sees an overlap in every `"text" + string` that it inlines (its bug 105651).
  WARNINGS += -Wno-restrict
endif
ifeq ($(MODE)-$(COMPILER),asan-gcc)
  # GCC's flow warnings see the sanitizer's own branches and are wrong there.
  WARNINGS += -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-array-bounds
endif

ifeq ($(MODE),coverage)
  # Counters keep loops from becoming vectors, also those that ask for it.
  WARNINGS += -Wno-pass-failed
endif

# Floating point: -fno-trapping-math lets the compiler turn a ? b : c into a blend; contraction differs between
# compilers, so std::fma is written where it is meant. Never -ffast-math: NaN has to survive.
FLOATS := -fno-trapping-math -fno-math-errno -ffp-contract=off

# What ends a program whose memory goes wrong, instead of letting it go on. Everywhere in the library and the programs what
# costs nothing: bounds of libc's copies, probes of the stack, tables that are read-only once a program runs. GUARDS are
# bounds of containers, canaries and marked targets of jumps, which make code larger and loops slower: programs have all of them,
# and what reads strangers' files has the first. Headers do not ask for them, and tests go without, as users' programs
# may.
machine := $(shell uname -m)
HARDENING-release := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 $(if $(filter x86_64,$(machine)),-fstack-clash-protection)
HARDENING := $(HARDENING-$(MODE))
HARD_LINK-release := -Wl,-z,relro,-z,now
PIE-release := -pie
BOUNDS-release := -D_GLIBCXX_ASSERTIONS
GUARDS-release := $(BOUNDS-release) -fstack-protector-strong $(if $(filter x86_64,$(machine)),-fcf-protection)

LANGUAGE := -std=c++20 -fPIC -fopenmp
CPP := -I $(BUILD)/include $(BLAS_CPPFLAGS) $(CPPFLAGS)
COMPILE := $(CXX) $(LANGUAGE) $(OPTIMISE) $(FLOATS) $(WARNINGS) $(CPP) $(CXXFLAGS)
LINK := $(CXX) $(LANGUAGE) $(OPTIMISE) $(HARD_LINK-$(MODE)) $(CXXFLAGS)
# What the library needs, and a program that links librill.a; the programs here take more.
LIBRARY_LIBS := $(BLAS_LIBS) -lz -pthread
LIBS := $(LDFLAGS) -lfmt $(LIBRARY_LIBS)
# LIBRARY_LIBS is all that it needs. Under sanitizers the program brings their functions.
COMPLETE-release := -Wl,-z,defs

# ---- what is built --------------------------------------------------------------------------------------------------

rooms := core nn optim
# A library of its own, so that librill needs no protobuf.
onnx_sources := $(if $(TESTS),,$(if $(ONNX_LIBS),$(sort $(wildcard nn/onnx/*.cpp))))
onnx_headers := $(if $(ONNX_LIBS),nn/onnx/export.hpp)
library_sources := $(sort $(filter-out nn/onnx/%,$(wildcard $(rooms:=/*.cpp) $(rooms:=/*/*.cpp))))
library_headers := $(sort $(filter-out nn/onnx/%,$(wildcard *.hpp $(rooms:=/*.hpp) $(rooms:=/*/*.hpp))) $(onnx_headers))
example_sources := $(sort $(wildcard examples/*.cpp))
rill_sources := $(sort $(wildcard tools/rill/*.cpp))
# What the fuzz targets call, too: the commands without main().
command_sources := $(filter-out tools/rill/main.cpp,$(rill_sources))
bench_sources := $(sort $(wildcard tools/bench/*.cpp))
# What needs no Google Benchmark: the tests know it, too.
bench_core := $(filter-out %/main.cpp %/op_bench.cpp %/sparse_bench.cpp,$(bench_sources))
torch_sources := tools/bench/libtorch/main.cpp tools/bench/bound_side.cpp tools/bench/gemm_step.cpp \
  tools/bench/rill_step.cpp tools/bench/rows.cpp
trust_torch_sources := $(sort $(wildcard tests/trust/libtorch/*.cpp)) tests/trust/check.cpp
test_sources := $(sort $(wildcard tests/*.cpp))
trust_sources := $(sort $(wildcard tests/trust/*.cpp))
fuzz_main := tests/fuzz/main.cpp
fuzz_sources := $(filter-out $(fuzz_main),$(sort $(wildcard tests/fuzz/*.cpp)))
ifeq ($(MODE),asan)
  # Programs outside would not be instrumented.
  test_sources := $(filter-out tests/install_%,$(test_sources))
  ifneq ($(TESTS),)
    test_sources := tests/main.cpp $(TESTS:%=tests/%_test.cpp)
  endif
else ifeq ($(MODE),tsan)
  # Only the files with test cases that run there.
  test_sources := tests/main.cpp $(sort $(shell grep -l '^TEST_CASE."threads:' $(wildcard tests/*.cpp)))
endif

objects = $(patsubst %.cpp,$(BUILD)/obj/%.o,$(1))
# Kernels, and what works on whole data sets but for tables, is compiled for speed; ops, of which there are many, without what makes
# loops longer than vectors do, but for two with loops for a slope of 0; the rest for size.
in_release = $(if $(filter release,$(MODE)),$(1))
vector_sources := $(call in_release,$(filter-out core/ops/leaky_relu.cpp core/ops/prelu.cpp,\
  $(filter core/ops/% core/io/%,$(library_sources))))
fast_sources := $(call in_release,$(filter-out $(vector_sources) nn/data/csv%,$(filter core/% nn/data/% nn/init/% nn/init.cpp nn/initialise.cpp \
  $(addprefix nn/health/,audit.cpp moments.cpp monitor.cpp nan_trap.cpp recorder.cpp) \
  $(addprefix optim/,adagrad.cpp adam.cpp clip.cpp optimizer.cpp rmsprop.cpp sgd.cpp),$(library_sources))))
small_sources := $(filter-out $(fast_sources) $(vector_sources),$(library_sources))
in_folder = $(foreach source,$(2),$(if $(filter $(1),$(dir $(source))),$(source)))

# The files of the library and of the command are compiled several at once, by a file that includes them: headers and templates are read once.
# UNITY=0 compiles each alone, and shows where a file lacks an include.
UNITY ?= 1
unity_size := $(if $(filter 0,$(UNITY)),1,$(if $(filter release,$(MODE)),8,99))
library_objects :=
command_objects :=
# Adds to $(4) one object for the first of the sources $(2) of one folder, named after the first of them, and so on with the rest.
define unity
$(4) += $(BUILD)/obj/$(1)unity-$(basename $(notdir $(firstword $(2)))).o
$(BUILD)/obj/$(1)unity-$(basename $(notdir $(firstword $(2)))).o: private OWN_FLAGS = $$($(3)_flags)
$(BUILD)/obj/$(1)unity-$(basename $(notdir $(firstword $(2)))).cpp: private PARTS := $(wordlist 1,$(unity_size),$(2))
$(if $(word $(unity_size),$(2)),$(call unity_rest,$(1),$(wordlist 2,99,$(wordlist $(unity_size),99,$(2))),$(3),$(4)))
endef
unity_rest = $(if $(2),$(call unity,$(1),$(2),$(3),$(4)))
$(foreach kind,fast vector small,$(foreach folder,$(sort $(dir $($(kind)_sources))),\
  $(eval $(call unity,$(folder),$(call in_folder,$(folder),$($(kind)_sources)),$(kind),library_objects))))
$(eval $(call unity,tools/rill/,$(command_sources),rill,command_objects))
rill_objects := $(command_objects) $(call objects,tools/rill/main.cpp)
onnx_objects := $(call objects,$(onnx_sources))
all_objects := $(library_objects) $(onnx_objects) \
  $(rill_objects) $(call objects,$(example_sources) $(bench_sources) $(firstword $(torch_sources)) $(trust_sources) $(filter tests/trust/libtorch/%,$(trust_torch_sources)) $(fuzz_main) $(fuzz_sources) $(test_sources))

numbers := $(shell sed -n 's/.*define RILL_VERSION_[MP][A-Z]* //p' core/version.hpp)
version := $(subst $() ,.,$(numbers))
# While the first number is 0, a change of the second may break programs.
shared_name := librill.so.$(subst $() ,.,$(wordlist 1,$(if $(filter 0,$(firstword $(numbers))),2,1),$(numbers)))
shared_file := librill.so.$(version)

onnx_library := $(if $(onnx_sources),$(BUILD)/lib/librill_onnx.a)
libraries := $(BUILD)/lib/librill.a $(BUILD)/lib/librill.so $(onnx_library)
examples := $(patsubst examples/%.cpp,$(BUILD)/examples/%,$(example_sources))
# What the rill command prints about itself: each file by the arguments that print it.
share := $(BUILD)/share
rill_share := $(addprefix $(share)/,man/man1/rill.1 bash-completion/completions/rill zsh/site-functions/_rill \
  fish/vendor_completions.d/rill.fish rill/run.schema.json rill/model.schema.json)
programs := $(examples) $(BUILD)/bin/rill $(rill_share)
tests := $(BUILD)/tests/rill_tests
trust := $(BUILD)/bin/rill_trust
fuzz := $(BUILD)/bin/rill_fuzz
bench := $(BUILD)/bin/rill_bench
bench_libtorch := $(BUILD)/bin/rill_bench_libtorch
trust_libtorch := $(BUILD)/bin/rill_trust_libtorch
recipes := $(BUILD)/examples/mnist_recipes

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:
.PHONY: all lib examples test test-ready mnist mnist-ready picture recipe bench bench-built bench-compare lint format tidy tidy-built asan asan-quick tsan valgrind naive fuzz coverage mutation trust trust-libtorch trust-long trust-onnx install install-built uninstall check-install clean help FORCE

## Targets
##   all          the library, the examples and build/bin/rill (the default)
all: $(libraries) $(programs)
	@:

##   lib          build/lib/librill.a and librill.so, and librill_onnx.a where ONNX is there
lib: $(libraries)
	@:

##   examples     build/examples/*
examples: $(examples)
	@:

$(BUILD)/setup.mk: FORCE
	@tools/setup.sh base

$(BUILD)/setup-onnx.mk: FORCE
	@ONNX='$(or $(ONNX),auto)' tools/setup.sh onnx

# Stamps, touched only when their text changes: new flags compile everything anew, a new or deleted source links anew, and one of
# those that are compiled several at once compiles these anew. The first also keeps the symlink right, after the folder was moved too.
flags_text = $(COMPILE) $(HARDENING) $(GUARDS-$(MODE)) $(test_flags) $(trust_flags) $(rill_flags) $(fast_flags) \
  $(vector_flags) $(small_flags) $(COMPILER_VERSION) $(LINK) $(LIBS)
quote = '$(subst ','\'',$(1))'

$(BUILD)/setup-torch.mk: FORCE
	@TORCH='$(or $(TORCH),auto)' tools/setup.sh torch

$(BUILD)/flags: FORCE
	@mkdir -p $(BUILD)/include
	@test $(BUILD)/include/rill -ef . || ln -sfn "$(CURDIR)" $(BUILD)/include/rill
	@printf '%s\n' $(call quote,$(flags_text)) > $@.new; cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(BUILD)/sources: private TEXT = $(shared_name) $(all_objects) $(library_sources)
$(BUILD)/unity: private TEXT = $(unity_size) $(fast_sources) + $(vector_sources) + $(small_sources) + $(command_sources)
$(BUILD)/sources $(BUILD)/unity: FORCE
	@mkdir -p $(BUILD)
	@printf '%s\n' $(TEXT) > $@.new; cmp -s $@.new $@ && rm $@.new || mv $@.new $@

# Tests and examples take longer to compile than to run: what is fast in them lies in the library.
FAST_BUILD := $(if $(filter release,$(MODE)),-O1,-O0)
test_flags := $(FAST_BUILD) -g0 -DDOCTEST_CONFIG_SUPER_FAST_ASSERTS
$(BUILD)/obj/tests/%.o: private OWN_FLAGS := $(test_flags)
$(BUILD)/obj/examples/%.o: private OWN_FLAGS := $(FAST_BUILD)
# These work through millions of cases in loops of their own.
trust_flags := -O2
$(BUILD)/obj/tests/trust/%.o: private OWN_FLAGS := $(trust_flags)
# But for these, of many templates.
$(patsubst %,$(BUILD)/obj/tests/trust/%.o,gradient_cases graph_elementwise graph_kinds graph_reductions): private OWN_FLAGS := $(FAST_BUILD)
$(BUILD)/obj/tests/%.o: private HARDENING :=
$(BUILD)/obj/tools/%.o $(BUILD)/obj/examples/%.o: private GUARDS := $(GUARDS-$(MODE))
$(BUILD)/obj/core/io/%.o $(BUILD)/obj/nn/keras/%.o: private GUARDS := $(BOUNDS-$(MODE))
rill_flags := $(FAST_BUILD) -DRILL_BUILD_FLAGS='"$(strip $(OPTIMISE) $(FLOATS) $(HARDENING))"'
$(BUILD)/obj/tools/rill/%.o: private OWN_FLAGS := $(rill_flags)
# What formats text inside of the library is compiled into it: programs that link it need no fmt of their own.
fast_flags := -DFMT_HEADER_ONLY
vector_flags := -DFMT_HEADER_ONLY -O2 -ftree-vectorize $(if $(filter gcc,$(COMPILER)),-fvect-cost-model=dynamic)
small_flags := -DFMT_HEADER_ONLY $(call in_release,-Os)
$(onnx_objects): private OWN_FLAGS := $(small_flags)
ifneq ($(onnx_library),)
with_onnx := $(rill_objects) $(call objects,$(filter tests/onnx_%,$(test_sources)))
$(with_onnx) $(onnx_objects): private ONNX_FLAGS := -DRILL_HAVE_ONNX=1 $(ONNX_CPPFLAGS)
endif
# Of the benchmark only the bound has loops of its own.
$(patsubst %,$(BUILD)/obj/tools/bench/%.o,command compare op_bench results rill_side step_bench): private OWN_FLAGS := $(FAST_BUILD)
# libtorch's headers are no concern of ours, and take long enough to compile.
$(BUILD)/obj/tools/bench/libtorch/%.o $(BUILD)/obj/tests/trust/libtorch/%.o: private OWN_FLAGS := -O1 $(TORCH_CPPFLAGS)
# Where ONNX came or went, they are compiled anew.
ifneq ($(filter %/setup-onnx.mk,$(MAKEFILE_LIST)),)
$(onnx_objects) $(rill_objects) $(call objects,$(wildcard tests/onnx_*.cpp)): $(BUILD)/setup-onnx.mk
endif

ifeq ($(MODE),fuzz)
# libFuzzer looks for new paths in what reads files; counters elsewhere would only cost time, as optimising it would. In what is
# not inlined each check of a pointer is one more comparison that libFuzzer follows: hence -O2.
$(foreach folder,core/io nn/config nn/data nn/keras optim/run tools/rill tests/fuzz,$(BUILD)/obj/$(folder)/%.o): private COVERED := -O2 -fsanitize=fuzzer-no-link
$(call in_folder,$(BUILD)/obj/optim/,$(library_objects)): private COVERED := -O0 -fsanitize=fuzzer-no-link
$(foreach folder,core/ops core/kernels nn nn/health optim/report,$(call in_folder,$(BUILD)/obj/$(folder)/,$(library_objects))): \
  private COVERED := -O0
endif

# What nearly every test and example, and every file of the command, includes is read once, which halves their compile
# time. In a clean build PCH=0 does without, and shows where a file lacks an include.
PCH ?= $(if $(filter fuzz,$(MODE)),0,1)
ifeq ($(PCH),1)
prefix-tests := doctest/doctest.h rill/rill.hpp
flags-tests := $(test_flags)
objects-tests := $(filter-out %/main.o,$(call objects,$(test_sources) $(fuzz_sources)))
prefix-tools/rill := CLI/CLI.hpp nlohmann/json.hpp fmt/format.h rill/rill.hpp
flags-tools/rill := $(HARDENING) $(GUARDS-$(MODE)) $(rill_flags)
objects-tools/rill := $(rill_objects)
prefix-examples := CLI/CLI.hpp fmt/format.h rill/rill.hpp
flags-examples := $(HARDENING) $(GUARDS-$(MODE)) $(FAST_BUILD)
objects-examples := $(call objects,$(example_sources))

define prefix_rules
$$(objects-$(1)): private PREFIX_FLAGS := -include $(BUILD)/obj/$(1)/prefix.hpp -Winvalid-pch
$$(objects-$(1)): $(BUILD)/obj/$(1)/prefix.hpp.gch

$(BUILD)/obj/$(1)/prefix.hpp: $(BUILD)/flags
	@mkdir -p $$(@D)
	@printf '#include <%s>\n' $$(prefix-$(1)) > $$@

$(BUILD)/obj/$(1)/prefix.hpp.gch: $(BUILD)/obj/$(1)/prefix.hpp
	$$(call say,CXX,$$@)
	$$(Q)$$(COMPILE) $$(flags-$(1)) -MMD -MP -MF $(BUILD)/obj/$(1)/prefix.hpp.d -x c++-header $$< -o $$@

-include $(BUILD)/obj/$(1)/prefix.hpp.d
endef
$(foreach part,tests examples $(if $(rill_sources),tools/rill),$(eval $(call prefix_rules,$(part))))
endif

$(BUILD)/obj/%.o: %.cpp $(BUILD)/flags
	$(call say,CXX,$<)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) $(HARDENING) $(GUARDS) $(OWN_FLAGS) $(COVERED) $(ONNX_FLAGS) $(PREFIX_FLAGS) -MMD -MP -c $< -o $@

unity_objects := $(library_objects) $(command_objects)
$(unity_objects:.o=.cpp): $(BUILD)/unity
	@mkdir -p $(@D)
	@printf '#include <rill/%s>\n' $(PARTS) > $@

$(unity_objects): %.o: %.cpp $(BUILD)/flags
	$(call say,CXX,$(patsubst $(BUILD)/obj/%,%,$@))
	$(Q)$(COMPILE) $(HARDENING) $(GUARDS) $(OWN_FLAGS) $(COVERED) $(ONNX_FLAGS) $(PREFIX_FLAGS) -MMD -MP -c $< -o $@

-include $(all_objects:.o=.d)

$(BUILD)/lib/librill.a: $(library_objects) $(BUILD)/sources
	$(call say,AR,$@)
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)ar rcs $@ $(filter %.o,$^)

$(BUILD)/lib/librill_onnx.a: $(onnx_objects) $(BUILD)/sources
	$(call say,AR,$@)
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)ar rcs $@ $(filter %.o,$^)

# Its functions call each other directly, and not by a table that a program could change: 74 KB less.
$(BUILD)/lib/$(shared_file): $(library_objects) $(BUILD)/sources
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(LINK) -shared -Wl,-Bsymbolic-functions -Wl,-soname,$(shared_name) -Wl,--version-script=tools/package/librill.map $(filter %.o,$^) -o $@ $(LDFLAGS) $(LIBRARY_LIBS) $(COMPLETE-$(MODE))

$(BUILD)/lib/librill.so: $(BUILD)/lib/$(shared_file)
	@ln -sf $(shared_file) $(@D)/$(shared_name)
	@ln -sf $(shared_name) $@

$(bench): private LIBS := -lbenchmark $(LIBS)
$(tests): private LIBS := $(if $(onnx_library),-lonnx $(ONNX_LIBS)) $(LIBS)
$(BUILD)/bin/rill: private LIBS := $(ONNX_LIBS) $(LIBS)
$(BUILD)/bin/rill $(tests): $(onnx_library)
$(BUILD)/bin/rill: $(rill_objects)
$(bench): $(call objects,$(bench_sources))
$(trust): $(call objects,$(trust_sources))
$(fuzz): $(call objects,$(fuzz_main) $(fuzz_sources)) $(command_objects)
$(fuzz): private LIBS := -fsanitize=fuzzer $(LIBS)
# It tells by the names of functions which of its allocations may fail.
$(trust): private LIBS := -rdynamic $(LIBS)
$(bench_libtorch): $(call objects,$(torch_sources))
$(trust_libtorch): $(call objects,$(trust_torch_sources))
$(bench_libtorch) $(trust_libtorch): private LIBS := $(TORCH_LIBS) $(LIBS)
# The benchmark and the fuzz targets have tests of their own.
test_objects := $(call objects,$(test_sources) $(if $(filter tests/bench_%,$(test_sources)),$(bench_core)) \
  $(if $(filter tests/fuzz_%,$(test_sources)),$(fuzz_sources))) $(if $(filter tests/fuzz_%,$(test_sources)),$(command_objects))
$(tests): $(test_objects)
$(examples): $(BUILD)/examples/%: $(BUILD)/obj/examples/%.o

$(BUILD)/bin/rill $(trust) $(trust_libtorch) $(fuzz) $(bench) $(bench_libtorch) $(tests) $(examples): $(BUILD)/lib/librill.a $(BUILD)/sources
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(LINK) $(PIE-$(MODE)) $(filter %.o,$^) $(filter %/librill_onnx.a,$^) $(BUILD)/lib/librill.a -o $@ $(LIBS)

$(share)/man/man1/rill.1: private PRINTS := man
$(share)/bash-completion/completions/rill: private PRINTS := completion bash
$(share)/zsh/site-functions/_rill: private PRINTS := completion zsh
$(share)/fish/vendor_completions.d/rill.fish: private PRINTS := completion fish
$(share)/rill/run.schema.json: private PRINTS := schema run
$(share)/rill/model.schema.json: private PRINTS := schema model
$(rill_share): $(BUILD)/bin/rill
	@mkdir -p $(@D)
	$(Q)$< $(PRINTS) > $@

# ---- running --------------------------------------------------------------------------------------------------------

##   test         build and run all tests; the last line is "N passed, N failed"
test: test-ready
	$(tests) $(ARGS)

test-ready: $(if $(filter release,$(MODE)),$(libraries)) $(programs) $(tests)

# What some tests want is looked for, and installed where that is allowed, before they are compiled; one of them is
# compiled again when it has come.
ifeq ($(MODE),release)
test-ready $(BUILD)/obj/tests/schema_test.o: $(BUILD)/setup-package
endif
$(BUILD)/setup-package: FORCE
	@tools/setup.sh package

##   mnist        fetch MNIST once, then train on it: make mnist ARGS="--quick --seed 7"
mnist: mnist-ready
	$(BUILD)/examples/mnist_mlp $(ARGS)

own_data := $(RILL_DATA)$(filter --data --data=% --help -h,$(ARGS))
mnist-ready: $(BUILD)/examples/mnist_mlp
	$(if $(own_data),@:,@tools/fetch_mnist.sh data/mnist)

RUN ?= runs/mnist_mlp
##   picture      draw a run of mnist as training.svg and training.png: make picture RUN=runs/mnist_mlp
picture:
	@tools/setup.sh plot
	$(Q)gnuplot -c examples/mnist_mlp.gp $(RUN)

##   recipe       train by a recipe of examples/mnist_recipes: make recipe RECIPE=R2 ARGS="--seeds 3"
RECIPE ?= R2
recipe: $(recipes)
	$(if $(own_data),@:,@tools/fetch_mnist.sh data/mnist)
	$(Q)$(recipes) --recipe '$(RECIPE)' $(ARGS)

##   bench        rill beside OpenBLAS and, where it is, libtorch: tools/bench/README.md; also writes build/bench.json
bench:
	@tools/setup.sh bench
	+@$(MAKE) bench-built $(if $(ARGS),,$(recipes))
	$(Q)$(bench) $(ARGS)
	$(if $(ARGS),,$(Q)if ls $${RILL_DATA:-data/mnist}/train-images* >/dev/null 2>&1; then \
	  $(recipes) --recipe R2,R2-01,R6 --out $(BUILD); fi)

# libtorch's part only where it is installed.
bench-built: $(bench) $(if $(TORCH_LIBS),$(bench_libtorch))
	$(if $(TORCH_LIBS),,@rm -f $(bench_libtorch))

ROUNDS ?= 7
##   bench-compare  the benchmark of this tree and of another revision in turn: make bench-compare BASE=HEAD~1
bench-compare:
	@tools/setup.sh bench
	+@tools/bench/compare.sh check '$(BASE)' '$(ROUNDS)'
	+@$(MAKE) $(bench)
	+@NATIVE='$(NATIVE)' tools/bench/compare.sh run '$(BASE)' '$(ROUNDS)' $(ARGS)

##   asan         the tests under AddressSanitizer and UndefinedBehaviorSanitizer
asan:
	+@$(MAKE) MODE=asan BUILD=$(BUILD)/asan test-ready
	$(Q)$(ASAN_ENV) RILL_BUILD_DIR=$(BUILD)/asan $(BUILD)/asan/tests/rill_tests $(ARGS)

sanitizing_clang := $(if $(findstring clang,$(CXX)),$(CXX),clang++)
quick_build := $(BUILD)/asan-quick
# Where memory is handed about: graphs, views, modules, loaders, recycled units, and every parser of files.
asan_tests := graph inplace memory outer_product shape_ops index_ops module recycle csv io safetensors loader checkpoint_damage \
  config_hostile bad_files tfjs_errors
##   asan-quick   those that hand memory about (clang++, which compiles sanitized code without optimisation four times faster)
asan-quick:
	@CXX='$(sanitizing_clang)' BUILD=$(quick_build) tools/setup.sh tsan
	+@$(MAKE) MODE=asan CXX='$(sanitizing_clang)' BUILD=$(quick_build) ASAN_LEVEL=-O0 TESTS='$(asan_tests)' $(quick_build)/tests/rill_tests
	$(Q)$(ASAN_ENV) RILL_BUILD_DIR=$(quick_build) $(quick_build)/tests/rill_tests $(ARGS)

# OpenMP's barriers are invisible to ThreadSanitizer without LLVM's archer tool: a host's parallel loop (a test has one) would be a race.
tsan_build := $(BUILD)/tsan
##   tsan         the tests named "threads: ..." under ThreadSanitizer (clang++), with RILL_NUM_THREADS, else with 2 and with 4
tsan:
	@CXX='$(sanitizing_clang)' BUILD=$(tsan_build) tools/setup.sh tsan
	+@$(MAKE) MODE=tsan CXX='$(sanitizing_clang)' BUILD=$(tsan_build) $(tsan_build)/tests/rill_tests
	$(Q)archer=$$(CXX='$(sanitizing_clang)' tools/setup.sh archer) && for threads in $${RILL_NUM_THREADS:-2 4}; do \
	  $(say_step) "$$threads threads"; \
	  OMP_TOOL_LIBRARIES="$$archer" TSAN_OPTIONS=ignore_noninstrumented_modules=1:halt_on_error=1 RILL_NUM_THREADS=$$threads \
	  RILL_BUILD_DIR=$(tsan_build) $(tsan_build)/tests/rill_tests -tc='$(TSAN_TESTS)' $(ARGS) || exit 1; \
	done

# Quick ones, of what computes and what parses. Those that start this program again cannot under valgrind: one of these does.
comma := ,
valgrind_tests := graph inplace memory shape_ops index_ops broadcast csv npy idx io safetensors module matmul random
##   valgrind     tests of graphs, kernels and files under valgrind's memcheck, in the program that make test runs
valgrind: $(tests)
	@tools/setup.sh valgrind
	$(Q)RILL_NUM_THREADS=2 valgrind --quiet --error-exitcode=1 --leak-check=full --show-leak-kinds=definite \
	  --errors-for-leak-kinds=definite $(tests) -sf='$(subst $() ,$(comma),$(valgrind_tests:%=*/%_test.cpp))' \
	  -tce='memory: static tensors may be used*' $(ARGS)

##   naive        the tests with every product a plain loop, RILL_ISA=naive
naive: test-ready
	$(Q)RILL_ISA=naive $(tests) $(ARGS)

fuzz_build := $(BUILD)/fuzz
RUNS ?= 100000
##   fuzz         hostile files made by libFuzzer, under sanitizers: tests/fuzz/README.md; make fuzz TARGET=csv RUNS=5000000
fuzz:
	@CXX='$(sanitizing_clang)' BUILD=$(fuzz_build) tools/setup.sh fuzz
	+@$(MAKE) MODE=fuzz ONNX=0 CXX='$(sanitizing_clang)' BUILD=$(fuzz_build) $(fuzz_build)/bin/rill_fuzz
	$(Q)tests/fuzz/run.sh $(fuzz_build) '$(RUNS)' $(TARGET)

# Another build of the library, linked with the objects of `make test`: it comes first, so that of an inline function that
# the tests' objects hold, too, the library's is taken.
other_test_libs = $(if $(onnx_library),-lonnx $(ONNX_LIBS)) $(LIBS)
coverage_build := $(BUILD)/coverage
coverage_libraries = $(patsubst $(BUILD)/%,$(coverage_build)/%,$(BUILD)/lib/librill.a $(onnx_library))
coverage_link = $(sanitizing_clang) -fopenmp -fprofile-instr-generate -Wl,--whole-archive $(coverage_libraries) -Wl,--no-whole-archive
##   coverage     which lines and branches of the library the tests reach (clang++): tests/trust/coverage.md
coverage: $(tests) $(programs)
	@CXX='$(sanitizing_clang)' BUILD=$(coverage_build) tools/setup.sh coverage
	+@for library in $(coverage_libraries); do \
	  $(MAKE) MODE=coverage CXX='$(sanitizing_clang)' BUILD=$(coverage_build) $$library || exit 1; \
	done
	@mkdir -p $(coverage_build)/tests $(coverage_build)/bin
	@ln -sfn ../examples ../share $(coverage_build)
	$(Q)$(coverage_link) $(test_objects) -o $(coverage_build)/tests/rill_tests $(other_test_libs)
	$(Q)$(coverage_link) $(rill_objects) -o $(coverage_build)/bin/rill $(ONNX_LIBS) $(LIBS)
	$(Q)CXX='$(sanitizing_clang)' tests/trust/coverage.py $(coverage_build) $(ARGS)

##   mutation     which of some hundred small faults, planted in the library, the tests find (clang++): tests/trust/mutants.md
mutation: $(tests) $(programs)
	@CXX='$(sanitizing_clang)' BUILD=$(BUILD)/mutation tools/setup.sh coverage
	$(Q)RILL_COMPILE='$(sanitizing_clang) $(LANGUAGE) $(FLOATS) $(BLAS_CPPFLAGS)' RILL_LINK='$(sanitizing_clang) -fopenmp' \
	RILL_TEST_OBJECTS='$(test_objects)' RILL_TEST_LIBS='$(onnx_library) -lfmt $(BUILD)/lib/librill.a $(other_test_libs)' \
	RILL_COMMAND_OBJECTS='$(rill_objects)' RILL_COMMAND_LIBS='$(onnx_library) -lfmt $(BUILD)/lib/librill.a $(ONNX_LIBS) $(LIBS)' \
	tests/trust/mutate.py $(BUILD)/mutation $(ARGS)

# Folders with one OpenBLAS each, beside the one the linker finds (Debian: openblas-pthread, -openmp, -serial).
blas_folders = $(dir $(wildcard $(dir $(realpath $(shell $(CXX) -print-file-name=libz.so)))openblas*/libopenblas.so.0))
say_step = printf '== %s\n'

##   trust        figures beside their bounds: numerics, determinism, faults; make trust ARGS="--only determinism"
trust: $(trust) $(BUILD)/bin/rill
	$(Q)$(trust) --rill $(BUILD)/bin/rill $(ARGS)

##   trust-libtorch  the same functions of random numbers in rill and in libtorch, where that is installed
trust-libtorch: $(if $(TORCH_LIBS),$(trust_libtorch))
	$(Q)$(if $(TORCH_LIBS),$(trust_libtorch) $(ARGS),echo 'skipped: libtorch is not installed (Debian: libtorch-dev)')

##   trust-onnx   every layer and some networks, written as ONNX files and run by onnxruntime (Node.js, npm)
trust-onnx:
	+@$(MAKE) ONNX=1 $(tests)
	$(Q)tools/trust/onnxruntime.sh $(tests) $(BUILD)/node

##   trust-long   all of trust at full size; clang-tidy; the tests with sanitizers, valgrind, naive products, compilers, BLAS builds
##                and onnxruntime; coverage, mutation, fuzz; three MNIST runs: hours, see tests/trust/README.md
trust-long:
	+@$(say_step) 'trust, full size'; $(MAKE) trust ARGS=--full
	+@$(say_step) 'clang-tidy'; $(MAKE) tidy
	+@for n in 2 4; do \
	  $(say_step) "asan, $$n threads"; RILL_NUM_THREADS=$$n $(MAKE) asan || exit 1; \
	done
	+@$(say_step) 'tsan'; $(MAKE) tsan
	+@$(say_step) 'valgrind'; $(MAKE) valgrind
	+@$(say_step) 'naive products'; $(MAKE) naive
	+@$(say_step) 'clang++'; $(MAKE) CXX=clang++ BUILD=$(BUILD)/clang test
	+@$(say_step) 'inside of a CMake project'; $(MAKE) check-install
	+@$(say_step) 'onnxruntime'; $(MAKE) trust-onnx
	+@$(say_step) 'libtorch'; $(MAKE) trust-libtorch
	+@$(say_step) 'coverage'; $(MAKE) coverage
	+@$(say_step) 'mutation'; $(MAKE) mutation
	+@$(say_step) 'fuzz'; $(MAKE) fuzz RUNS=5000000
	+@$(MAKE) test-ready
	$(Q)for folder in $(blas_folders); do \
	  $(say_step) "$$folder"; LD_LIBRARY_PATH="$$folder" $(tests) || exit 1; \
	done
	+@for seed in 1 2 3; do \
	  $(say_step) "mnist_mlp, seed $$seed"; $(MAKE) mnist ARGS="--seed $$seed $(ARGS)" || exit 1; \
	done

##   lint         layout of the code, include directions, header layers
lint:
	@tools/setup.sh lint
	@tools/lint.sh

##   tidy         clang-tidy, by the checks of .clang-tidy: the library and the rill command; or TIDY="core nn/data" alone
tidy:
	@tools/setup.sh tidy
	+@$(MAKE) tidy-built

# A folder is read at once, as one file that includes the others: headers are looked at once, too.
TIDY ?= $(sort $(dir $(library_sources) $(rill_sources)))
tidy_flags := -std=c++20 -fopenmp $(FLOATS) $(filter-out -Wno-restrict -Werror,$(WARNINGS)) -DFMT_HEADER_ONLY $(CPP)
tidy-built: $(patsubst %,$(BUILD)/tidy/%/unity.txt,$(TIDY:%/=%))
	@:

$(BUILD)/tidy/%/unity.cpp: $(BUILD)/sources
	@mkdir -p $(@D)
	@printf '#include <rill/%s>\n' $(sort $(wildcard $*/*.cpp)) > $@

$(BUILD)/tidy/%/unity.txt: $(BUILD)/tidy/%/unity.cpp $(BUILD)/flags FORCE
	$(call say,TIDY,'$*/*.cpp')
	@mkdir -p $(@D)
	$(Q)clang-tidy --quiet --config-file=.clang-tidy $< -- $(tidy_flags) >$@ 2>&1 || { cat $@; exit 1; }

##   format       lay the code out with clang-format
format:
	@tools/setup.sh lint
	@tools/lint.sh --fix

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
STRIP ?= strip
run_install = PREFIX="$(PREFIX)" LIBDIR="$(LIBDIR)" DESTDIR="$(DESTDIR)" STRIP="$(STRIP)" VERSION=$(version) \
  SONAME=$(shared_name) STATIC_LIBS="$(LIBRARY_LIBS) -fopenmp" ONNX_LIBS="$(ONNX_LIBS)" tools/install.sh
##   install      headers, libraries, their files for pkg-config and CMake, and rill with its manual page and completions
install: $(libraries) $(programs)
# The tests install what is there, whatever flags it was built with.
install install-built:
	$(Q)$(run_install) install $(library_headers)

##   uninstall    remove what install wrote, with the same PREFIX, LIBDIR and DESTDIR
uninstall:
	$(Q)$(run_install) uninstall

##   check-install  the test that compiles the library anew, in a CMake project
check-install: test-ready
	$(Q)$(tests) -tc='install:*CMake project' --no-skip

##   clean        remove the build folder
clean:
	$(Q)rm -rf $(BUILD)

##   help         this text
help:
	@sed -n 's/^## \{0,1\}//p' $(firstword $(MAKEFILE_LIST))

FORCE:

endif
