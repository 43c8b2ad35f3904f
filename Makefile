# The whole project from a bare machine: Python 3.11 or newer and make.
#
#   make setup    .venv with the pinned, hashed dependencies and the project itself; a second call takes a second
#   make demo     one run against the bundled control plane; again: an incremental run
#   make notebook  the notebook over data/ in a browser, over a demo where there is none
#   make test     the whole test suite (ARGS="-k history" narrows it)
#   make lint     format, lint and SQL style        make types    strict types
#   make trust    two weeks, kills, faults, hostile data, readers: at full size, with figures
#   make compat   the program with the oldest and with the newest allowed versions of its packages
#   make bench    the measured comparisons, written to bench/RESULTS.md
#   make readme   regenerate the real output in the README and in docs/
#   make lock     pin again: requirements.txt from pyproject.toml and constraints.txt (needs uv)

NEWEST_FIRST := python3 python python3.13 python3.12 python3.11
IS_FIT := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(firstword $(foreach p,$(NEWEST_FIRST),$(shell $(p) -c '$(IS_FIT)' >/dev/null 2>&1 && echo $(p))))
UV ?= uv
ARGS ?=
# One more than a small machine has processors: tests wait for servers and the disk a fifth of their time.
WORKERS ?= 3

VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
# Errors are shown, chatter is not.
PIP_INSTALL := $(RUN) -m pip --disable-pip-version-check -qq install

.PHONY: setup demo notebook test lint types trust compat bench readme lock again

setup: $(READY)
	@:

# The stamp is written last and holds the place: a set-up that was cut short, was moved, or lost its interpreter heals.
ifneq ($(shell $(RUN) -c "print(open('$(READY)').read().strip())" 2>/dev/null),$(CURDIR))
$(READY): again
endif

$(READY): requirements.txt pyproject.toml
	@if ! '$(or $(PYTHON),false)' -c '$(IS_FIT)' 2>/dev/null; then \
	  echo 'Python 3.11 or newer is needed, and "$(or $(PYTHON),python3)" is not one.' >&2; \
	  echo 'Install one, or name it: make setup PYTHON=/path/to/python3.12' >&2; exit 1; fi
	@echo 'Setting up $(VENV): a minute or two, once.'
	@if [ -e $(READY) ] && $(RUN) -m pip --version >/dev/null 2>&1; then rm $(READY); \
	  else rm -rf $(VENV) && '$(PYTHON)' -m venv $(VENV) || { rm -rf $(VENV); \
	    echo 'python -m venv failed; on Debian and Ubuntu: apt-get install python3-venv' >&2; exit 1; }; fi
	@$(PIP_INSTALL) --require-hashes -r requirements.txt
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@echo '$(CURDIR)' > $(READY)

demo: setup
	@$(RUN) pipelines/pods_pipeline.py run --demo $(ARGS)

notebook: setup
	@[ -e data/published ] || $(RUN) pipelines/pods_pipeline.py run --demo
	@$(RUN) -m marimo run notebooks/gpu_usage.py $(ARGS)

test: setup
	@$(RUN) -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

lint: setup
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m sqlfluff lint --disable-progress-bar transforms

types: setup
	$(RUN) -m mypy

trust: setup
	@$(RUN) -m tests.trust $(ARGS)

compat: setup
	@$(RUN) -m tests.compatibility lowest $(ARGS)
	@$(RUN) -m tests.compatibility newest $(ARGS)

bench: setup
	@$(RUN) -m bench $(ARGS)

readme: setup
	@$(RUN) -m tests.readme $(ARGS)

lock:
	$(UV) pip compile pyproject.toml --output-file requirements.txt --extra dev --constraint constraints.txt \
	  --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url
