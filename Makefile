# SPDX-License-Identifier: GPL-2.0
#
# renoscope: what a person types.

KERNELDIR ?= /lib/modules/$(shell uname -r)/build
KERNEL ?= 6.12

ifneq ($(words $(CURDIR)),1)
$(error the kernel's build cannot take a path with a blank in it: move $(CURDIR))
endif

STRESS = $(if $(PART),--part $(PART)) $(SCENARIO)

# Whether a command takes these words, before packages are installed for it; where not
# even Python is there, it says so afterwards.
check_words = ! command -v python3 >/dev/null || $(1) >/dev/null

.PHONY: all modules modules_install clean demo guest test check eval stress bench help

all: modules

modules modules_install:
	@test -e "$(KERNELDIR)/Makefile" || { \
		echo "make: no kernel headers at $(KERNELDIR): install them (Debian: apt-get install linux-headers-$$(uname -r)), or name a kernel's build folder with KERNELDIR=" >&2; \
		exit 2; }
	$(MAKE) -C "$(KERNELDIR)" M="$(CURDIR)" $@

# Not Kbuild's own clean: it needs the headers that the module was built with.
clean:
	find module kunit . -maxdepth 1 \( -name '*.o' -o -name '*.ko' -o -name '*.mod' \
		-o -name '*.mod.c' -o -name '.*.cmd' -o -name 'Module.symvers' \
		-o -name 'modules.order' -o -name '.module-common.c' \) -delete
	find scripts -name __pycache__ -exec rm -r {} +
	rm -rf out

demo:
	scripts/demo $(KERNEL) $(SCENE)

guest:
	@scripts/guest $(KERNEL)

test:
	scripts/install-deps test
	scripts/run-tests

check:
	scripts/install-deps test
	scripts/check

eval:
	scripts/install-deps test
	scripts/eval/run

stress:
	@$(call check_words,scripts/stress/run --list $(STRESS))
	scripts/install-deps stress
	scripts/stress/run $(STRESS)

bench:
	@$(call check_words,scripts/bench/run --list $(PARTS))
	scripts/install-deps bench
	scripts/bench/run $(if $(PARTS),$(PARTS),--write-page)

help:
	@echo 'make                   build the module for the running kernel (KERNELDIR=... for another)'
	@echo 'make modules_install   install it'
	@echo 'make demo              watch real TCP in a kernel under QEMU (KERNEL=6.1 for the older one); 5 minutes and 260 MB the first time, then about a minute'
	@echo 'make demo SCENE=...    a scene of its own: handshake, slow-connect, full-backlog, collapsing-window or syn-flood'
	@echo 'make guest             a shell in such a kernel, the module loaded and two hosts to play with; exit ends it'
	@echo 'make test              every check and test, half an hour to an hour; installs what it needs'
	@echo 'make check             static checks only; root only for packages that are missing'
	@echo 'make eval              our congestion control beside reno, cubic and bbr, 75 minutes; goes on where it stopped'
	@echo 'make stress            load, faults and bad input, on kernels that check; hours long (PART=0.05 for a first look, SCENARIO=ring for one)'
	@echo 'make bench             what it costs beside ftrace, perf, bpftrace, bcc and tcpdump, an hour and a half; writes the tables of Documentation/performance.rst (PARTS=limit for one part: its tables go to out/bench)'
	@echo 'make clean             remove what was built and recorded'
	@echo 'DEPS=no                with demo, guest, test, check, eval, stress and bench: install no packages'
