# Races, memory and growth; README.md says what each finds.

.PHONY: tsan asan memcheck growth

# Sanitizers tell all that they find, and the run has failed then.
TSAN := suppressions=$(abspath Tests/memory/tsan.supp):second_deadlock_stack=1:history_size=4:exitcode=66
ASAN := detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1
# Families of Tests/httpd for `make memcheck`: something of every part of the module. TESTS= names others.
MEMCHECKED := 001 100 140 200 300 320 330 340 360 400 410 420 430 437 500 510 600 620 650 700 800 830 840 900 910 920

# Each fails when it has found something.
tsan: swift packages
	SWIFT_BACKTRACE=enable=no TSAN_OPTIONS="$(TSAN)" swift test --disable-xctest --sanitize=thread --scratch-path .build-tsan \
	    --filter '^(FarmCoreTests|FarmTablesTests|FarmModuleTests)\.'

# With -Xcc, or the C functions of farm_table.h, by which nearly all of shared memory is read, would not be looked at.
asan: swift packages
	SWIFT_BACKTRACE=enable=no ASAN_OPTIONS="$(ASAN)" swift test --disable-xctest --sanitize=address \
	    -Xcc -fsanitize=address --scratch-path .build-asan

memcheck: module test-packages
	@scripts/ensure-packages valgrind
	@$(PYTHON) Tests/memory/memcheck.py --module $(MODULE) $(or $(TESTS),$(MEMCHECKED))

growth: module
	@scripts/ensure-packages gcc
	@$(PYTHON) Benchmarks/growth.py --module $(MODULE)
