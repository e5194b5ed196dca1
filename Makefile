# SPDX-License-Identifier: GPL-2.0
#
# renoscope: what a person types.

KERNELDIR ?= /lib/modules/$(shell uname -r)/build
KERNEL ?= 6.12

.PHONY: all modules modules_install clean demo test check help

all: modules

modules modules_install:
	@test -e "$(KERNELDIR)/Makefile" || { \
		echo "make: no kernel headers at $(KERNELDIR): apt-get install linux-headers-$$(uname -r), or name others with KERNELDIR=" >&2; \
		exit 2; }
	$(MAKE) -C "$(KERNELDIR)" M="$(CURDIR)" $@

clean:
	@if test -e "$(KERNELDIR)/Makefile"; then \
		$(MAKE) -C "$(KERNELDIR)" M="$(CURDIR)" clean; fi
	rm -rf out

demo:
	scripts/demo $(KERNEL)

test:
	scripts/install-deps test
	scripts/run-tests

check:
	scripts/install-deps test
	scripts/check

help:
	@echo 'make                   build the module for the running kernel (KERNELDIR=... for another)'
	@echo 'make modules_install   install it'
	@echo 'make demo              watch real TCP in a kernel under QEMU (KERNEL=6.1 for the older one)'
	@echo 'make test              every check and test; installs what it needs'
	@echo 'make check             static checks only, no root'
	@echo 'make clean             remove what was built and recorded'
	@echo 'DEPS=no                with demo, test and check: install no packages'
