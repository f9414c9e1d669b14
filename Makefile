# Two targets do all the set-up: `make demo` and `make test`. Everything they make is in .venv and
# beside the examples' sources, and is made again only when what it is made from has changed.
# All paths are relative, so the directory may have any name.

PYTHON ?= python3
PY := .venv/bin/python
PIP_INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check
DEMO := examples/market

.DELETE_ON_ERROR:
.PHONY: demo examples test docs soak chaos fuzz power replay check format clean

demo: examples
	@cat $(DEMO)/try-next.txt
	@trap : INT; .venv/bin/theater up $(DEMO)/manifest.toml || [ $$? -eq 130 ] # Ctrl-C ends it

# What has not changed is not built again.
examples: .venv/.installed-demo
	@.venv/bin/theater build $(DEMO)

test: .venv/.installed-dev
	@$(PY) -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(PYTEST)

# The documentation as a site, in site/: begin with site/index.html.
docs: .venv/.installed-docs
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet
	@echo "site/index.html"

# Random kills for MINUTES; SEED repeats the trouble of another time.
MINUTES ?= 5
soak: .venv/.installed-dev
	@$(PY) -m tests.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

# What the suite runs a slice of, as a whole (not where SEED repeats something). Then a kill at every
# commit point of a scenario, however long that takes; then at random until MINUTES.
chaos: .venv/.installed-dev
	@$(if $(SEED),:,$(PY) -m pytest -n 3 --dist loadfile --no-loadscope-reorder --whole -m whole -q)
	@$(PY) -m tests.chaos --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

# Hostile input for MINUTES.
fuzz: .venv/.installed-dev
	@$(PY) -m tests.fuzz --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

# The power fails at random for MINUTES, on a disk in memory.
power: .venv/.installed-dev
	@$(PY) -m tests.power --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

# Random actors, random traffic and kills for MINUTES; then everything is replayed.
replay: .venv/.installed-dev
	@$(PY) -m tests.replay --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

check: .venv/.installed-dev
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@$(PY) -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(PYTEST)

format: .venv/.installed-dev
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

clean:
	rm -rf .venv build dist site .mypy_cache .pytest_cache .ruff_cache examples/*/build examples/*/*/build

# ---- what the targets need ----

.venv/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "theater needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)." >&2; \
	  echo "Name another one:  make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu:" >&2; \
	  echo "  sudo apt install python3-venv" >&2; exit 1; }
	@echo "Creating .venv ..."
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/.installed-demo: .venv/.created pyproject.toml
	@echo "Installing theater and what builds Python actors into .venv ..."
	@$(PIP_INSTALL) --editable '.[python]'
	@$(PY) -m compileall -q theater # else each process does it, where PYTHONDONTWRITEBYTECODE is set
	@touch $@

.venv/.installed-docs: .venv/.created pyproject.toml
	@echo "Installing theater and what makes its documentation into .venv ..."
	@$(PIP_INSTALL) --editable '.[docs]'
	@touch $@

.venv/.installed-dev: .venv/.created pyproject.toml
	@echo "Installing theater and what the tests need into .venv ..."
	@$(PIP_INSTALL) --editable '.[dev]'
	@$(PY) -m compileall -q theater
	@touch $@
