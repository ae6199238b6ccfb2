# Fuzzing, from the top: make fuzz [TIME=seconds for each target], make fuzz-corpus. Every target has its seeds in corpus/
# and its words in dictionaries/; what libFuzzer finds beside them stays below .build-fuzz.

BUILD   := .build-fuzz
HERE    := Tests/fuzz
TIME    ?= 60
TARGETS := names update formula report-text report-json balance manage state route instruct status life control
MODULES := FarmCore FarmTables FarmModule FarmControl
# Optimised, or little would be tried; with the checks of a debug build, because those of memory are in it. -Xcc is for the C
# functions of farm_table.h, which the importer compiles: without it their accesses are not looked at.
FLAGS   := -O -wmo -g -swift-version 6 -warnings-as-errors -enable-testing -assert-config Debug \
           -sanitize=address,fuzzer -Xcc -fsanitize=address -parse-as-library -I $(BUILD) -I CShim/include -I Sources/CAPR
OBJECTS := $(MODULES:%=$(BUILD)/%.o) $(BUILD)/FuzzSupport.o
HEADERS := $(wildcard CShim/include/* Sources/CAPR/*)
# Findings are told once, by the stack of the sanitizer.
RUN     := SWIFT_BACKTRACE=enable=no ASAN_OPTIONS=allocator_may_return_null=1

.PHONY: fuzz fuzz-corpus
.SECONDARY:

fuzz: $(TARGETS:%=$(BUILD)/fuzz-%)
	@for target in $(TARGETS); do \
	    mkdir -p $(BUILD)/grown/$$target $(BUILD)/findings && echo "fuzz: $$target, $(TIME) s" && \
	    $(RUN) $(BUILD)/fuzz-$$target -max_total_time=$(TIME) -max_len=4096 -timeout=10 -rss_limit_mb=2048 \
	        -print_final_stats=1 -verbosity=0 -dict=$(HERE)/dictionaries/$$target.dict \
	        -artifact_prefix=$(BUILD)/findings/$$target- $(BUILD)/grown/$$target $(HERE)/corpus/$$target \
	        || { echo "fuzz: $$target has found something; see $(BUILD)/findings" >&2; exit 1; }; \
	done

# Every seed once: seconds, where the targets are built.
fuzz-corpus: $(TARGETS:%=$(BUILD)/fuzz-%)
	@for target in $(TARGETS); do \
	    $(RUN) $(BUILD)/fuzz-$$target -runs=0 -verbosity=0 $(HERE)/corpus/$$target || exit 1; \
	done
	@echo "fuzz-corpus: all seeds are taken as they should be"

define module
$(BUILD)/$(1).o: $(shell find Sources/$(1) -name '*.swift') $(HEADERS) $(2:%=$(BUILD)/%.o)
	@mkdir -p $(BUILD)
	swiftc $(FLAGS) -module-name $(1) -emit-module -emit-module-path $(BUILD)/$(1).swiftmodule -c -o $$@ \
	    $$(filter %.swift,$$^)
endef
$(eval $(call module,FarmCore,))
$(eval $(call module,FarmTables,FarmCore))
$(eval $(call module,FarmModule,FarmTables))
$(eval $(call module,FarmControl,FarmCore))

$(BUILD)/FuzzSupport.o: $(wildcard $(HERE)/Support/*.swift) \
                        $(addprefix Tests/FarmTestSupport/,Config.swift Pool.swift Markup.swift OpenMetrics.swift) \
                        $(BUILD)/FarmTables.o
	swiftc $(FLAGS) -module-name FuzzSupport -emit-module -emit-module-path $(BUILD)/FuzzSupport.swiftmodule -c \
	    -o $@ $(filter %.swift,$^)

# bfd: gold warns of a hundred symbols of the sanitizer's.
$(BUILD)/fuzz-%: $(HERE)/targets/%.swift $(OBJECTS)
	swiftc $(FLAGS) -module-name Target -use-ld=bfd -o $@ $< $(OBJECTS) -lapr-1
